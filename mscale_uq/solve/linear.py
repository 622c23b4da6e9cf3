"""Sparse direct solves whose pattern is worked out once and whose factorisation is kept for the adjoint.

A finite-element matrix changes in its numbers, never in its pattern. `SparsePattern` is made once from the
places (row, column) of all element contributions; `gather` then carries their values to the stored entries
of the matrix by one sparse product. Where the contributions are linear in a few coefficients, compose once
and keep only that: ``map = pattern.gather @ contributions_per_coefficient``, then at every evaluation
``pattern.factorize(map @ coefficients).solve(load)``.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csc_matrix, csr_array
from scipy.sparse.linalg import SuperLU, splu

from mscale_uq.core.parameter import Array
from mscale_uq.errors import InputError, SolveFailed, explain

# Beyond this condition number (after diagonal scaling) fewer than two digits of a solution are left.
SINGULAR = 1e14


@final
@dataclass(frozen=True)
class Factorization:
    """A factorised square matrix A; it lives in this process only and is never pickled."""

    lu: SuperLU
    name: str = "linear solve"

    def solve(self, load: ArrayLike) -> Array:
        """Return x of A x = load, both ``(n,)`` or ``(n, loads)``.

        Raises
        ------
        SolveFailed
            If the solution is not finite.
        """
        return self._solve(load, "N")

    def solve_transposed(self, load: ArrayLike) -> Array:
        """Return x of A^T x = load, both ``(n,)`` or ``(n, loads)``.

        Raises
        ------
        SolveFailed
            If the solution is not finite.
        """
        return self._solve(load, "T")

    def _solve(self, load: ArrayLike, side: str) -> Array:
        solution = self.lu.solve(np.asarray(load, dtype=float), trans=side)
        return finite_solution(solution, self.name)


@final
class SparsePattern:
    """Where the contributions to a sparse matrix go.

    Parameters
    ----------
    rows, cols
        ``(contributions,)`` integers: the place of each contribution; those at one place add up.
    shape
        Of the matrix.
    positive_definite
        The matrix is symmetric positive definite: pivots stay on the diagonal, which is two to four times
        faster. Without it the matrix may be any regular one.
    name
        What failures call the solve.

    Attributes
    ----------
    gather
        Sparse ``(entries, contributions)``: carries contributions to the stored entries of the matrix,
        in the order of compressed columns.
    """

    def __init__(
        self,
        rows: ArrayLike,
        cols: ArrayLike,
        shape: tuple[int, int],
        positive_definite: bool = False,
        name: str = "linear solve",
    ) -> None:
        rows, cols = np.ravel(np.asarray(rows, dtype=np.int64)), np.ravel(np.asarray(cols, dtype=np.int64))
        check_places(rows, cols, shape)
        places, entry = np.unique(cols * shape[0] + rows, return_inverse=True)
        self.shape = shape
        self.positive_definite = positive_definite
        self.name = name
        self.indices = (places % shape[0]).astype(np.int32)
        self.indptr = np.searchsorted(places, np.arange(shape[1] + 1) * shape[0]).astype(np.int32)
        self.gather = csr_array(
            (np.ones(rows.size), (entry, np.arange(rows.size))), shape=(places.size, rows.size)
        )

    def data(self, contributions: ArrayLike) -> Array:
        """Return the stored entries ``(entries,)`` for contributions ``(contributions,)``."""
        return self.gather @ np.ravel(np.asarray(contributions, dtype=float))

    def matrix(self, data: Array) -> csc_matrix:
        """Return the sparse matrix with the stored entries `data` ``(entries,)``."""
        matrix = csc_matrix((data, self.indices, self.indptr), shape=self.shape)
        matrix.has_canonical_format = True
        return matrix

    def factorize(self, data: Array) -> Factorization:
        """Return the factorisation of the matrix with the stored entries `data` ``(entries,)``.

        Raises
        ------
        SolveFailed
            If an entry is not finite, or the matrix is singular to working precision.
        """
        return factorize(self.matrix(data), self.positive_definite, self.name)


def factorize(
    matrix: csc_matrix, positive_definite: bool = False, name: str = "linear solve"
) -> Factorization:
    """Return the factorisation of a square sparse matrix; the arguments are those of `SparsePattern`.

    Raises
    ------
    SolveFailed
        If an entry is not finite, or the matrix is singular to working precision.
    """
    check_entries(matrix.data, name)
    if positive_definite:
        options = {
            "permc_spec": "MMD_AT_PLUS_A",
            "diag_pivot_thresh": 0.0,
            "options": {"SymmetricMode": True},
        }
    else:
        options = {"permc_spec": "COLAMD"}
    try:
        lu = splu(matrix, **options)
    except RuntimeError as error:  # SuperLU's word for an exactly zero pivot
        raise SolveFailed(name, {}, f"the matrix is singular ({error})") from error
    _check_condition(matrix, lu, name)
    return Factorization(lu, name)


def _check_condition(matrix: csc_matrix, lu: SuperLU, name: str) -> None:
    """Refuse a matrix whose scaled condition number has a lower bound, found by one solve, above `SINGULAR`.

    Round-off hides an exact singularity in a pivot of 1e-16. The scaling by the diagonal makes the bound
    the same in all units.
    """
    scale = np.sqrt(np.abs(matrix.diagonal()))
    scale[scale == 0.0] = 1.0
    probe = np.cos(np.arange(scale.size) ** 2)  # any vector that is no eigenvector by accident
    growth = np.abs(scale * lu.solve(scale * probe)).max()
    if not growth < SINGULAR:
        raise SolveFailed(
            name,
            {},
            f"the matrix is singular to working precision (condition number above {growth:.0e});"
            " usually a boundary value or a reaction that fixes the level of the field is missing",
        )


def check_entries(data: Array, name: str) -> None:
    """Refuse a matrix with an entry that is not finite, as a failed solve of this name."""
    if not np.isfinite(data).all():
        raise SolveFailed(name, {}, "the matrix has entries that are not finite")


def finite_solution(solution: Array, name: str) -> Array:
    """Return a solution, or refuse one that is not finite, as a failed solve of this name."""
    if not np.isfinite(solution).all():
        raise SolveFailed(name, {}, "the solution of the linear system is not finite")
    return solution


def check_places(rows: Array, cols: Array, shape: tuple[int, int]) -> None:
    """Refuse contributions without a place, or with one outside the matrix."""
    if rows.size != cols.size:
        raise InputError(explain(f"{rows.size} rows and {cols.size} columns", "one column for each row"))
    if rows.size == 0 or min(rows.min(), cols.min()) < 0 or rows.max() >= shape[0] or cols.max() >= shape[1]:
        raise InputError(explain("a place outside the matrix", f"rows and columns inside {shape}"))
