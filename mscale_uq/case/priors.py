"""The unknowns of a case: their units and shapes, found from what they are bound to, and their priors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import final

from mscale_uq.case.model import Link, Plan
from mscale_uq.case.schema import PriorSpec
from mscale_uq.core.parameter import Parameter, check_name
from mscale_uq.errors import CaseError, ParameterError, explain, near_match
from mscale_uq.io.mistakes import Mistakes
from mscale_uq.io.units import check_unit, to_unit
from mscale_uq.stats.experiment import Binding, Fixed, Shared
from mscale_uq.stats.intervals import ONE_TAIL, from_factor, from_interval, from_upper
from mscale_uq.stats.posterior import check_limits
from mscale_uq.stats.prior import Prior
from mscale_uq.stats.priors import FAMILIES

ARGUMENTS = "mean sd mu sigma rate alpha beta lower upper mass median factor".split()
VALUES = ("mean", "median", "lower", "upper")  # in the unknown's unit
WIDTHS = ("sd",)  # in the unknown's unit, as a difference
PURE = ("mu", "sigma", "alpha", "factor", "mass")  # pure numbers; of a gamma prior, beta is a rate


@final
@dataclass(frozen=True)
class Use:
    """One place where an unknown enters."""

    experiment: str
    target: Parameter
    link: Link
    is_width: bool


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
    is_width
        Whether it is a standard deviation: a temperature in it is a difference.
    """

    name: str
    unit: str
    meaning: str
    shape: tuple[int, ...]
    prior: Prior
    per: tuple[str, ...] = ()
    is_width: bool = False


def uses(plans: Sequence[Plan]) -> dict[str, list[Use]]:
    """Return unknown -> every place where it enters, in the order of the experiments."""
    found: dict[str, list[Use]] = {}
    for plan in plans:
        for name, binding in plan.bindings.items():
            if isinstance(binding, Link):
                use = Use(plan.name, plan.targets[name], binding, name in plan.levels)
                found.setdefault(binding.name, []).append(use)
    return found


def unknowns(
    priors: Mapping[str, PriorSpec], plans: Sequence[Plan], mistakes: Mistakes
) -> dict[str, Unknown]:
    """Return the unknowns, parents before children; mistakes are noted and their unknowns left out."""
    places = uses(plans)
    _check_all_have_priors(priors, places, mistakes)
    parents = {parent for spec in priors.values() for parent in _names(spec).values()}
    made: dict[str, Unknown] = {}
    for name in _parents_first({n: priors[n] for n in priors if n in places or n in parents}, mistakes):
        with mistakes.at(f"prior.{name}"):
            check_name(name)
            unit, is_width = _unit(name, priors, places)
            made[name] = _unknown(name, priors[name], places.get(name, []), unit, is_width)
    return made


def bindings(plan: Plan, known: Mapping[str, Unknown]) -> dict[str, Binding]:
    """Return a plan's bindings for `stats.experiment.Experiment`: entries per experiment get their index."""
    result: dict[str, Binding] = {}
    for name, binding in plan.bindings.items():
        if isinstance(binding, Fixed):
            result[name] = binding
        else:
            per = known[binding.name].per
            result[name] = Shared(binding.name, per.index(plan.name) if per else binding.index)
    return result


def _check_all_have_priors(
    priors: Mapping[str, PriorSpec], places: Mapping[str, list[Use]], mistakes: Mistakes
) -> None:
    for name, where in places.items():
        if name not in priors:
            given = f"{name!r} has no prior and is not fixed{near_match(name, set(priors) - set(places))}"
            hint = _how_to_fix(where[0])
            mistakes.add(f"prior.{name}", explain(given, "a prior or a number", hint))
    parents = {parent for spec in priors.values() for parent in _names(spec).values()}
    for name, spec in priors.items():
        for argument, parent in _names(spec).items():
            if parent not in priors:
                given = f"{argument} = {parent!r} has no prior{near_match(parent, priors)}"
                mistakes.add(
                    f"prior.{name}", explain(given, "a number with its unit, or the name of an unknown")
                )
    for name in priors:
        if name not in places and name not in parents:
            given = f"nothing depends on {name!r}{near_match(name, set(places) - set(priors))}"
            mistakes.add(f"prior.{name}", explain(given, ", ".join(places) or "no unknowns", "is it fixed?"))


def _how_to_fix(use: Use) -> str:
    if use.is_width:
        return f"or write a number in {use.target.unit} as the noise level"
    default = use.target.default if use.target.shape else f'"{use.target.default:g} {use.target.unit}"'
    return f"fixed = {{ {use.target.name} = {default} }} fixes it at its default"


def _arguments(spec: PriorSpec) -> dict[str, float | str]:
    given = {name: getattr(spec, name) for name in ARGUMENTS}
    return {name: value for name, value in given.items() if value is not None}


def _names(spec: PriorSpec) -> dict[str, str]:
    """Return the arguments that are names of other unknowns."""
    given = _arguments(spec).items()
    return {name: value for name, value in given if isinstance(value, str) and value.isidentifier()}


