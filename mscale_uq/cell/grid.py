"""Bilinear (Q1) elements on a periodic grid of rectangles, for the scalar cell problem.

For both unit gradients e_j, chi_j is the periodic solution of

    -div( k (e_j + grad chi_j) ) = 0,      K_ij = < k (e_i + grad chi_i) . (e_j + grad chi_j) >,

exactly integrated, k constant on every element. Because chi makes K stationary, its derivative needs no
further solve:

    dK_ij/dk_e = (1/|Y|) integral over e of (e_i + grad chi_i) . (e_j + grad chi_j),

and K = sum_e k_e dK/dk_e, K being homogeneous of degree one.
"""

from functools import cached_property, lru_cache
from typing import final

import numpy as np
from scipy.sparse import csr_array

from mscale_uq.cell.fourier import FourierCell, suits
from mscale_uq.core.parameter import Array
from mscale_uq.errors import ParameterError, SolveFailed, explain
from mscale_uq.solve.banded import BandedPattern
from mscale_uq.solve.linear import SparsePattern

# Up to this many elements along the short side the banded factorisation is the faster one (measured).
BANDED_UP_TO = 128
# Residual of the Fourier way: at "reference" K is exact to round-off and dK/dk to about 1e-9, relative; at
# "sampling" K to 2e-7, and its derivatives to 1e-3 of the largest (bounds over the prior of `inclusions`).
ACCURACIES = {"reference": 1e-10, "sampling": 1e-4}
# From this many elements along the short side, on powers of two, the Fourier way is faster (measured).
FOURIER_FROM = {"reference": 64, "sampling": 32}
MAX_SPAN = 1e12
NAME = "periodic conduction"


def checked_lengths(lengths: tuple[float, float]) -> tuple[float, float]:
    """Return the sides of a cell as floats; refuse what is not two positive numbers."""
    try:
        sides = np.asarray(lengths, dtype=float)
    except (TypeError, ValueError):  # words, complex numbers, a dictionary
        sides = np.zeros(0)
    if sides.shape != (2,) or not (np.isfinite(sides) & (sides > 0)).all():
        raise ParameterError(explain(f"lengths={lengths}", "two positive numbers (L1, L2)"))
    return float(sides[0]), float(sides[1])


def checked_shape(shape: tuple[int, int]) -> tuple[int, int]:
    """Return the numbers of elements as ints; refuse what is not two positive whole numbers."""
    if np.shape(shape) != (2,) or not all(count == int(count) and count > 0 for count in shape):
        raise ParameterError(explain(f"shape={shape}", "two positive whole numbers (n1, n2)"))
    return int(shape[0]), int(shape[1])


@lru_cache(maxsize=8)
def periodic_grid(shape: tuple[int, int], lengths: tuple[float, float]) -> "PeriodicGrid":
    """Return the grid's symbolic work, done at its first use in this process, so that stages pickle small."""
    return PeriodicGrid(shape, lengths)


@final
class PeriodicGrid:
    """What every cell problem on one grid shares: numbering, element matrices, pattern, loads.

    Parameters
    ----------
    shape
        Number of elements along y1 and y2.
    lengths
        Sides of the cell along y1 and y2; only their ratio matters.
    """

    def __init__(self, shape: tuple[int, int], lengths: tuple[float, float]) -> None:
        self.shape = shape
        number = folded_numbers(shape)
        self._corners = np.stack([np.roll(number, (-i, -j), (0, 1)).ravel() for i in (0, 1) for j in (0, 1)])
        self._modes = _element_modes(lengths[0] / shape[0], lengths[1] / shape[1])
        self._unknowns = number.size - 1  # node 0 is held at zero: chi is known up to a constant
        if self._unknowns:
            self._pattern = _pattern(self._corners, min(shape))
            self._stiffness = _stiffness_map(self._pattern, self._corners, self._modes.T @ self._modes)
            self._load = _load_map(self._corners, -self._modes[:2])

    def tensor(self, k: Array, accuracy: str = "reference") -> tuple[Array, Array]:
        """Return K ``(2, 2)`` and dK/dk ``(2, 2, n1, n2)`` for positive k ``(n1, n2)``.

        The way is chosen by shape, contrast and accuracy (one of `ACCURACIES`).

        Raises
        ------
        SolveFailed
            If k spans more than twelve orders of magnitude: from sixteen on digits are lost, one by one.
        """
        if min(self.shape) >= FOURIER_FROM[accuracy] and suits(self.shape, k):
            found = self._fourier.tensor(k, ACCURACIES[accuracy])
            if found is not None:
                return found
        if not k.max() <= MAX_SPAN * k.min():
            reason = f"k spans {np.log10(k.max() / k.min()):.1f} orders of magnitude; the solver bears twelve"
            raise SolveFailed(NAME, {"least k": k.min(), "largest k": k.max()}, reason)
        return self.factorized_tensor(k)

    def tensors(self, k: Array, accuracy: str, starts: Array) -> tuple[Array, Array]:
        """Return `tensor` of every k ``(members, n1, n2)``, stacked; iterations begin where `starts` says.

        Raises
        ------
        SolveFailed
            As `tensor`.
        """
        if min(self.shape) >= FOURIER_FROM[accuracy] and suits(self.shape, k):
            found = self._fourier.tensors(k, ACCURACIES[accuracy], starts)
            if found is not None:
                return found
        K, dK = zip(*[self.tensor(one, accuracy) for one in k], strict=True)
        return np.array(K), np.array(dK)

    def factorized_tensor(self, k: Array) -> tuple[Array, Array]:
        """Return what `tensor` returns, always by a factorisation."""
        k = k.ravel()
        gradients = self._modes @ self._correctors(k)[:, self._corners]  # (direction, mode, element)
        gradients[0, 0] += 1.0
        gradients[1, 1] += 1.0
        dK = np.einsum("ime,jme->ije", gradients, gradients) / k.size
        return dK @ k, dK.reshape(2, 2, *self.shape)

    @cached_property
    def _fourier(self) -> FourierCell:
        modes = self._modes[:, -1]  # of the corner 11
        return FourierCell(self.shape, (float(modes[0]), float(modes[1]), float(modes[2])))

    def _correctors(self, k: Array) -> Array:
        """Return chi_1 and chi_2 at the nodes, ``(2, nodes)``."""
        chi = np.zeros((2, self._unknowns + 1))
        if self._unknowns:
            relative = k / k.mean()  # no underflow or overflow of the pivots in any unit
            loads = (self._load @ relative).reshape(2, -1)
            chi[:, 1:] = self._pattern.factorize(self._stiffness @ relative).solve(loads.T).T
        return chi


