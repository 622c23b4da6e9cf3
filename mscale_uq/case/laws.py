"""The noise laws of a case, and their levels: numbers, or the names of unknowns."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from mscale_uq.case.channels import Channels, channels_of
from mscale_uq.case.schema import ExperimentSpec, LawSpec
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.law import Law, ObservationOperator
from mscale_uq.core.parameter import Array, Parameter, Quantity
from mscale_uq.core.system import System
from mscale_uq.errors import CaseError, closest, explain, near_match
from mscale_uq.io.measurements import Measurements
from mscale_uq.io.mistakes import Mistakes
from mscale_uq.io.units import to_unit
from mscale_uq.macro.lineage import PARENT
from mscale_uq.observe.counts import NegativeBinomial
from mscale_uq.observe.fluorescence import Fluorescence
from mscale_uq.observe.followed import Followed
from mscale_uq.observe.laws import Gaussian, StudentT
from mscale_uq.observe.lognormal import Lognormal
from mscale_uq.observe.rows import grid_of

LAWS = {
    "gaussian": Gaussian,
    "student_t": StudentT,
    "fluorescence": Fluorescence,
    "negative_binomial": NegativeBinomial,
    "pseudobulk": Gaussian,
    "factorial_moments": Gaussian,
    "lognormal": Lognormal,
}
# law -> what may be said of it, beside `law` and `per`
LEVELS = {
    "gaussian": ("sd", "relative"),
    "student_t": ("sd", "df"),
    "fluorescence": ("sd", "relative", "shot", "background", "background_sd", "saturation"),
    "negative_binomial": ("overdispersion",),
    "pseudobulk": (),
    "factorial_moments": ("overdispersion",),
    "lognormal": ("relative", "detection_limit"),
}


def noise_operators(
    laws: Mapping[str, LawSpec], one: ExperimentSpec, data: Measurements, system: System, mistakes: Mistakes
) -> dict[str, ObservationOperator]:
    """Return an operator for each measured quantity; what has no law, or a wrong one, is noted.

    In place of a wrong law stands one that reads the same unknowns, so that their priors are looked at.
    """
    _check_measured(one, data, mistakes)
    operators = {}
    for quantity, readings in data.outputs.items():
        key = law_key(quantity, one)
        spec = law_of(quantity, laws, data.outputs)
        if quantity not in laws and not mistakes.at_or_below(key):
            hint = f'law = {{ {quantity} = {{ law = "gaussian", sd = "1 {system.output(quantity).unit}" }} }}'
            given = f"no noise law for the measured {quantity!r}"
            mistakes.add(f"experiment.{one.name}.law", explain(given, ", ".join(LAWS), hint))
        law: Law = _stand_in(spec)
        if spec is not None:
            with mistakes.at(key):
                law = _law(spec, system.output(quantity), readings)
        operators[quantity] = ObservationOperator(quantity, law)
    return operators


def law_key(quantity: str, one: ExperimentSpec) -> str:
    """Return where the law of a quantity stands in the case."""
    return f"experiment.{one.name}.law.{quantity}" if quantity in one.law else f"law.{quantity}"


def law_of(quantity: str, laws: Mapping[str, LawSpec], measured: Collection[str]) -> LawSpec | None:
    """Return the law of a quantity, or the one that was most likely meant for it; None if there is none."""
    others = [name for name in laws if name not in measured]
    return laws.get(quantity) or laws.get(closest(quantity, others) or "")


def noise_channels(
    laws: Mapping[str, LawSpec], one: ExperimentSpec, data: Measurements, system: System, mistakes: Mistakes
) -> dict[str, Channels]:
    """Return unknown level -> the channels of its readings, for the laws that have levels by channel."""
    found: dict[str, Channels] = {}
    for quantity in data.outputs:
        spec = laws.get(quantity)
        if spec is None or spec.per is None:
            continue
        with mistakes.at(law_key(quantity, one)):
            names = [str(level) for level in (spec.sd, spec.relative) if _is_name(level)]
            if not names:
                hint = 'sd = "noise" names an unknown'
                raise CaseError(
                    explain(f"per = {', '.join(spec.per)} without an unknown level", "an unknown level", hint)
                )
            channels = channels_of(quantity, spec.per, data, system)
            for name in names:
                if found.setdefault(name, channels) != channels:
                    given = f"{name!r} is a level of quantities read at different places"
                    raise CaseError(explain(given, "one unknown for each quantity"))
    return found


def _check_measured(one: ExperimentSpec, data: Measurements, mistakes: Mistakes) -> None:
    for quantity in one.law:
        if quantity not in data.outputs:
            given = f"{quantity!r} is not measured here{near_match(quantity, data.outputs)}"
            mistakes.add(f"experiment.{one.name}.law", explain(given, ", ".join(data.outputs)))


def _law(spec: LawSpec, output: Quantity, readings: Array) -> Law:
    given = spec.model_dump(exclude_none=True, exclude={"law", "per"})
    _check_levels(spec, given)
    if spec.law == "negative_binomial":
        return NegativeBinomial(level(given.get("overdispersion", 0.0), "1", "overdispersion"))
    if spec.law == "lognormal":
        return _lognormal(given, output, readings)
    if spec.law == "fluorescence":
        return _fluorescence(given, output)
    if spec.law in ("pseudobulk", "factorial_moments"):
        return Gaussian(1.0)  # until the cells have told it: `case.pooled`
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
        return StudentT(sd, 4.0 if spec.df is None else to_unit(spec.df, "1", "df"))
    return Gaussian(sd, 0.0 if spec.relative is None else level(spec.relative, "1", "relative"))


def _check_levels(spec: LawSpec, given: Mapping[str, Any]) -> None:
    for name in given:
        if name not in LEVELS[spec.law]:
            raise CaseError(explain(f"{spec.law}: {name}", ", ".join(LEVELS[spec.law]) or "no level"))


def _lognormal(given: Mapping[str, Any], output: Quantity, readings: Array) -> Lognormal:
    if "relative" not in given:
        raise CaseError(explain("lognormal: no relative", "the sd of the logarithm", 'relative = "15 %"'))
    limit = given.get("detection_limit")
    limit = None if limit is None else to_unit(limit, output.unit, "detection_limit")
    law = Lognormal(level(given["relative"], "1", "relative"), limit)
    law.check(readings)
    return law


def _fluorescence(given: Mapping[str, Any], output: Quantity) -> Fluorescence:
    if isinstance(given.get("sd"), list):
        raise CaseError(explain("fluorescence: a list for sd", "one level"))
    names = ("shot", "background", "background_sd", "saturation")
    numbers = {name: to_unit(given[name], output.unit, name) for name in names if name in given}
    sd, relative = given.get("sd", 0.0), given.get("relative", 0.0)
    return Fluorescence(level(sd, output.unit, "sd"), relative=level(relative, "1", "relative"), **numbers)


def followed(
    operator: ObservationOperator, data: Measurements, output: Quantity, system: System
) -> ObservationOperator:
    """Return the operator of readings of individuals under the joint law of each one's readings.

    An output is read of individuals if its system says that it is tracked: an individual is what all its
    coordinates tell apart, but for the first, the time, and what they say of its lineage; a mother is
    named by the first of these in the system, as in `case.divisions`. Other operators are returned as they
    are.
    """
    if not output.tracked:
        return operator
    if not isinstance(operator.law, Gaussian | Fluorescence):
        given = f"law of {output.name!r}, where individuals are followed"
        raise CaseError(explain(given, "gaussian, fluorescence"))
    time, *others = output.coordinates
    there = (one for one in system.coordinates if one.name in others and not one.lineage)
    apart = {one.name: data.coordinates[one.name] for one in there}
    individual = grid_of(apart)[1]
    at = np.unique(data.coordinates[time], return_inverse=True)[1]
    rows = tuple(individual.tolist()), tuple(np.ravel(at).tolist())
    mothers = data.coordinates.get(PARENT)  # empty for an individual without one
    own = next(iter(apart.values()))
    divides = mothers is not None and bool(np.any(~np.isnan(mothers) & (mothers != own)))
    law = Followed(operator.law, output.name, *rows, divides)
    return replace(operator, law=law)


def plain_law(law: Law) -> Law:
    """Return the law of one reading, also where individuals are followed."""
    return law.noise if isinstance(law, Followed) else law


def _stand_in(spec: LawSpec | None) -> Law:
    sd, relative = (None, None) if spec is None else (spec.sd, spec.relative)
    return Gaussian(str(sd) if _is_name(sd) else 1.0, str(relative) if _is_name(relative) else 0.0)


def _is_name(given: Any) -> bool:
    return isinstance(given, str) and given.isidentifier()


def level(given: float | str, unit: str, where: str) -> float | str:
    """Return a noise level as a number, or as the name of an unknown."""
    if isinstance(given, str) and given.isidentifier():
        return given
    return to_unit(given, unit, where, difference=True)


def noise_levels(
    law: Law, output: Quantity, model: ForwardModel, channels: Mapping[str, Channels]
) -> list[Parameter]:
    """Return the unknown noise levels that a law reads, as parameters; by channel they are arrays."""
    units = {"sd": output.unit, "relative": "1", "overdispersion": "1"}
    found, law = [], plain_law(law)
    for field, unit in units.items():
        name = getattr(law, field, None)
        if isinstance(name, str) and name not in model.chain.made:
            count = (len(channels[name].places),) if name in channels else ()
            default = (1.0,) if count else 1.0
            meaning = f"noise of {output.name} ({field})"
            found.append(Parameter(name, unit, default, 0.0, np.inf, meaning, count))
    return found


def add_level(targets: dict[str, Parameter], level: Parameter) -> None:
    """Add a level to what can be bound, in place; a name that is there already means the same unknown.

    Raises
    ------
    CaseError
        If that has another unit.
    """
    known = targets.setdefault(level.name, level)
    if known is not level and (known.unit, known.shape) != (level.unit, level.shape):
        given = f"noise level {level.name!r} in {level.unit!r} is also {known.meaning or 'a parameter'}"
        one = "one unit and shape for one name"
        raise CaseError(explain(f"{given} in {known.unit!r}", one, "take another name"))
