"""From an experiment of a case file to a forward model, noise laws, and what each parameter is bound to."""

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from mscale_uq.case.data import DataFile, find_data, read_data
from mscale_uq.case.discrepancy import Discrepancy
from mscale_uq.case.laws import add_level, noise_levels, noise_operators
from mscale_uq.case.schema import CaseSpec, ExperimentSpec
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.parameter import Parameter
from mscale_uq.core.system import System, pick
from mscale_uq.errors import CaseError, InputError, explain, near_match
from mscale_uq.io.measurements import Measurements
from mscale_uq.io.mistakes import Mistakes
from mscale_uq.io.units import to_unit
from mscale_uq.stats.experiment import Fixed

LINK = re.compile(r"([A-Za-z_]\w*)(?:\[(\d+)\])?")


@final
@dataclass(frozen=True)
class Link:
    """Binds a model parameter, or a noise level, to an unknown by name, or to one entry of it."""

    name: str
    index: int | None = None


@final
@dataclass(frozen=True)
class Plan:
    """One experiment, worked out except for its priors.

    Attributes
    ----------
    name, options, files, data, model, operators
        As in `stats.experiment.Experiment` and the case file.
    targets
        What can be bound: model parameters and noise levels, with unit, shape and limits.
    levels
        The targets that are noise levels.
    bindings
        Target -> number, or link to an unknown.
    reader, said
        How files of another program are read, as in the case file, and a line on what was in each.
    """

    name: str
    options: Mapping[str, Any]
    files: tuple[DataFile, ...]
    data: Measurements
    model: ForwardModel
    operators: Mapping[str, ObservationOperator]
    targets: Mapping[str, Parameter]
    levels: frozenset[str]
    bindings: Mapping[str, Fixed | Link]
    reader: Mapping[str, Any] = field(default_factory=dict)
    said: tuple[str, ...] = ()

    def other_model(self, system: System, changes: Mapping[str, Any]) -> ForwardModel:
        """Return the model of the same readings with some options changed."""
        return system.forward(**{**self.options, **changes}, **self.data.coordinates)


def plan_experiments(
    spec: CaseSpec,
    system: System,
    discrepancies: Mapping[str, Discrepancy],
    folder: Path,
    mistakes: Mistakes,
) -> list[Plan]:
    """Return every experiment that is free of mistakes; the others' mistakes are noted."""
    names = [one.name for one in spec.experiment]
    for name in sorted({name for name in names if names.count(name) > 1}):
        mistakes.add(f"experiment.{name}.name", explain(f"{name!r} is given twice", "different names"))
    for quantity in spec.law:
        with mistakes.at(f"law.{quantity}"):
            pick(quantity, system.outputs, f"{system.name}: output")
    plans = [_plan(spec, one, system, discrepancies, folder, mistakes) for one in spec.experiment]
    return [plan for plan in plans if plan is not None]


def _plan(
    spec: CaseSpec,
    one: ExperimentSpec,
    system: System,
    discrepancies: Mapping[str, Discrepancy],
    folder: Path,
    mistakes: Mistakes,
) -> Plan | None:
    here = f"experiment.{one.name}"
    before = len(mistakes)
    options = _options(spec.options, one, system, mistakes)
    with mistakes.in_data(f"{here}.data"):
        files = tuple(find_data(given, folder) for given in one.data)
        data, said = read_data(files, system, one.reader)
    if len(mistakes) > before:
        return None
    operators = noise_operators({**spec.law, **one.law}, one, data, system, mistakes)
    model = None
    with mistakes.at(here):
        model = _model(system, options, data)
    if model is None or len(mistakes) > before:
        return None
    targets = {parameter.name: parameter for parameter in model.parameters}
    for quantity, operator in operators.items():
        with mistakes.at(f"{here}.law.{quantity}"):
            for level in noise_levels(operator.law, system.output(quantity), model):
                add_level(targets, level)
    for quantity in discrepancies.keys() & operators.keys():
        with mistakes.at(f"discrepancy.{quantity}"):
            operators[quantity] = discrepancies[quantity].added(operators[quantity], data)
            for level in discrepancies[quantity].levels(system.output(quantity), system, model):
                add_level(targets, level)
    levels = frozenset(targets) - set(model.names)
    bindings = _bindings(spec, one, targets, mistakes)
    reader = one.reader.model_dump(exclude_unset=True) if one.reader else {}
    return Plan(one.name, options, files, data, model, operators, targets, levels, bindings, reader, said)


