"""`Heater`: one unit of a source, spread evenly over a box."""

from dataclasses import dataclass
from typing import final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.errors import InputError, explain


@final
@dataclass(frozen=True)
class Heater:
    """A source profile whose integral is one, constant inside a box and zero outside.

    With it, the strength of a `Source` is the whole amount: the power of a heater, not its density. Element
    edges must lie along the box' sides, or the integral is off by what is cut.

    Attributes
    ----------
    lower, upper
        Corners of the box ``(dimension,)`` in m.

    Raises
    ------
    InputError
        If the box is empty.
    """

    lower: tuple[float, ...]
    upper: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.lower) != len(self.upper) or not np.all(np.less(self.lower, self.upper)):
            raise InputError(
                explain(f"a heater from {self.lower} to {self.upper}", "lower < upper, everywhere")
            )

    def __call__(self, points: Array) -> Array:
        """Return the density at points ``(dimension, ...)``."""
        sides = zip(points, self.lower, self.upper, strict=True)
        inside = np.logical_and.reduce([(low < x) & (x < high) for x, low, high in sides])
        return inside / np.prod(np.subtract(self.upper, self.lower))
