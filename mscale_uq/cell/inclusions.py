"""Periodic arrays of disks on a grid: exact area share of every element, and the conductivity it gives.

The share s of an element that lies inside a disk follows from the area of the disk left of x and below y,
by differences over the element's corners; its derivative to the disk's radius is the length of the circle's
arc inside the element. Both are exact, so that sum(share * element area) = f * |Y|.

Square array: one disk in the middle of the cell, sides 1 : 1. Hexagonal array: one disk in the middle and one
at the corners of the cell, sides 1 : sqrt 3. Disks touch at f = pi/4 and f = pi/(2 sqrt 3). The derivative to
f is continuous, but has a square-root kink where a circle begins to touch a line of the grid.

The conductivity of both arrays is known exactly: Lord Rayleigh, Phil. Mag. 34 (1892) 481-502,
doi:10.1080/14786449208620364.
"""

from dataclasses import dataclass
from typing import final

import numpy as np

from mscale_uq.cell.grid import checked_shape
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Linearization, MatrixLinearization, Named, Stage, Values
from mscale_uq.errors import Infeasible, InputError, OutOfLimits, explain, near_match


@final
@dataclass(frozen=True)
class DiskArray:
    """A periodic array of disks.

    Attributes
    ----------
    name
        What the array is called.
    lengths
        Sides of the rectangular cell, in disk distances.
    centres
        Centre of every disk that reaches into the cell, in disk distances.
    disks
        Number of whole disks in the cell.
    touching
        Area fraction at which disks touch.
    """

    name: str
    lengths: tuple[float, float]
    centres: tuple[tuple[float, float], ...]
    disks: int
    touching: float

    def radius(self, fraction: float) -> float:
        """Return the radius at an area fraction, in disk distances."""
        return float(np.sqrt(fraction * self.lengths[0] * self.lengths[1] / (self.disks * np.pi)))


ROOT_3 = float(np.sqrt(3.0))
SQUARE = DiskArray("square", (1.0, 1.0), ((0.5, 0.5),), 1, np.pi / 4)
HEXAGONAL = DiskArray(
    "hexagonal",
    (1.0, ROOT_3),
    ((0.5, ROOT_3 / 2), (0.0, 0.0), (1.0, 0.0), (0.0, ROOT_3), (1.0, ROOT_3)),
    2,
    np.pi / (2 * ROOT_3),
)
ARRAYS = {array.name: array for array in (SQUARE, HEXAGONAL)}


def disk_share(shape: tuple[int, int], fraction: float, array: DiskArray = SQUARE) -> tuple[Array, Array]:
    """Return every element's share inside a disk, ``(n1, n2)`` in [0, 1], and its derivative to the fraction.

    Parameters
    ----------
    shape
        Number of elements along the sides of the array's cell.
    fraction
        Area fraction of the disks, dimensionless.
    array
        `SQUARE` or `HEXAGONAL`.

    Raises
    ------
    OutOfLimits
        If the fraction is not positive, or disks would touch.
    """
    if not 0.0 < fraction < array.touching:
        limits = f"(0, {array.touching:.6g}), where {array.name} disks touch"
        raise OutOfLimits("disk share", {"fraction": fraction}, f"the area fraction lies outside {limits}")
    x, y = (np.linspace(0.0, side, n + 1) for side, n in zip(array.lengths, shape, strict=True))
    element = array.lengths[0] * array.lengths[1] / (shape[0] * shape[1])
    radius = array.radius(fraction)
    parts = [_corner(x[:, None] - centre[0], y - centre[1], radius) for centre in array.centres]
    area, arc = (np.diff(np.diff(np.sum(part, axis=0), axis=0), axis=1) for part in zip(*parts, strict=True))
    share = np.clip(area / element, 0.0, 1.0)
    assert abs(share.mean() - fraction) < 1e-10, "the disks' area must be the fraction asked for"
    return share, arc / element * radius / (2.0 * fraction)


def _corner(x: Array, y: Array, radius: float) -> tuple[Array, Array]:
    """Return area and arc length of a disk left of x and below y, and of a circle around the origin.

    With H(x) the part left of x, the quadrant left of x and below y holds x y + (H(x) + H(y))/2 - pi r^2/4 if
    its corner lies in the disk; else the whole less two segments, one segment, or nothing. The arc is the
    derivative of each formula to r.
    """
    x, y = np.clip(x, -radius, radius), np.clip(y, -radius, radius)
    area_x, area_y, whole = _left_area(x, radius), _left_area(y, radius), np.pi * radius**2
    arc_x, arc_y, circle = _left_arc(x, radius), _left_arc(y, radius), 2.0 * np.pi * radius
    cases = [x**2 + y**2 < radius**2, (x > 0.0) & (y > 0.0), (x <= 0.0) & (y <= 0.0)]
    area = np.select(
        cases,
        [x * y + (area_x + area_y) / 2.0 - whole / 4.0, area_x + area_y - whole, 0.0],
        np.minimum(area_x, area_y),
    )
    arc = np.select(
        cases, [(arc_x + arc_y) / 2.0 - circle / 4.0, arc_x + arc_y - circle, 0.0], np.minimum(arc_x, arc_y)
    )
    return area, arc


def _left_area(x: Array, radius: float) -> Array:
    return x * np.sqrt(radius**2 - x**2) + radius**2 * (np.arcsin(x / radius) + np.pi / 2.0)


def _left_arc(x: Array, radius: float) -> Array:
    return radius * (2.0 * np.arcsin(x / radius) + np.pi)


@final
class DiskShare(Stage):
    """Area share of every element: fraction ``()`` to share ``(n1, n2)``, both dimensionless.

    Parameters
    ----------
    shape
        Number of elements along the sides of the cell, which are 1 : 1 (square) or 1 : sqrt 3 (hexagonal).
    array
        ``"square"`` or ``"hexagonal"``.
    fraction, share
        Name read and name made.
    name
        What failures call the stage.

    Raises
    ------
    InputError
        When made: at an unknown array, or a shape that is not two positive whole numbers.
    OutOfLimits
        When run: if the fraction is not positive, or disks would touch.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        array: str = "square",
        fraction: str = "fraction",
        share: str = "share",
        name: str = "disk share",
    ) -> None:
        if array not in ARRAYS:
            raise InputError(explain(f"disk array {array!r}{near_match(array, ARRAYS)}", ", ".join(ARRAYS)))
        self.shape = checked_shape(shape)
        self.array = ARRAYS[array]
        self.inputs = (fraction,)
        self.outputs = (share,)
        self.name = name

    @property
    def lengths(self) -> tuple[float, float]:
        """Sides of the cell, for the cell problem that follows."""
        return self.array.lengths

    def value(self, values: Values) -> Named:
        """Return the share ``(n1, n2)``."""
        return {self.outputs[0]: self._share(values)[0]}

    def linearize(self, values: Values) -> tuple[Named, Linearization]:
        """Return the share and its derivative to the fraction, the arc length inside every element."""
        share, slope = self._share(values)
        (source,), (made,) = self.inputs, self.outputs
        return {made: share}, MatrixLinearization({(made, source): slope}, {source: ()}, {made: self.shape})

    def _share(self, values: Values) -> tuple[Array, Array]:
        try:
            return disk_share(self.shape, float(values[self.inputs[0]]), self.array)
        except Infeasible as failure:
            raise OutOfLimits(self.name, values, failure.reason) from failure