def _options(
    common: Mapping[str, Any], one: ExperimentSpec, system: System, mistakes: Mistakes
) -> dict[str, Any]:
    """Return every option of the system; numbers with a unit are converted to the option's."""
    options: dict[str, Any] = {option.name: option.default for option in system.options}
    for name, value in {**common, **one.options}.items():
        own = f"experiment.{one.name}." if name in one.options else ""
        with mistakes.at(f"{own}options.{name}"):
            options[name] = option_value(system, name, value)
    return options


def option_value(system: System, name: str, value: Any) -> float | int | str | bool:
    """Return a system's option as given in a case, in its own unit and type.

    Raises
    ------
    InputError
        If there is no such option, or the value is none of it.
    """
    option = pick(name, system.options, f"{system.name}: option")
    if isinstance(value, str) and isinstance(option.default, int | float) and option.unit:
        value = to_unit(value, option.unit, name)
        value = int(value) if isinstance(option.default, int) and value.is_integer() else value
    checked: float | int | str | bool = option.check(value)
    return checked


def _model(system: System, options: Mapping[str, Any], data: Measurements) -> ForwardModel:
    needed = inspect.signature(system.forward).parameters.values()
    along = {coordinate.name for coordinate in system.coordinates}
    for argument in needed:
        if argument.name in along - set(data.coordinates) and argument.default is argument.empty:
            measured = [o.name for o in system.outputs if argument.name in o.coordinates]
            given = f"no data along {argument.name!r}"
            raise CaseError(explain(given, f"a file with {argument.name!r} and one of {', '.join(measured)}"))
    return system.forward(**options, **data.coordinates)


def _bindings(
    spec: CaseSpec, one: ExperimentSpec, targets: Mapping[str, Parameter], mistakes: Mistakes
) -> dict[str, Fixed | Link]:
    """Return what every target is bound to: its own entries first, then the case's, then its own name."""
    here = f"experiment.{one.name}"
    for section in ("fixed", "bind"):
        for name in getattr(one, section):
            if name not in targets:
                given = f"no parameter {name!r}{near_match(name, targets)}"
                mistakes.add(f"{here}.{section}.{name}", explain(given, ", ".join(targets)))
            elif section == "bind" and name in one.fixed:
                mistakes.add(f"{here}.bind.{name}", explain(f"{name!r} is fixed here too", "one of the two"))
    bindings: dict[str, Fixed | Link] = {}
    for name, target in targets.items():
        bindings[name] = Fixed(
            target.default
        )  # so that a mistake here is told once, and not again as another
        if name in one.bind:
            with mistakes.at(f"{here}.bind.{name}"):
                bindings[name] = _link(one.bind[name])
        elif name in one.fixed:
            with mistakes.at(f"{here}.fixed.{name}"):
                bindings[name] = fixed(target, one.fixed[name])
        elif name in spec.fixed:
            with mistakes.at(f"fixed.{name}"):
                bindings[name] = fixed(target, spec.fixed[name])
        else:
            bindings[name] = Link(name)
    return bindings


def _link(given: str) -> Link:
    match = LINK.fullmatch(given)
    if match is None:
        raise CaseError(explain(f"{given!r}", "the name of an unknown, or one entry of it such as 'k[0]'"))
    return Link(match[1], int(match[2]) if match[2] else None)


def fixed(target: Parameter, given: Any) -> Fixed:
    """Return a binding to numbers given in the target's unit or with their own.

    Raises
    ------
    InputError
        If the unit or the shape is wrong, or a number lies outside the target's physical limits.
    """
    if isinstance(given, list):
        value = target.broadcast([to_unit(item, target.unit, target.name) for item in given])
    else:
        value = target.broadcast(to_unit(given, target.unit, target.name))
    if not target.inside(value):
        limits = f"({target.lower:g}, {target.upper:g}) {target.unit}"
        raise InputError(explain(f"{target.name} = {given} is impossible", limits))
    return Fixed(value if target.shape else float(value))
