"""The noise laws of a case, and their levels: numbers, or the names of unknowns."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mscale_uq.case.schema import ExperimentSpec, LawSpec
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.law import Law, ObservationOperator
from mscale_uq.core.parameter import Array, Parameter, Quantity
from mscale_uq.core.system import System
from mscale_uq.errors import CaseError, explain, near_match
from mscale_uq.io.measurements import Measurements
from mscale_uq.io.mistakes import Mistakes
from mscale_uq.io.units import to_unit
from mscale_uq.observe.laws import Gaussian, StudentT

LAWS = {"gaussian": Gaussian, "student_t": StudentT}


def noise_operators(
    laws: Mapping[str, LawSpec], one: ExperimentSpec, data: Measurements, system: System, mistakes: Mistakes
) -> dict[str, ObservationOperator]:
    """Return an operator for each measured quantity; what has no law, or a wrong one, is noted."""
    for quantity in one.law:
        if quantity not in data.outputs:
            given = f"{quantity!r} is not measured here{near_match(quantity, data.outputs)}"
            mistakes.add(f"experiment.{one.name}.law", explain(given, ", ".join(data.outputs)))
    operators = {}
    for quantity, readings in data.outputs.items():
        if quantity not in laws:
            unit = system.output(quantity).unit
            hint = f'law = {{ {quantity} = {{ law = "gaussian", sd = "1 {unit}" }} }}'
            given = f"no noise law for the measured {quantity!r}"
            mistakes.add(f"experiment.{one.name}.law", explain(given, "gaussian, student_t", hint))
            continue
        with mistakes.at(
            f"experiment.{one.name}.law.{quantity}" if quantity in one.law else f"law.{quantity}"
        ):
            law = _law(laws[quantity], system.output(quantity), readings)
            operators[quantity] = ObservationOperator(quantity, law)
    return operators


def _law(spec: LawSpec, output: Quantity, readings: Array) -> Law:
    sd: Any = 0.0
    if isinstance(spec.sd, list):
        sd = tuple(to_unit(value, output.unit, "sd", difference=True) for value in spec.sd)
        if readings.shape != (len(sd),):
            raise CaseError(
                explain(f"sd: {len(sd)} levels", f"one, or one for each of {readings.size} readings")
            )
    elif spec.sd is not None:
        sd = level(spec.sd, output.unit, "sd")
    if spec.law == "student_t":
        if spec.relative is not None:
            raise CaseError(explain("student_t: relative", "sd, df", "a gaussian law has a relative level"))
        return StudentT(sd, 4.0 if spec.df is None else to_unit(spec.df, "1", "df"))
    if spec.df is not None:
        raise CaseError(explain("gaussian: df", "sd, relative", "a student_t law has degrees of freedom"))
    return Gaussian(sd, 0.0 if spec.relative is None else level(spec.relative, "1", "relative"))


def level(given: float | str, unit: str, where: str) -> float | str:
    """Return a noise level as a number, or as the name of an unknown."""
    if isinstance(given, str) and given.isidentifier():
        return given
    return to_unit(given, unit, where, difference=True)


def noise_levels(law: Law, output: Quantity, model: ForwardModel) -> list[Parameter]:
    """Return the unknown noise levels that a law reads, as parameters."""
    units = {"sd": output.unit, "relative": "1"}
    return [
        Parameter(getattr(law, field), unit, 1.0, 0.0, np.inf, f"noise of {output.name} ({field})")
        for field, unit in units.items()
        if isinstance(getattr(law, field, None), str) and getattr(law, field) not in model.chain.made
    ]


def add_level(targets: dict[str, Parameter], level: Parameter) -> None:
    """Add a level to what can be bound, in place; a name that is there already means the same unknown.

    Raises
    ------
    CaseError
        If that has another unit.
    """
    known = targets.setdefault(level.name, level)
    if known is not level and known.unit != level.unit:
        given = f"noise level {level.name!r} in {level.unit!r} is also {known.meaning or 'a parameter'}"
        raise CaseError(explain(f"{given} in {known.unit!r}", "one unit for one name", "take another name"))
