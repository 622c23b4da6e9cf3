"""Periodic elastic cells in plane strain: mean strain down, mean stress, tangent and energy up.

For a mean strain E the fluctuation w is periodic and in equilibrium, and

    S(E) = < sigma(E + eps(w)) >,      dS/dE = < C > - G^T K^-1 G,      G = < C B >,  K = < B^T C B >,

with bilinear elements on a grid whose lines lie on the interfaces: exact for layers, a little stiff for
others, also where a phase can hardly be compressed. All strains are treated in one compiled call; the Newton
search of each starts at w = 0, so that a stress never depends on earlier ones. Slopes to properties and to
the geometry use the same K.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike

from mscale_uq.cell.elastic_kernels import STEP, form, relax, respond
from mscale_uq.cell.grid import folded_numbers
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Linearization, MatrixLinearization, Named, PointwiseStage, Stage, Values
from mscale_uq.errors import InputError, OutOfLimits, SolveFailed, explain
from mscale_uq.solve.band_kernels import solve_band
from mscale_uq.solve.proportional import solved

STRAINS = ("strain_xx", "strain_yy", "strain_xy")
STRESSES = ("stress_xx", "stress_yy", "stress_xy")
MODULUS, POISSON, REFERENCE, EXPONENT = range(4)
LINEAR = (1.0, 0.0, 1.0, 1.0)  # of a constituent whose properties nobody names


class CellShape(ABC):
    """The geometry of a cell: a grid of elements, the phase of each, and how its sides follow the fraction.

    Attributes
    ----------
    phase
        ``(n1, n2)``: 0 is the matrix, 1 the inclusion. Axis 0 runs along x.
    """

    phase: np.ndarray

    @abstractmethod
    def sides(self, fraction: Any) -> tuple[Any, Any]:
        """Return the sides of the elements along x ``(n1,)`` and y ``(n2,)``, analytic in the fraction."""


@final
class Laminate(CellShape):
    """Two layers with their normal along y."""

    phase = np.array([[0, 1]])

    def sides(self, fraction: Any) -> tuple[Any, Any]:
        """Return the layers' heights: matrix, inclusion."""
        one = np.ones(1) + 0 * fraction
        return one, np.array([1 - fraction, fraction])


