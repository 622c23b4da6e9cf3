"""Units, read at the boundary: text such as ``"1.2 um"`` becomes a float in the model's unit.

Temperatures are read as they are meant: ``20 degC`` is 293.15 K as a value, and 20 K as a difference (a
standard deviation, a width).
"""

import math
import re
from functools import cache
from tokenize import TokenError
from typing import Any

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.errors import UnitError, explain

NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(.*?)\s*", re.DOTALL)
# Of what is often written in the wrong dimension.
HINTS = {"1": "write the value with its unit", "C": "C is the coulomb; a Celsius temperature is in degC"}
OFFSET_SCALES = frozenset(("degree_Celsius", "degree_Fahrenheit", "degree_Reaumur"))


def to_unit(given: str | float, unit: str, where: str, difference: bool = False) -> float:
    """Return a number in `unit`, from a bare number (taken to be in it) or from text with its own unit.

    Parameters
    ----------
    given
        ``0.4``, ``"0.4"`` or ``"0.4 W/(m K)"``.
    unit
        Unit as text; ``"1"`` for none.
    where
        File and key, for the message.
    difference
        Whether a temperature is meant as a difference.

    Raises
    ------
    UnitError
        If the number or the unit cannot be read, or the dimension is another one.
    """
    if isinstance(given, bool):
        raise UnitError(explain(f"{where}: {given!r}", f"a number, or text such as '1.2 {unit}'"))
    if isinstance(given, int | float):
        return _finite(float(given), given, where)
    match = NUMBER.fullmatch(given)
    if match is None:
        example = f"a number, or text such as {_example(unit)!r}"
        raise UnitError(explain(f"{where}: {given!r} is not a number with a unit", example))
    number, own = float(match[1]), match[2]
    if own.startswith(","):
        raise UnitError(explain(f"{where}: {given!r}", "a decimal point", "write 1.5, not 1,5"))
    scale, offset = factor(own or unit, unit, f"{where}: {given!r}", difference)
    return _finite(float(_scaled(number, scale)) + offset, given, where)


def convert(values: Array, own: str, unit: str, where: str) -> Array:
    """Return an array given in the unit `own` in `unit`; raises `UnitError` like `to_unit`."""
    scale, offset = factor(own, unit, where)
    return np.asarray(_scaled(values, scale) + offset)


def written_unit(given: str | float, unit: str, difference: bool = False) -> str:
    """Return the unit that a person wrote a number in, or `unit` where none is written.

    A difference of temperatures is given in `unit`: nobody can see that 2 degC are meant as one.
    """
    match = NUMBER.fullmatch(given) if isinstance(given, str) else None
    own = match[2] if match else ""
    return own if own and not (difference and str(_parse(own, "unit")) in OFFSET_SCALES) else unit


def check_unit(unit: str, where: str = "unit") -> None:
    """Raise `UnitError` if a unit cannot be read."""
    _parse(unit, where)


def dimension(unit: str) -> dict[str, float]:
    """Return the powers of the base dimensions of a unit, such as ``{"[length]": 2, "[time]": -1}``."""
    return {name: float(power) for name, power in _parse(unit, "unit").dimensionality.items()}


def size(unit: str) -> float:
    """Return how many SI units a unit is: 1e-6 for ``um``, 1000 for ``kW/m``."""
    return float(_registry().Quantity(1.0, _delta(_parse(unit, "unit"))).to_base_units().magnitude)


def factor(own: str, unit: str, where: str, difference: bool = False) -> tuple[float, float]:
    """Return (scale, offset) with value in `unit` = scale * (value in `own`) + offset.

    Raises
    ------
    UnitError
        If a unit cannot be read, or the dimensions differ.
    """
    if own == unit:
        return 1.0, 0.0
    source, target = _parse(own, where), _parse(unit, where)
    if source.dimensionality != target.dimensionality:
        hint = HINTS.get(own, "")
        given = f"{where} has the dimension of {_dimension(source)}"
        raise UnitError(explain(given, f"{_dimension(target)}, such as {_example(unit)!r}", hint))
    quantity = _registry().Quantity
    once, thrice = (float(quantity(n, _delta(source)).to(_delta(target)).magnitude) for n in (1.0, 3.0))
    if not math.isclose(thrice, 3 * once):
        raise UnitError(explain(f"{where}: a logarithmic unit", f"a linear one, such as {_example(unit)!r}"))
    offsets = not difference and OFFSET_SCALES & {str(source), str(target)}
    # Pint multiplies prefixes one by one; 15 digits take its round-off away.
    return float(f"{once:.15g}"), float(quantity(0.0, source).to(target).magnitude) if offsets else 0.0


def _scaled(values: Any, scale: float) -> Any:
    """Return scale * values; 200 um are divided by a million, which is exact to the last digit."""
    inverse = float(f"{1 / scale:.15g}")
    return values / inverse if inverse > 1 and inverse.is_integer() else scale * values


@cache
def _registry() -> Any:
    import pint  # only now: it takes a third of a second, and `mscale --help` needs no unit

    return pint.UnitRegistry(cache_folder=None)


def _parse(unit: str, where: str) -> Any:
    try:
        return _registry().parse_units(unit)
    except (ValueError, AttributeError, TypeError, AssertionError, TokenError) as error:
        reason = str(error) if isinstance(error, AttributeError) else "its form is wrong"
        hint = "write m^2 for m2" if re.search(r"[a-zA-Z]\d", unit) else "case counts: K, not k; um for µm"
        raise UnitError(
            explain(f"{where}: cannot read the unit {unit!r}: {reason}", "such as 'W/(m K)', 'm^2/s'", hint)
        ) from None


def _delta(unit: Any) -> Any:
    """Return the unit of differences: another one for a temperature scale, itself for all else."""
    return _registry().parse_units(f"delta_{unit}") if str(unit) in OFFSET_SCALES else unit


def _dimension(unit: Any) -> str:
    return "a pure number" if unit.dimensionless else str(unit.dimensionality)


def _example(unit: str) -> str:
    return "1.2" if unit == "1" else f"1.2 {unit}"


def _finite(value: float, given: object, where: str) -> float:
    if not math.isfinite(value):
        raise UnitError(explain(f"{where}: {given!r}", "a finite number"))
    return value
