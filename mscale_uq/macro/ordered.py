"""`OrderedBand`: a symmetric free block, numbered anew so that its entries lie near the diagonal."""

from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import reverse_cuthill_mckee

from mscale_uq.core.parameter import Array
from mscale_uq.errors import SolveFailed
from mscale_uq.solve.banded import BandedFactorization, BandedPattern

# A pivot this small beside its own diagonal entry leaves fewer than two digits of a solution.
SINGULAR = 1e-14


@final
@dataclass(frozen=True)
class OrderedFactorization:
    """The factorised block; unknowns in the caller's order."""

    factorization: BandedFactorization
    order: np.ndarray

    def solve(self, load: Array) -> Array:
        """Return x of A x = load, both ``(n,)`` or ``(n, loads)``."""
        solution = np.empty_like(load)
        solution[self.order] = self.factorization.solve(load[self.order])
        return solution

    def solve_transposed(self, load: Array) -> Array:
        """Return x of A^T x = load, which is A x = load here."""
        return self.solve(load)


@final
class OrderedBand:
    """Where the entries of a symmetric matrix go in band storage.

    Parameters
    ----------
    rows, columns
        ``(entries,)`` places of both triangles, with a whole diagonal.
    size
        Number of rows and columns.
    name
        What failures call the solve.

    Attributes
    ----------
    work
        About how many multiplications a factorisation takes.
    """

    def __init__(self, rows: np.ndarray, columns: np.ndarray, size: int, name: str) -> None:
        graph = csr_array((np.ones(rows.size), (rows, columns)), shape=(size, size))
        orders = [np.arange(size), reverse_cuthill_mckee(graph, symmetric_mode=True)]
        ranks = [np.argsort(order) for order in orders]
        widths = [int(np.abs(rank[rows] - rank[columns]).max()) for rank in ranks]
        best = int(np.argmin(widths))
        self.work = float(size) * widths[best] ** 2
        self._name = name
        self._order = orders[best]
        self._diagonal = np.flatnonzero(rows == columns)[np.argsort(rows[rows == columns])][self._order]
        self._pattern = BandedPattern(ranks[best][rows], ranks[best][columns], size, name)

    def factorize(self, data: Array) -> OrderedFactorization:
        """Return the factorisation of the matrix with the entries `data`.

        Raises
        ------
        SolveFailed
            If an entry is not finite, or the matrix is not positive definite to working precision.
        """
        made = self._pattern.factorize(self._pattern.gather @ data)
        pivots = made.factor[0] ** 2 / data[self._diagonal]
        if not pivots.min() > SINGULAR:
            raise SolveFailed(
                self._name,
                {},
                f"the matrix is singular to working precision (a pivot of {pivots.min():.0e});"
                " usually a boundary value or a reaction that fixes the level of the field is missing",
            )
        return OrderedFactorization(made, self._order)
