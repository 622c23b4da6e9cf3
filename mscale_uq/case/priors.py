"""The unknowns of a case: their units and shapes, found from what they are bound to, and their priors."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import final

from mscale_uq.case.channels import Place, spread
from mscale_uq.case.model import Plan
from mscale_uq.case.prior_forms import WIDTHS, argument_unit, parents_of, prior_of, shown_unit
from mscale_uq.case.schema import PriorSpec
from mscale_uq.case.uses import Use, entries_of, uses
from mscale_uq.core.parameter import check_name
from mscale_uq.errors import CaseError, InputError, closest, explain, near_match
from mscale_uq.io.mistakes import Mistakes
from mscale_uq.io.units import check_unit
from mscale_uq.stats.experiment import Binding, Fixed, Shared
from mscale_uq.stats.posterior import check_limits
from mscale_uq.stats.prior import Prior
from mscale_uq.stats.priors import Normal, Uniform

Priors = Mapping[str, PriorSpec]
Places = Mapping[str, list[Use]]


@final
@dataclass(frozen=True)
class Unknown:
    """One unknown of the posterior.

    Attributes
    ----------
    name, unit, meaning, shape
        The unit is that of what it is bound to.
    prior
        In that unit.
    per
        Names of the experiments its entries belong to, if there is one entry per experiment.
    channels, along
        Places its entries belong to, if there is one per channel, and the coordinates they lie along.
    is_width
        Whether it is a standard deviation: a temperature in it is a difference.
    shown
        The unit in which its prior is written, and in which a person reads it; empty: `unit`.
    """

    name: str
    unit: str
    meaning: str
    shape: tuple[int, ...]
    prior: Prior
    per: tuple[str, ...] = ()
    is_width: bool = False
    channels: tuple[Place, ...] = ()
    along: tuple[str, ...] = ()
    shown: str = ""


def unknowns(priors: Priors, plans: Sequence[Plan], whole: bool, mistakes: Mistakes) -> dict[str, Unknown]:
    """Return the unknowns, parents before children; mistakes are noted.

    In place of an unknown without a good prior stands one near its default, so that its uses are looked at.
    `whole` says that everything is planned that can have an unknown, so that a prior of nobody is a mistake.
    """
    places = uses(plans)
    parents = {parent for spec in priors.values() for parent in parents_of(spec).values()}
    idle = [name for name in priors if name not in places and name not in parents]
    targets = {target for plan in plans for target in plan.targets}
    told = [name for name in idle if whole or name in targets]
    _check_all_have_priors(priors, places, told, mistakes)
    _check_parents(priors, mistakes)
    _check_idle(told, targets, priors, places, mistakes)
    made = {name: _stand_in(name, where) for name, where in places.items() if name not in priors}
    for name in _parents_first({n: spec for n, spec in priors.items() if n not in idle}, mistakes):
        made[name] = _stand_in(name, places.get(name, []))
        with mistakes.at(f"prior.{name}"):
            made[name] = _unknown(name, priors, places, mistakes)
    return made


def bindings(plan: Plan, known: Mapping[str, Unknown]) -> dict[str, Binding]:
    """Return a plan's bindings for `stats.experiment.Experiment`, entries per experiment or channel found."""
    result: dict[str, Binding] = {}
    for name, binding in plan.bindings.items():
        channels = plan.channels.get(name)
        if isinstance(binding, Fixed):
            numbers = binding.value if channels is None else spread(binding.value, channels.of_reading)
            result[name] = Fixed(numbers)
        elif channels is not None:
            result[name] = Shared(binding.name, channels.entries(known[binding.name].channels))
        else:
            per = known[binding.name].per
            result[name] = Shared(binding.name, per.index(plan.name) if per else binding.index)
    return result


def _check_all_have_priors(priors: Priors, places: Places, idle: Collection[str], mistakes: Mistakes) -> None:
    """Every unknown must have a prior; one whose name is misspelt is told as that, among the idle ones."""
    for name, where in places.items():
        certain = any(use.sure or not use.is_width for use in where)
        misspelt = closest(name, idle) is not None
        if name not in priors and certain and not misspelt and not mistakes.at_or_below(f"prior.{name}"):
            given = f"{name!r} has no prior and is not fixed"
            mistakes.add(f"prior.{name}", explain(given, "a prior or a number", _how_to_fix(where[0])))


