"""Numbers, units and names as a person writes them."""

import math
import re

SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
PREFIXES = {-12: "p", -9: "n", -6: "µ", -3: "m", 3: "k", 6: "M", 9: "G"}
PREFIXABLE = frozenset("m s g N Pa W J V A F Hz mol L".split())


def words(name: str) -> str:
    """``matrix_conductivity`` -> ``matrix conductivity``; a symbol such as ``K_eff`` stays as it is."""
    parts = re.findall(r"[^\W_]+", name.partition("[")[0])
    is_symbol = any(len(part) == 1 or not part.islower() for part in parts)
    return name if is_symbol else name.replace("_", " ")


def pretty_unit(unit: str) -> str:
    """``W/(m^2 K)`` -> ``W/(m² K)``; a pure number has none."""
    if unit in ("", "1"):
        return ""
    return re.sub(r"\^(-?\d+)", lambda match: match[1].translate(SUPERSCRIPTS), unit.replace("**", "^"))


def number(value: float, spread: float = math.nan) -> str:
    """Return a number with as many digits as its spread supports, or four significant ones."""
    if not math.isfinite(value):
        return "–"
    if value == 0 and not spread > 0:
        return "0"
    size = math.floor(math.log10(abs(value))) if value else math.floor(math.log10(spread))
    last = math.floor(math.log10(spread)) - 1 if spread > 0 and math.isfinite(spread) else size - 3
    if not -4 <= size < 6:
        digits = max(0, min(size - last, 15))
        return f"{value / 10.0**size:.{digits}f} × 10{str(size).translate(SUPERSCRIPTS)}".replace("-", "−")
    return f"{value:.{max(0, min(-last, 15))}f}".replace("-", "−")


def exact(value: float) -> str:
    """Return a number that was given by a person: no more digits than it has, six at most."""
    mantissa, _, power = f"{value:.6g}".partition("e")
    return mantissa.replace("-", "−") + (f" × 10{str(int(power)).translate(SUPERSCRIPTS)}" if power else "")


def interval(low: float, high: float, spread: float) -> str:
    """Return ``low to high``, with a common power of ten."""
    size = math.floor(math.log10(max(abs(low), abs(high)))) if max(abs(low), abs(high)) > 0 else 0
    if -4 <= size < 6 or not math.isfinite(low + high):
        return f"{number(low, spread)} to {number(high, spread)}"
    shift = 10.0**size
    inside = f"{number(low / shift, spread / shift)} to {number(high / shift, spread / shift)}"
    return f"({inside}) × 10{str(size).translate(SUPERSCRIPTS)}"


def share(value: float) -> str:
    """Return a share in per cent; shares near none or all keep the digit that tells them apart."""
    if not math.isfinite(value):
        return "–"
    per_cent = 100 * value
    if 99.95 <= per_cent < 100:
        return "> 99.9 %"
    if 0 < per_cent < 0.05:
        return "< 0.1 %"
    digits = 1 if 0 < per_cent < 1 or 99 <= per_cent < 100 else 0
    return f"{per_cent:.{digits}f} %".replace("-", "−")


def scale(largest: float) -> int:
    """Return the power of ten, a multiple of three, to take out of an axis; 0 if none is needed."""
    if not (largest > 0 and math.isfinite(largest)) or 0.01 <= largest < 10000:
        return 0
    return 3 * math.floor(math.log10(largest) / 3)


def axis_unit(unit: str, power: int) -> str:
    """Return what stands behind an axis' name: ``(µm)``, ``(10⁻⁹ mol/(m² s))``, or nothing."""
    if power and unit in PREFIXABLE and power in PREFIXES:
        return f" ({PREFIXES[power]}{unit})"
    factor = f"10{str(power).translate(SUPERSCRIPTS)}" if power else ""
    inside = f"{factor} {pretty_unit(unit)}".strip()
    return f" ({inside})" if inside else ""
