"""What the parameters and noise levels of one experiment are bound to: numbers, or unknowns by name."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from mscale_uq.case.schema import CaseSpec, ExperimentSpec
from mscale_uq.core.parameter import Parameter
from mscale_uq.errors import CaseError, InputError, closest, explain, near_match
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


def bindings_of(
    spec: CaseSpec, one: ExperimentSpec, targets: Mapping[str, Parameter], mistakes: Mistakes
) -> dict[str, Fixed | Link]:
    """Return what every target is bound to: its own entries first, then the case's, then its own name.

    What is bound by a mistake is a number here, so that it is told once.
    """
    _check_names(one, targets, mistakes)
    bind, own = _meant(one.bind, targets), _meant(one.fixed, targets)
    here = f"experiment.{one.name}"
    keys = ("fixed", f"{here}.fixed", f"{here}.bind")
    bindings: dict[str, Fixed | Link] = {}
    for name, target in targets.items():
        bindings[name] = Fixed(target.broadcast(target.default))
        if name in bind:
            with mistakes.at(f"{here}.bind.{name}"):
                bindings[name] = _link(bind[name])
        elif name in own:
            with mistakes.at(f"{here}.fixed.{name}"):
                bindings[name] = fixed(target, own[name])
        elif name in spec.fixed:
            with mistakes.at(f"fixed.{name}"):
                bindings[name] = fixed(target, spec.fixed[name])
        elif not any(mistakes.at_or_below(f"{key}.{name}") for key in keys):
            bindings[name] = Link(name)
    return bindings


def links_are_known(one: ExperimentSpec, targets: Mapping[str, Parameter]) -> bool:
    """Whether every link of an experiment is one, of a target that can be told."""
    return all(closest(name, targets) and LINK.fullmatch(link) for name, link in one.bind.items())


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
        limits = f"{target.limits} {target.unit}"
        percent = target.unit == "1" and isinstance(given, int | float) and target.inside(value / 100)
        hint = f'if {given:g} % is meant, write "{given:g} %"' if percent else ""
        raise InputError(explain(f"{target.name} = {given} is impossible", limits, hint))
    return Fixed(value if target.shape else float(value))


def _check_names(one: ExperimentSpec, targets: Mapping[str, Parameter], mistakes: Mistakes) -> None:
    here = f"experiment.{one.name}"
    for section in ("fixed", "bind"):
        for name in getattr(one, section):
            if name not in targets:
                given = f"no parameter {name!r}{near_match(name, targets)}"
                mistakes.add(f"{here}.{section}.{name}", explain(given, ", ".join(targets)))
            elif section == "bind" and name in one.fixed:
                mistakes.add(f"{here}.bind.{name}", explain(f"{name!r} is fixed here too", "one of the two"))


def _meant(given: Mapping[str, Any], targets: Mapping[str, Parameter]) -> dict[str, Any]:
    """Return the entries under the names that were most likely meant."""
    meant = {closest(name, targets): value for name, value in given.items() if name not in targets}
    return {**{name: value for name, value in meant.items() if name is not None}, **given}


def _link(given: str) -> Link:
    match = LINK.fullmatch(given)
    if match is None:
        raise CaseError(explain(f"{given!r}", "the name of an unknown, or one entry of it such as 'k[0]'"))
    return Link(match[1], int(match[2]) if match[2] else None)
