"""Cells across a slab, a cylinder or a sphere, from the middle at 0 to the surface at 1, in layers."""

from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.errors import InputError, explain

Geometry = Literal["slab", "cylinder", "sphere"]
GEOMETRIES: tuple[Geometry, ...] = ("slab", "cylinder", "sphere")


@final
@dataclass(frozen=True)
class RadialMesh:
    """Shells and their layers.

    Attributes
    ----------
    geometry
        How the area of a face grows: as x to the power of 0, 1 or 2.
    edges
        Where layers begin and end, from 0 to 1.
    cells
        How many each layer has.
    grading
        1 makes the cells of a layer equal, 2 makes their thickness fall linearly towards its outer edge.

    Raises
    ------
    InputError
        If these do not fit together.
    """

    geometry: Geometry = "sphere"
    edges: tuple[float, ...] = (0.0, 1.0)
    cells: tuple[int, ...] = (40,)
    grading: float = 1.0

    def __post_init__(self) -> None:
        if self.geometry not in GEOMETRIES:
            raise InputError(explain(f"geometry {self.geometry!r}", ", ".join(GEOMETRIES)))
        rising = len(self.edges) > 1 and bool((np.diff(self.edges) > 0).all())
        if not rising or (self.edges[0], self.edges[-1]) != (0.0, 1.0):
            raise InputError(explain(f"edges {self.edges}", "increasing, from 0 to 1"))
        if len(self.cells) != len(self.edges) - 1 or sum(self.cells) < 2 or min(self.cells) < 1:
            raise InputError(explain(f"cells {self.cells}", "one whole number for each layer, two in all"))
        if not self.grading >= 1:
            raise InputError(explain(f"grading {self.grading}", "1 or more"))

    @property
    def faces(self) -> Array:
        """Where cells begin and end ``(cells + 1,)``."""
        parts = [
            last - (last - first) * (1 - np.arange(1, count + 1) / count) ** self.grading
            for first, last, count in zip(self.edges[:-1], self.edges[1:], self.cells, strict=True)
        ]
        return np.concatenate([[0.0], *parts])

    @property
    def layer(self) -> Array:
        """One where a cell is in a layer, zero elsewhere ``(layers, cells)``."""
        number = np.repeat(np.arange(len(self.cells)), self.cells)
        return (number == np.arange(len(self.cells))[:, None]).astype(float)

    @property
    def volumes(self) -> Array:
        """Integral of x^m over every cell ``(cells,)``; the surface has the area 1."""
        power = GEOMETRIES.index(self.geometry) + 1
        return np.diff(self.faces**power) / power

    @property
    def halves(self) -> tuple[Array, Array]:
        """For the outer face of each cell: how far it is to the centres before and after, over its area."""
        thickness, area = np.diff(self.faces), self.faces[1:] ** GEOMETRIES.index(self.geometry)
        return thickness / 2 / area, np.append(thickness[1:], 0.0) / 2 / area

    def conductances(self, transport: Array) -> tuple[Array, Array]:
        """Return those between cells, the last to the surface ``(cells,)``, and their slopes.

        From `transport` ``(layers,)``; the slopes are ``(layers, cells)``. Half cells are in series.
        """
        layer, (before, after) = self.layer, self.halves
        each = transport @ layer
        beyond = np.append(each[1:], each[-1])
        made = 1 / (before / each + after / beyond)
        inside, outside = before / each**2, after / beyond**2
        shifted = np.hstack([layer[:, 1:], layer[:, -1:]])
        return made, made**2 * (inside * layer + outside * shifted)