@final
class SquareInclusion(CellShape):
    """One square inclusion in the middle of a square, `elements` along each side, half of them inside it."""

    def __init__(self, elements: int) -> None:
        if elements < 4 or elements % 4:
            raise InputError(explain(f"a cell of {elements} elements", "a multiple of 4"))
        inside = np.repeat([0, 1, 0], [elements // 4, elements // 2, elements // 4])
        self.phase = np.outer(inside, inside)
        self._inside = inside.astype(bool)

    def sides(self, fraction: Any) -> tuple[Any, Any]:
        """Return the sides of the elements."""
        share, half = np.sqrt(fraction), self._inside.size / 2
        sides = np.where(self._inside, share / half, (1 - share) / half)
        return sides, sides


@final
class Image(CellShape):
    """An image of two phases ``(n1, n2)``, whose pixels have the given sides; the fraction is the image's."""

    def __init__(self, phase: ArrayLike, lengths: tuple[float, float] = (1.0, 1.0)) -> None:
        self.phase = np.asarray(phase, dtype=int)
        if self.phase.ndim != 2 or self.phase.size < 2 or not np.isin(self.phase, (0, 1)).all():
            raise InputError(explain(f"an image of shape {self.phase.shape}", "a 2-D array of 0 and 1"))
        self._lengths = lengths

    def sides(self, fraction: Any) -> tuple[Any, Any]:
        """Return the sides of the pixels."""
        x, y = (np.full(n, side / n) for n, side in zip(self.phase.shape, self._lengths, strict=True))
        return x + 0 * fraction, y + 0 * fraction


@final
@dataclass(frozen=True)
class Composite:
    """A cell shape and the names of the properties of its phases.

    Attributes
    ----------
    shape
        The geometry.
    matrix, inclusion
        Names of Young's modulus and Poisson's ratio, and, if it softens, of e_0 and m.
    fraction
        Name of the inclusion's share; None if the shape is an image.
    """

    shape: CellShape
    matrix: tuple[str, ...]
    inclusion: tuple[str, ...]
    fraction: str | None = None

    def __post_init__(self) -> None:
        for phase in (self.matrix, self.inclusion):
            if len(phase) not in (2, 4):
                raise InputError(
                    explain(f"properties {phase}", "modulus and Poisson's ratio, or e_0 and m too")
                )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of everything that is read."""
        shape = () if self.fraction is None else (self.fraction,)
        return tuple(dict.fromkeys((*self.matrix, *self.inclusion, *shape)))

    @cached_property
    def corners(self) -> np.ndarray:
        """Node numbers of the elements' corners 00, 01, 10, 11 ``(4, elements)``."""
        number = folded_numbers(self.shape.phase.shape)  # type: ignore[arg-type]
        corners = [np.roll(number, (-i, -j), (0, 1)).ravel() for i in (0, 1) for j in (0, 1)]
        return np.ascontiguousarray(np.stack(corners))

    @cached_property
    def bandwidth(self) -> int:
        """Largest distance of two unknowns of one element."""
        free = np.where(self.corners == 0, np.nan, self.corners)
        spread = np.nanmax(free, axis=0) - np.nanmin(free, axis=0)
        return int(2 * spread.max() + 1)

    @cached_property
    def gauss(self) -> tuple[Array, Array]:
        """Points and weights on (0, 1); in layers the strain is constant, and one point is exact."""
        points, weights = np.polynomial.legendre.leggauss(1 if 1 in self.shape.phase.shape else 2)
        return (points + 1) / 2, weights / 2

    def properties(self, values: Mapping[str, Any]) -> Array:
        """Return the table of properties ``(2, 4)``, complex if one of them is."""
        rows = [[values[name] for name in names] for names in (self.matrix, self.inclusion)]
        return 1.0 * np.array([[*row, *LINEAR[len(row) :]] for row in rows])

    def sides(self, values: Mapping[str, Any]) -> tuple[Array, Array]:
        """Return the sides of the elements."""
        return self.shape.sides(0.5 if self.fraction is None else values[self.fraction])

    def stepped(self, values: Mapping[str, Any], names: Sequence[str]) -> tuple[Array, Array, Array]:
        """Return sides along x, along y and properties, each name in turn moved by the complex step."""
        (n1, n2), count = self.shape.phase.shape, len(names)
        x, y = np.empty((count, n1), complex), np.empty((count, n2), complex)
        table = np.empty((count, 2, len(LINEAR)), complex)
        for place, name in enumerate(names):
            moved = {**values, name: values[name] + 1j * STEP}
            (x[place], y[place]), table[place] = self.sides(moved), self.properties(moved)
        return x, y, table

    def arguments(self, values: Values) -> tuple[Any, ...]:
        """Return the cell as the kernels take it.

        Raises
        ------
        OutOfLimits
            If a modulus, e_0 or m is not positive, a Poisson's ratio not in (-1, 1/2), a share not in (0, 1).
        """
        table = self.properties(values)
        modulus, poisson, reference, exponent = table.T
        good = (modulus > 0) & (poisson > -1) & (poisson < 0.5) & (reference > 0) & (exponent > 0)
        share = 0.5 if self.fraction is None else float(values[self.fraction])
        if not (good.all() and 0 < share < 1):
            shown = {name: values[name] for name in self.names}
            raise OutOfLimits("elastic cell", shown, "a constituent without a convex energy, or no cell")
        return (*self.sides(values), self.shape.phase, self.corners, *self.gauss, table)


@final
class EffectiveStiffness(Stage):
    """Stiffness at zero strain ``(3, 3)``, in the order xx, yy, xy (engineering shear).

    Its slopes are averages of products of fields that are there already: it is stationary in them.

    Raises
    ------
    OutOfLimits, SolveFailed
        By `value`, if a property is outside its limits or the cell has no solution.
    """

    def __init__(self, composite: Composite, stiffness: str = "C_hom", name: str = "elastic cell") -> None:
        self.composite = composite
        self.inputs = composite.names
        self.outputs = (stiffness,)
        self.name = name

    def value(self, values: Values) -> Named:
        """Return the stiffness."""
        x, y, *shape, table = self.composite.arguments(values)
        here = (x.astype(complex), y.astype(complex), *shape, table.astype(complex))
        return {self.outputs[0]: form(self._fields(values), here).real}

    def linearize(self, values: Values) -> tuple[Named, Linearization]:
        """Return the stiffness and its derivative to every property and to the fraction."""
        made, fields = self.outputs[0], self._fields(values)
        shape, blocks, value = self.composite.arguments(values)[2:-1], {}, np.zeros((3, 3))
        for name, x, y, table in zip(self.inputs, *self.composite.stepped(values, self.inputs), strict=True):
            moved = form(fields, (x, y, *shape, table))
            blocks[made, name], value = moved.imag / STEP, moved.real
        return {made: value}, MatrixLinearization(blocks, dict.fromkeys(self.inputs, ()), {made: (3, 3)})

    def _fields(self, values: Values) -> Array:
        """Return the fluctuations ``(3, 2 nodes)`` under unit strains; moduli in proportion have the same."""
        x, y, phase, *_, table = cell = self.composite.arguments(values)
        geometry = (phase.shape, phase.tobytes(), x.tobytes(), y.tobytes())
        problem = ("elastic cell", *geometry, table[:, POISSON].tobytes())
        return solved(problem, table[:, MODULUS].copy(), lambda _: self._relaxed(values, cell))[0]

    def _relaxed(self, values: Values, cell: tuple[Any, ...]) -> Array:
        """Solve for the fluctuations of the linear cell by one factorisation, that of its rest."""
        cell[-1][:, EXPONENT] = 1.0
        n, width = 2 * self.composite.corners.shape[1], self.composite.bandwidth
        band, G = np.empty((n - 2, width + 1)), np.empty((n, 3))
        if not relax(np.zeros(3), np.zeros(n), cell, np.empty((4, 1)), band, G, np.empty((3, 3))):
            raise SolveFailed(self.name, values, "the stiffness of the cell is not positive definite")
        loads = -G[2:]
        solve_band(band, loads)
        return np.vstack([np.zeros((2, 3)), loads]).T.copy()


@final
class ElasticCell(PointwiseStage):
    """Stress and energy at every point's own strain: what a macro problem calls at its quadrature points.

    Reads the strains ``(points,)`` and the composite's properties; makes the stresses and ``energy``,
    per volume, ``(points,)``.

    Raises
    ------
    OutOfLimits, SolveFailed
        If a property is outside its limits, or a cell finds no equilibrium.
    """

    def __init__(self, composite: Composite, name: str = "elastic cell") -> None:
        self.composite = composite
        self.inputs = (*STRAINS, *composite.names)
        self.outputs = (*STRESSES, "energy")
        self.name = name
        self._moved = composite.names

    def moved_by(self, names: Collection[str]) -> "ElasticCell":
        """Return the cell without slopes to properties that do not move."""
        here = copy(self)
        here._moved = tuple(name for name in self.composite.names if name in names)
        return here

    def value(self, values: Values) -> Named:
        """Return stresses and energy."""
        return self.tangent(values)[0]

    def tangent(self, values: Values) -> tuple[Named, Array]:
        """Return stresses and energy, and their derivatives ``(points, 4, 3 + properties)``."""
        strains = np.stack(np.broadcast_arrays(*(np.atleast_1d(values[name]) for name in STRAINS)), axis=1)
        cell, moved = self.composite.arguments(values), self.composite.stepped(values, self._moved)
        made, slopes, found = respond(np.ascontiguousarray(strains), cell, self.composite.bandwidth, *moved)
        if not found:
            raise SolveFailed(self.name, values, "a cell finds no equilibrium at its strain")
        table = np.zeros((len(made), len(self.outputs), len(self.inputs)))
        table[:, :, [*range(3), *(self.inputs.index(name) for name in self._moved)]] = slopes
        return dict(zip(self.outputs, made[:, :, 0].T, strict=True)), table


def entries(C_hom):
    """Return the six numbers of a stiffness ``(3, 3)``: the inputs of `hooke`."""
    return C_hom[0, 0], C_hom[0, 1], C_hom[0, 2], C_hom[1, 1], C_hom[1, 2], C_hom[2, 2]


ENTRIES = ("C_xxxx", "C_xxyy", "C_xxxy", "C_yyyy", "C_yyxy", "C_xyxy")


def hooke(strain_xx, strain_yy, strain_xy, C_xxxx, C_xxyy, C_xxxy, C_yyyy, C_yyxy, C_xyxy):
    """Return the stresses of a linear material; a linear cell is solved once for all points."""
    return (
        C_xxxx * strain_xx + C_xxyy * strain_yy + C_xxxy * strain_xy,
        C_xxyy * strain_xx + C_yyyy * strain_yy + C_yyxy * strain_xy,
        C_xxxy * strain_xx + C_yyxy * strain_yy + C_xyxy * strain_xy,
    )
