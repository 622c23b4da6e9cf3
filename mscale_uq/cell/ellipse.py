"""A periodic cell with one elliptic inclusion behind a smooth interface, differentiable in its shape.

A sharp inclusion on a grid of pixels has no derivative to its size or direction; a smooth one has. At the
centre y of every element

    k = k_m + (k_i - k_m) s,      s = 1 / (1 + exp((sqrt(q_1^2 / rho + q_2^2 rho) - r_0) / delta)),

with r_0 = sqrt(v / pi), and q the place relative to the middle of the cell, turned back by the angle.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from mscale_uq.cell.grid import checked_shape
from mscale_uq.core.each import Rowwise
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Linearization, MatrixLinearization, Named, Stage, Values
from mscale_uq.errors import OutOfLimits, ParameterError, explain
from mscale_uq.solve.fourier_kernels import FAST
from mscale_uq.solve.kernel import kernel


@final
class SmoothEllipse(Rowwise):
    """Conductivity ``(n1, n2)`` around a smooth ellipse in the middle of a cell of unit sides.

    Parameters
    ----------
    shape
        Number of elements along y1 and y2.
    inclusion, matrix
        Names of the conductivities inside and outside.
    fraction, angle, aspect_ratio
        Names of the area share v, of the angle (rad) of the long axis to y1, of the ratio rho of the axes.
    conductivity
        Name made.
    interface
        Width delta of the interface, in sides of the cell.

    Raises
    ------
    ParameterError
        When made: if the shape or the interface is not positive.
    OutOfLimits
        At a fraction or an aspect ratio that is not positive.
    """

    name = "elliptic inclusion"

    def __init__(
        self,
        shape: tuple[int, int],
        inclusion: str = "k_i",
        matrix: str = "k_m",
        fraction: str = "v",
        angle: str = "alpha",
        aspect_ratio: str = "rho",
        conductivity: str = "k",
        interface: float = 0.03,
    ) -> None:
        if not interface > 0:
            raise ParameterError(explain(f"an interface of {interface}", "a positive width"))
        self.shape = checked_shape(shape)
        self.interface = float(interface)
        self.inputs = (inclusion, matrix, fraction, angle, aspect_ratio)
        self.outputs = (conductivity,)

    def value(self, values: Values) -> Named:
        """Return the conductivity at the centre of every element."""
        return {self.outputs[0]: self._evaluate(values)[0]}

    def linearize(self, values: Values) -> tuple[Named, Linearization]:
        """Return the conductivity and its derivative to all five numbers."""
        k, slopes = self._evaluate(values)
        made = self.outputs[0]
        blocks = {(made, name): slope for name, slope in zip(self.inputs, slopes, strict=True)}
        return {made: k}, MatrixLinearization(blocks, dict.fromkeys(self.inputs, ()), {made: self.shape})

    def rows(self, over: Sequence[str], places: Array) -> Stage:
        """Return the stage for many ellipses at once."""
        return _EllipseRows(self, tuple(over), len(places))

    def checked(self, values: Values) -> Array:
        """Return the five numbers, or rows of them, ``(5, ...)``, if an ellipse has them."""
        for name in (self.inputs[2], self.inputs[4]):
            least = float(np.min(values[name]))
            if not least > 0:
                raise OutOfLimits(self.name, values, f"{name!r} is {least:g}, and must be positive")
        return np.array(np.broadcast_arrays(*[values[name] for name in self.inputs]), dtype=float)

    def _evaluate(self, values: Values) -> tuple[Array, Array]:
        k, slopes = np.empty((1, *self.shape)), np.empty((1, 5, *self.shape))
        _ellipses(self.checked(values)[:, None], self.interface, k, slopes)
        return k[0], slopes[0]


@final
class _EllipseRows(Stage):
    """Smooth ellipses ``(rows, n1, n2)``: some of the five numbers have a row for each, some are shared."""

    def __init__(self, ellipse: SmoothEllipse, over: tuple[str, ...], count: int) -> None:
        self._ellipse, self.over, self._count = ellipse, over, count
        self.name, self.inputs, self.outputs = ellipse.name, ellipse.inputs, ellipse.outputs

    def value(self, values: Values) -> Named:
        """Return the conductivities."""
        return {self.outputs[0]: self._evaluate(values)[0]}

    def linearize(self, values: Values) -> tuple[Named, Linearization]:
        """Return the conductivities and their derivatives to the five numbers."""
        k, slopes = self._evaluate(values)
        return {self.outputs[0]: k}, _EllipseRowsLinearization(self, slopes)

    def _evaluate(self, values: Values) -> tuple[Array, Array]:
        shape = self._ellipse.shape
        k, slopes = np.empty((self._count, *shape)), np.empty((self._count, 5, *shape))
        _ellipses(self._ellipse.checked(values), self._ellipse.interface, k, slopes)
        return k, slopes


@final
@dataclass(frozen=True)
class _EllipseRowsLinearization(Linearization):
    """Slopes ``(rows, 5, n1, n2)`` to the five numbers."""

    stage: _EllipseRows
    slopes: Array

    def jvp(self, tangents: Values) -> Named:
        """Add up what the numbers move."""
        change = np.zeros((len(self.slopes), 1, 5))
        for column, name in enumerate(self.stage.inputs):
            if name in tangents:
                change[:, 0, column] = tangents[name]
        rows, _, *shape = self.slopes.shape
        return {self.stage.outputs[0]: (change @ self.slopes.reshape(rows, 5, -1)).reshape(rows, *shape)}

    def vjp(self, cotangents: Values) -> Named:
        """Weigh the slopes of every row; what the rows share gets their sum."""
        rows = len(self.slopes)
        weights = np.reshape(cotangents[self.stage.outputs[0]], (rows, -1, 1))
        back = (self.slopes.reshape(rows, 5, -1) @ weights)[:, :, 0]
        return {
            name: back[:, column] if name in self.stage.over else np.asarray(back[:, column].sum())
            for column, name in enumerate(self.stage.inputs)
        }


@kernel(**FAST)
def _ellipses(numbers: Array, delta: float, k: Array, slopes: Array) -> None:
    """Write k ``(rows, n1, n2)`` and its derivatives ``(rows, 5, n1, n2)`` for numbers ``(5, rows)``."""
    for row in range(k.shape[0]):
        one = numbers[:, row]
        _ellipse(one[0], one[1], one[2], one[3], one[4], delta, k[row], slopes[row])


@kernel(**FAST)
def _ellipse(
    k_i: float, k_m: float, v: float, alpha: float, rho: float, delta: float, k: Array, slopes: Array
) -> None:
    """Write k ``(n1, n2)`` and its derivatives ``(5, n1, n2)`` to the first five arguments."""
    n1, n2 = k.shape
    cosine, sine, radius = np.cos(alpha), np.sin(alpha), np.sqrt(v / np.pi)
    to_radius = 1.0 / (2.0 * np.pi * radius)  # d radius / dv
    for i in range(n1):
        y1 = (i + 0.5) / n1 - 0.5
        for j in range(n2):
            y2 = (j + 0.5) / n2 - 0.5
            q1, q2 = cosine * y1 + sine * y2, cosine * y2 - sine * y1
            size = np.sqrt(q1 * q1 / rho + q2 * q2 * rho)
            share = 1.0 / (1.0 + np.exp((size - radius) / delta))
            steep = (k_i - k_m) * share * (1.0 - share) / delta  # - dk / d size
            half = 0.5 / size if size > 0.0 else 0.0  # in the very middle the share is flat
            k[i, j] = k_m + (k_i - k_m) * share
            slopes[0, i, j] = share
            slopes[1, i, j] = 1.0 - share
            slopes[2, i, j] = steep * to_radius
            slopes[3, i, j] = -steep * half * 2.0 * q1 * q2 * (1.0 / rho - rho)
            slopes[4, i, j] = -steep * half * (q2 * q2 - q1 * q1 / (rho * rho))
