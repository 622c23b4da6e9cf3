"""Numbers of an unknown in the unit in which its case writes them."""

from collections.abc import Mapping
from typing import Any

from mscale_uq.core.parameter import Array
from mscale_uq.io.units import convert, factor

PLACES = ("mean", "2.5 %", "97.5 %", "truth")  # move with a temperature's zero
WIDTHS = ("sd", "tolerance")


def shown_unit(attrs: Mapping[str, Any]) -> str:
    """Return the unit in which a person reads a variable of a run; its own where none is written."""
    return str(attrs.get("shown", attrs.get("unit", "")))


def shown_values(values: Array, attrs: Mapping[str, Any]) -> Array:
    """Return values of a variable in the unit in which a person reads them."""
    return convert(values, attrs.get("unit", ""), shown_unit(attrs), "draws")


def shown_numbers(numbers: Mapping[str, Any], attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of a summary, or expected numbers, in the unit in which a person reads them."""
    scale, offset = factor(attrs.get("unit", ""), shown_unit(attrs), "a summary")
    moved = {name: scale * numbers[name] + offset for name in PLACES if name in numbers}
    scaled = {name: scale * numbers[name] for name in WIDTHS if name in numbers}
    unit = {"unit": shown_unit(attrs)} if "unit" in numbers else {}
    return {**numbers, **moved, **scaled, **unit}


def shown_density(density: tuple[Array, Array], attrs: Mapping[str, Any]) -> tuple[Array, Array]:
    """Return places and heights of a density over the unit in which a person reads it."""
    scale, _ = factor(attrs.get("unit", ""), shown_unit(attrs), "a density")
    return shown_values(density[0], attrs), density[1] / scale