def _element_modes(h1: float, h2: float) -> Array:
    """Return ``(3, 4)``: mean d/dy1, mean d/dy2 and the scaled hourglass of the corners 00, 01, 10, 11.

    The energy of a bilinear function on the rectangle is its area times the sum of the squared modes. The
    area is the same for all elements and left out everywhere.
    """
    along_1 = np.array([-1.0, -1.0, 1.0, 1.0]) / (2 * h1)
    along_2 = np.array([-1.0, 1.0, -1.0, 1.0]) / (2 * h2)
    hourglass = np.array([1.0, -1.0, -1.0, 1.0]) * np.hypot(h1, h2) / (np.sqrt(12) * h1 * h2)
    return np.stack([along_1, along_2, hourglass])


def folded_numbers(shape: tuple[int, int]) -> Array:
    """Return node numbers ``(n1, n2)`` with which periodic neighbours are never far apart.

    A ring of n nodes is laid flat, 0, n-1, 1, n-2, ...: neighbours are at most two places apart. The short
    side runs fastest, so that neighbours differ by at most twice its length and two.
    """
    ring_1, ring_2 = (np.minimum(2 * np.arange(n), 2 * (n - np.arange(n)) - 1) for n in shape)
    if shape[0] < shape[1]:
        return ring_1[:, None] + shape[0] * ring_2
    return shape[1] * ring_1[:, None] + ring_2


def _pattern(corners: Array, short_side: int) -> BandedPattern | SparsePattern:
    """Return the pattern of the free nodes for contributions (corner, corner, element)."""
    rows, cols = _pairs(corners)
    free = (rows >= 0) & (cols >= 0)
    size = int(corners.max())
    if short_side <= BANDED_UP_TO:
        return BandedPattern(rows[free], cols[free], size, NAME)
    return SparsePattern(rows[free], cols[free], (size, size), positive_definite=True, name=NAME)


def _stiffness_map(pattern: BandedPattern | SparsePattern, corners: Array, stiffness: Array) -> csr_array:
    """Return the map from the conductivities to the matrix entries."""
    rows, cols = _pairs(corners)
    free = (rows >= 0) & (cols >= 0)
    weight = np.broadcast_to(stiffness[:, :, None], free.shape)[free]
    element = np.broadcast_to(np.arange(corners.shape[1]), free.shape)[free]
    contributions = csr_array((weight, (np.arange(weight.size), element)))
    return csr_array(pattern.gather @ contributions)


def _load_map(corners: Array, loads: Array) -> csr_array:
    """Return the map from the conductivities to both loads at the free nodes, one after the other."""
    size, elements = int(corners.max()), corners.shape[1]
    direction, corner, element = np.indices((2, 4, elements))
    row = corners[corner, element] - 1
    free = row >= 0
    place = ((direction * size + row)[free], element[free])
    return csr_array((loads[direction, corner][free], place), shape=(2 * size, elements))


def _pairs(corners: Array) -> tuple[Array, Array]:
    """Return row and column of every (corner, corner, element) among the free nodes; -1 is the held node."""
    shape = (4, 4, corners.shape[1])
    return np.broadcast_to(corners[:, None] - 1, shape), np.broadcast_to(corners[None] - 1, shape)
