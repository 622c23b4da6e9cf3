"""`ExtendedMatrix`: the fixed sparse pattern of equations and flows, unknowns and known values."""

from typing import Protocol, final

import numpy as np
from scipy.sparse import csc_matrix

from mscale_uq.core.parameter import Array
from mscale_uq.macro.ordered import OrderedBand
from mscale_uq.solve.linear import SparsePattern, factorize

# Up to about this many multiplications LAPACK on the band is faster than a general sparse factorisation.
BAND_WORK = 5e7


class Factor(Protocol):
    """A factorised free block A."""

    def solve(self, load: Array) -> Array:
        """Return x of A x = load, both ``(n,)`` or ``(n, loads)``."""

    def solve_transposed(self, load: Array) -> Array:
        """Return x of A^T x = load, both ``(n,)`` or ``(n, loads)``."""


@final
class ExtendedMatrix:
    """The pattern of A in ``A U``, with U the nodal unknowns followed by known values.

    Parameters
    ----------
    pattern
        Rows are the nodal equations, then flows; columns are the nodal unknowns, then known values.
    free
        Numbers of the unknowns that are solved for; their equations have the same numbers.
    name
        What failures call the solve.
    """

    def __init__(self, pattern: SparsePattern, free: np.ndarray, name: str) -> None:
        self.free = free
        self._name = name
        self.shape = pattern.shape
        self._rows, self._indptr = pattern.indices, pattern.indptr
        self._columns = np.repeat(np.arange(self.shape[1], dtype=np.int32), np.diff(self._indptr))
        number = np.full(max(self.shape), -1, dtype=np.int32)
        number[free] = np.arange(free.size)
        row, column = number[self._rows], number[self._columns]
        self._inner = np.flatnonzero((row >= 0) & (column >= 0))
        self._inner_rows = row[self._inner]
        self._inner_indptr = np.searchsorted(column[self._inner], np.arange(free.size + 1)).astype(np.int32)
        self._band = OrderedBand(self._inner_rows, column[self._inner], free.size, name)

    def matrix(self, data: Array) -> csc_matrix:
        """Return the matrix with the stored entries `data`."""
        return csc_matrix((data, self._rows, self._indptr), self.shape)

    def factorize(self, data: Array, symmetric: bool, definite: bool) -> Factor:
        """Return the factorised free block of the matrix with the stored entries `data`.

        Raises
        ------
        SolveFailed
            If an entry is not finite, or the block is singular.
        """
        inner, size = data[self._inner], self.free.size
        if symmetric and definite and self._band.work < BAND_WORK:
            return self._band.factorize(inner)
        return factorize(
            csc_matrix((inner, self._inner_rows, self._inner_indptr), (size, size)), definite, self._name
        )

    def outer(self, rows: Array, columns: Array) -> Array:
        """Return the sensitivity of ``rows . (A columns)`` to the stored entries of A."""
        return rows.take(self._rows) * columns.take(self._columns)
