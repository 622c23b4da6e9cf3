"""Banded Cholesky solves: the fast path for positive definite matrices from small structured grids.

With nodes numbered along the short side of a grid the entries lie near the diagonal, and LAPACK's dense
kernels on the band beat a general sparse factorisation (five times at 32 x 32, no more at 128 x 128). The
interface is that of `mscale_uq.solve.linear`: a pattern made once, `gather`, `factorize`, `solve`.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import LinAlgError, cho_solve_banded, cholesky_banded
from scipy.sparse import csr_array

from mscale_uq.core.parameter import Array
from mscale_uq.errors import SolveFailed
from mscale_uq.solve.linear import check_entries, check_places, finite_solution


@final
@dataclass(frozen=True)
class BandedFactorization:
    """The Cholesky factor of a positive definite matrix A, in band storage ``(bandwidth + 1, n)``."""

    factor: Array
    name: str = "linear solve"

    def solve(self, load: ArrayLike) -> Array:
        """Return x of A x = load, both ``(n,)`` or ``(n, loads)``.

        Raises
        ------
        SolveFailed
            If the solution is not finite.
        """
        solution = cho_solve_banded((self.factor, True), np.asarray(load, dtype=float), check_finite=False)
        return finite_solution(solution, self.name)

    def solve_transposed(self, load: ArrayLike) -> Array:
        """Return x of A^T x = load, which is A x = load here."""
        return self.solve(load)


@final
class BandedPattern:
    """Where the contributions to a symmetric positive definite band matrix go.

    Parameters
    ----------
    rows, cols
        ``(contributions,)`` integers: the place of each contribution, of both triangles; those at one place
        add up. The numbering decides the bandwidth.
    size
        Number of rows and columns.
    name
        What failures call the solve.

    Attributes
    ----------
    bandwidth
        Largest distance of an entry from the diagonal.
    gather
        Sparse ``(entries, contributions)``: carries contributions to the entries of the lower triangle.
    """

    def __init__(self, rows: ArrayLike, cols: ArrayLike, size: int, name: str = "linear solve") -> None:
        rows, cols = np.ravel(np.asarray(rows, dtype=np.int64)), np.ravel(np.asarray(cols, dtype=np.int64))
        check_places(rows, cols, (size, size))
        lower = np.flatnonzero(rows >= cols)
        self.size = size
        self.name = name
        self.bandwidth = int((rows - cols).max())
        band = cols * (self.bandwidth + 1) + rows - cols  # band storage, column after column
        self.positions, entry = np.unique(band[lower], return_inverse=True)
        self.gather = csr_array((np.ones(lower.size), (entry, lower)), shape=(self.positions.size, rows.size))

    def factorize(self, data: Array) -> BandedFactorization:
        """Return the factorisation of the matrix with the stored entries `data` ``(entries,)``.

        Raises
        ------
        SolveFailed
            If an entry is not finite, or the matrix is not positive definite.
        """
        check_entries(data, self.name)
        band = np.zeros(self.size * (self.bandwidth + 1))
        band[self.positions] = data
        columns = band.reshape(self.size, self.bandwidth + 1).T
        try:
            factor = cholesky_banded(columns, overwrite_ab=True, lower=True, check_finite=False)
        except LinAlgError as error:
            raise SolveFailed(self.name, {}, f"the matrix is not positive definite ({error})") from error
        return BandedFactorization(factor, self.name)