def _parents_first(priors: Mapping[str, PriorSpec], mistakes: Mistakes) -> list[str]:
    order: list[str] = []
    left = dict(priors)
    while left:
        ready = [name for name, spec in left.items() if not set(_names(spec).values()) & set(left)]
        if not ready:
            mistakes.add("prior", explain(f"{', '.join(left)} depend on each other in a circle"))
            break
        order += ready
        left = {name: spec for name, spec in left.items() if name not in ready}
    return order


def _unit(name: str, priors: Mapping[str, PriorSpec], places: Mapping[str, list[Use]]) -> tuple[str, bool]:
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
        for argument, parent in _names(spec).items():
            if parent == name:
                unit = _unit(child, priors, places)[0]
                return _argument_unit(spec.dist, argument, unit), argument in WIDTHS
    raise CaseError(explain("the unit is not known", "unit = '..'"))


def _argument_unit(family: str, argument: str, unit: str) -> str:
    if argument in (*VALUES, *WIDTHS):
        return unit
    pure = argument in PURE or family == "beta" or unit == "1"
    return "1" if pure else f"1/({unit})"


def _unknown(name: str, spec: PriorSpec, places: Sequence[Use], unit: str, is_width: bool) -> Unknown:
    prior = _prior(spec, unit, is_width)
    for use in places:
        check_limits(name, prior, use.target.lower, use.target.upper)
    shape, per = _shape(name, spec, places)
    return Unknown(name, unit, places[0].target.meaning if places else "", shape, prior, per, is_width)


def _prior(spec: PriorSpec, unit: str, is_width: bool) -> Prior:
    if spec.dist not in FAMILIES:
        raise CaseError(
            explain(f"dist = {spec.dist!r}{near_match(spec.dist, FAMILIES)}", ", ".join(FAMILIES))
        )
    given = _arguments(spec)
    numbers = {
        name: to_unit(
            value,
            _argument_unit(spec.dist, name, unit),
            name,
            difference=is_width or name in WIDTHS or spec.dist in ONE_TAIL,
        )
        for name, value in given.items()
        if name not in _names(spec)
    }
    return _from_arguments(spec.dist, given, numbers)


def _from_arguments(family: str, given: Mapping[str, float | str], numbers: Mapping[str, float]) -> Prior:
    """Return the prior in whichever of its forms was given: arguments, interval, or median and factor."""
    keys, own = set(given), {field.name for field in fields(FAMILIES[family])}  # type: ignore[arg-type]
    if keys == own:
        return FAMILIES[family](**{**given, **numbers})
    if family == "lognormal" and numbers.keys() == {"median", "factor"}:
        return from_factor(**numbers)
    if family in ONE_TAIL and numbers.keys() == {"upper", "mass"}:
        return from_upper(family, **numbers)
    if numbers.keys() == {"lower", "upper", "mass"}:
        return from_interval(family, **numbers)
    if numbers.keys() != keys and keys - own:
        raise CaseError(
            explain("names of unknowns in an interval", f"as {', '.join(sorted(own))} of {family}")
        )
    raise CaseError(
        explain(f"{family} with {', '.join(sorted(keys)) or 'no arguments'}", _forms(family, own))
    )


def _forms(family: str, own: set[str]) -> str:
    forms = [", ".join(sorted(own))]
    if family == "lognormal":
        forms.append("median, factor")
    if family != "truncated_normal":
        forms.append("upper, mass" if family in ONE_TAIL else "lower, upper, mass")
    return " | ".join(forms)


def _shape(name: str, spec: PriorSpec, places: Sequence[Use]) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Return the shape of an unknown, and the experiments its entries belong to if it has one for each."""
    own = {use.target.shape for use in places} or {()}
    if len(own) > 1:
        raise CaseError(explain(f"{name!r} is bound to shapes {own}", "one shape"))
    (inner,) = own
    if spec.shape == "experiments":
        if not places:
            raise CaseError(
                explain("shape = 'experiments', and no experiment uses it", "a number, or no shape")
            )
        if any(use.link.index is not None for use in places):
            raise CaseError(
                explain("shape = 'experiments' with an entry in bind", f"bind = {{ .. = {name!r} }}")
            )
        per = tuple(dict.fromkeys(use.experiment for use in places))
        return (len(per), *inner), per
    shape: tuple[int, ...] = spec.shape or inner
    for use in places:
        _check_link(name, shape, inner, use)
    return shape, ()


def _check_link(name: str, shape: tuple[int, ...], inner: tuple[int, ...], use: Use) -> None:
    if use.link.index is None and shape != inner and use.is_width:
        given = f"the noise level {name!r} has shape {shape}"
        hint = "sensors that scatter differently are experiments of their own, with shape = 'experiments'"
        raise ParameterError(explain(given, "one number for each experiment", hint))
    if use.link.index is None and shape != inner:
        given = f"{name!r} has shape {shape}, {use.target.name!r} of {use.experiment!r} has {inner}"
        hint = f"bind = {{ {use.target.name} = '{name}[0]' }}, or shape = 'experiments'"
        raise ParameterError(explain(given, "equal shapes", hint))
    if use.link.index is not None and (shape[1:] != inner or not shape or use.link.index >= shape[0]):
        given = f"{use.experiment!r} is bound to {name}[{use.link.index}] of shape {shape}"
        raise ParameterError(
            explain(given, f"an entry of shape {inner}", f"shape = {use.link.index + 1} or more")
        )
