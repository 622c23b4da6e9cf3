"""The forms in which a case gives a prior: arguments of its family, interval and mass, median and factor."""

from collections.abc import Mapping
from dataclasses import fields

from mscale_uq.case.schema import PriorSpec
from mscale_uq.errors import CaseError, explain, near_match
from mscale_uq.io.units import to_unit, written_unit
from mscale_uq.stats.intervals import ONE_TAIL, from_factor, from_interval, from_upper
from mscale_uq.stats.prior import Prior
from mscale_uq.stats.priors import FAMILIES

ARGUMENTS = "mean sd mu sigma rate alpha beta lower upper mass median factor".split()
VALUES = ("mean", "median", "lower", "upper")  # in the unknown's unit
WIDTHS = ("sd",)  # in the unknown's unit, as a difference
PURE = ("mu", "sigma", "alpha", "factor", "mass")  # pure numbers; of a gamma prior, beta is a rate


def _arguments(spec: PriorSpec) -> dict[str, float | str]:
    given = {name: getattr(spec, name) for name in ARGUMENTS}
    return {name: value for name, value in given.items() if value is not None}


def parents_of(spec: PriorSpec) -> dict[str, str]:
    """Return the arguments that are names of other unknowns."""
    given = _arguments(spec).items()
    return {name: value for name, value in given if isinstance(value, str) and value.isidentifier()}


def argument_unit(family: str, argument: str, unit: str) -> str:
    """Return the unit of an argument of a prior of an unknown in `unit`."""
    if argument in (*VALUES, *WIDTHS):
        return unit
    pure = argument in PURE or family == "beta" or unit == "1"
    return "1" if pure else f"1/({unit})"


def shown_unit(spec: PriorSpec, unit: str, is_width: bool) -> str:
    """Return the unit in which a prior's numbers are written: a person reads the posterior in it too."""
    given, parents = _arguments(spec), parents_of(spec)
    for name in (*VALUES, *WIDTHS):
        if name in given and name not in parents:
            difference = is_width or name in WIDTHS or spec.dist in ONE_TAIL
            return written_unit(given[name], unit, difference)
    return unit


def prior_of(spec: PriorSpec, unit: str, is_width: bool) -> Prior:
    """Return the prior of an unknown in `unit`; `is_width` says that a temperature in it is a difference.

    Raises
    ------
    InputError
        If family, arguments or units are wrong.
    """
    if spec.dist not in FAMILIES:
        raise CaseError(
            explain(f"dist = {spec.dist!r}{near_match(spec.dist, FAMILIES)}", ", ".join(FAMILIES))
        )
    given = _arguments(spec)
    numbers = {
        name: to_unit(
            value,
            argument_unit(spec.dist, name, unit),
            name,
            difference=is_width or name in WIDTHS or spec.dist in ONE_TAIL,
        )
        for name, value in given.items()
        if name not in parents_of(spec)
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
