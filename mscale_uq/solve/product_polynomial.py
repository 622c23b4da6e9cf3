"""Interpolation on a box by products of Chebyshev polynomials, and of cosines and sines along angles.

All products of the axes' basis functions are kept: contracting them axis by axis takes less time than a sum
over the few that matter would, because the innermost loop runs over neighbours in memory.

Source: L. N. Trefethen, Approximation Theory and Approximation Practice, SIAM (2013),
doi:10.1137/1.9781611975949.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.errors import ParameterError, explain
from mscale_uq.solve.kernel import kernel

FAST = {"nogil": True, "fastmath": True}


@final
@dataclass(frozen=True)
class Axis:
    """One direction of the box.

    Attributes
    ----------
    low, high
        Its ends; a periodic axis has its period between them.
    nodes
        Places along it; odd if it is periodic, one if its ends are the same.
    periodic
        Whether the function repeats itself beyond the ends.
    """

    low: float
    high: float
    nodes: int
    periodic: bool = False

    def __post_init__(self) -> None:
        empty = self.low == self.high
        fits = self.nodes == 1 if empty else self.nodes >= 1 and (self.nodes % 2 or not self.periodic)
        if not (self.low <= self.high and fits):
            allowed = "an interval, an odd number of nodes along an angle, one where nothing varies"
            raise ParameterError(explain(f"[{self.low}, {self.high}] with {self.nodes} nodes", allowed))

    @property
    def places(self) -> Array:
        """Where the function is to be known ``(nodes,)``."""
        count = np.arange(self.nodes)
        if self.periodic:
            return self.low + (self.high - self.low) * count / self.nodes
        middle, half = 0.5 * (self.high + self.low), 0.5 * (self.high - self.low)
        return middle + half * np.cos(np.pi * (count + 0.5) / self.nodes)


@final
class ProductPolynomial:
    """The interpolant of a vector-valued function on a box.

    Parameters
    ----------
    axes
        Of the box.
    values
        ``(nodes of axis 0, nodes of axis 1, ..., m)``: the function at all combinations of places.

    Attributes
    ----------
    coefficients
        Of the basis functions, shaped like the values; along an angle 1, cos, sin, cos 2, sin 2, ...

    Raises
    ------
    ParameterError
        If the values have another shape, or are not finite.
    """

    def __init__(self, axes: Sequence[Axis], values: Array) -> None:
        self.axes = tuple(axes)
        shape = tuple(axis.nodes for axis in self.axes)
        values = np.asarray(values, dtype=float)
        if values.shape[:-1] != shape or not np.all(np.isfinite(values)):
            given = f"values of shape {values.shape}, or some that are not finite"
            raise ParameterError(explain(given, f"finite ones, {(*shape, 'm')}"))
        coefficients = values
        for number, axis in enumerate(self.axes):
            turned = np.tensordot(_to_coefficients(axis), coefficients, axes=(1, number))
            coefficients = np.moveaxis(turned, 0, number)
        self.coefficients = coefficients
        self._flat = np.ascontiguousarray(coefficients).ravel()
        self._ends = np.array([[axis.low, axis.high] for axis in self.axes]).reshape(-1, 2)
        self._nodes = np.array(shape, dtype=np.int64)
        self._periodic = np.array([axis.periodic for axis in self.axes], dtype=np.bool_)

    def __call__(self, x: Array) -> Array:
        """Return the value and its slopes at x ``(d,)``, as ``(1 + d, m)``.

        Outside the box the value is that of the nearest point inside, with no slope outwards.
        """
        made: Array = contract(*self.arrays, x)
        return made

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """What `contract` takes before x."""
        return self._flat, self._nodes, self._periodic, self._ends


def _to_coefficients(axis: Axis) -> Array:
    """Return the matrix from the values at an axis' places to its coefficients."""
    basis, slopes = np.zeros(axis.nodes), np.zeros(axis.nodes)
    rows = []
    for place in axis.places:
        _basis(place, axis.low, axis.high, axis.periodic, basis, slopes)
        rows.append(basis.copy())
    inverse: Array = np.linalg.inv(np.array(rows))
    return inverse


@kernel(**FAST)
def _basis(x: float, low: float, high: float, periodic: bool, basis: Array, slopes: Array) -> None:
    """Write the basis functions of an axis and their derivatives at x."""
    nodes = basis.size
    basis[0], slopes[0] = 1.0, 0.0
    if nodes == 1:
        return
    if periodic:
        turn = 2.0 * np.pi / (high - low)
        for k in range(1, (nodes - 1) // 2 + 1):
            angle = k * turn * (x - low)
            cosine, sine = np.cos(angle), np.sin(angle)
            basis[2 * k - 1], slopes[2 * k - 1] = cosine, -k * turn * sine
            basis[2 * k], slopes[2 * k] = sine, k * turn * cosine
        return
    stretch = 2.0 / (high - low)
    t = (x - low) * stretch - 1.0
    if t < -1.0 or t > 1.0:
        t = min(1.0, max(-1.0, t))
        stretch = 0.0
    basis[1], slopes[1] = t, stretch
    for k in range(2, nodes):
        basis[k] = 2.0 * t * basis[k - 1] - basis[k - 2]
        slopes[k] = 2.0 * t * slopes[k - 1] + 2.0 * stretch * basis[k - 1] - slopes[k - 2]


@kernel(**FAST)
def contract(flat: Array, nodes: Array, periodic: Array, ends: Array, x: Array) -> Array:
    """Sum over one axis after the other; row 0 is the value, row 1 + a the slope along axis a."""
    left = flat.reshape(1, flat.size)
    for axis in range(nodes.size):
        count = nodes[axis]
        basis, slopes = np.empty(count), np.empty(count)
        _basis(x[axis], ends[axis, 0], ends[axis, 1], periodic[axis], basis, slopes)
        rest, known = left.shape[1] // count, axis + 1
        made = np.zeros((known + 1, rest))
        for k in range(count):
            for row in range(known):
                for r in range(rest):
                    made[row, r] += basis[k] * left[row, k * rest + r]
            for r in range(rest):
                made[known, r] += slopes[k] * left[0, k * rest + r]
        left = made
    return left