def _check_parents(priors: Priors, mistakes: Mistakes) -> None:
    for name, spec in priors.items():
        for argument, parent in parents_of(spec).items():
            if parent not in priors:
                given = f"{argument} = {parent!r} has no prior{near_match(parent, priors)}"
                allowed = "a number with its unit, or the name of an unknown"
                mistakes.add(f"prior.{name}", explain(given, allowed))


def _check_idle(
    idle: Collection[str], targets: Collection[str], priors: Priors, places: Places, mistakes: Mistakes
) -> None:
    """A prior must have a use; one that was meant for another name is looked at as if it had it."""
    missing = set(places) - set(priors)
    for name in idle:
        if name in targets:
            given = f"{name!r} has a prior, and a number or another unknown in its place"
            mistakes.add(f"prior.{name}", explain(given, "one of them", "leave it out here or in [fixed]"))
            continue
        given = f"nothing depends on {name!r}{near_match(name, missing)}"
        mistakes.add(f"prior.{name}", explain(given, ", ".join(places) or "no unknowns", "is it fixed?"))
        meant = closest(name, missing)
        if meant is not None:
            with mistakes.at(f"prior.{name}"):
                prior_of(priors[name], places[meant][0].target.unit, places[meant][0].is_width)


def _stand_in(name: str, places: Sequence[Use]) -> Unknown:
    """Return an unknown near the default of what it is bound to, inside its limits."""
    if not places:
        return Unknown(name, "1", "", (), Normal(0.0, 1.0))
    target = places[0].target
    middle = float(target.broadcast(target.default).flat[0])
    reach = 1e-3 * min(abs(middle) or 1.0, middle - target.lower, target.upper - middle)
    is_width = all(use.is_width for use in places)
    near = Uniform(middle - reach, middle + reach)
    return Unknown(name, target.unit, target.meaning, target.shape, near, (), is_width)


def _how_to_fix(use: Use) -> str:
    if use.is_width:
        return f"or write a number in {use.target.unit} as the noise level"
    unit = "" if use.target.unit == "1" else f" {use.target.unit}"
    default = use.target.default if use.target.shape else f'"{use.target.default:g}{unit}"'
    return f"fixed = {{ {use.target.name} = {default} }} fixes it at its default"


def _parents_first(priors: Priors, mistakes: Mistakes) -> list[str]:
    order: list[str] = []
    left = dict(priors)
    while left:
        ready = [name for name, spec in left.items() if not set(parents_of(spec).values()) & set(left)]
        if not ready:
            mistakes.add("prior", explain(f"{', '.join(left)} depend on each other in a circle"))
            break
        order += ready
        left = {name: spec for name, spec in left.items() if name not in ready}
    return order


def _unit(name: str, priors: Priors, places: Places) -> tuple[str, bool]:
    """Return the unit of an unknown, and whether it is a width: from its uses, or else its children."""
    own = priors[name].unit
    if name in places:
        units = {use.target.unit: use for use in places[name]}
        if len(units) > 1:
            listed = ", ".join(f"{use.target.name!r} in {unit!r}" for unit, use in units.items())
            raise CaseError(explain(f"{name!r} is bound to {listed}", "one unit for one unknown"))
        if own is not None and own not in units:
            given = f"unit = {own!r}"
            raise CaseError(explain(given, repr(next(iter(units))), "write the numbers with their units"))
        return next(iter(units)), all(use.is_width for use in places[name])
    if own is not None:
        check_unit(own)
        return own, False
    for child, spec in priors.items():
        for argument, parent in parents_of(spec).items():
            if parent == name:
                unit = _unit(child, priors, places)[0]
                return argument_unit(spec.dist, argument, unit), argument in WIDTHS
    raise CaseError(explain("the unit is not known", "unit = '..'"))


def _unknown(name: str, priors: Priors, places: Places, mistakes: Mistakes) -> Unknown:
    spec, where = priors[name], places.get(name, [])
    check_name(name)
    try:
        unit, is_width = _unit(name, priors, places)
    except InputError:
        if where:  # its own numbers are looked at all the same
            with mistakes.at(f"prior.{name}"):
                prior_of(spec, where[0].target.unit, where[0].is_width)
        raise
    prior = prior_of(spec, unit, is_width)
    for use in where:
        check_limits(name, prior, use.target.lower, use.target.upper)
    own = entries_of(name, spec, where)
    meaning = where[0].target.meaning if where else ""
    shown = shown_unit(spec, unit, is_width)
    return Unknown(name, unit, meaning, own.shape, prior, own.per, is_width, own.channels, own.along, shown)
