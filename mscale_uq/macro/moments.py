"""Means and covariances of a reaction network, as a linear equation of their own.

Reaction r changes the numbers x of molecules by the column S_r and happens at the rate W_r x + w_r, linear in
x. Then mean m and covariance C of the numbers obey, exactly,

    dm = (A m + c) dt,   dC = (A C + C A' + sum_r S_r S_r' (W_r m + w_r)) dt,   A = S W, c = S w

and a cell that is followed obeys the first equation with noise of the covariance that C gains from zero: for
linear rates the linear-noise approximation has the moments of the jump process itself.

Source: L. Cardelli, M. Kwiatkowska, L. Laurenti, Stochastic analysis of chemical reaction networks using
linear noise approximation (2015), arXiv:1506.07861.
"""

from collections.abc import Callable
from inspect import signature
from typing import Any, final

import numpy as np

from mscale_uq.core.parameter import Quantity


@final
class MomentLaw:
    """The law of z = (m, C), C by its lower triangle row by row, as `LinearSDE` takes it: dz = (F z + b) dt.

    Parameters
    ----------
    stoichiometry
        S ``(n, reactions)``, whole numbers.
    rates
        Plain function of named values that returns W ``(reactions, n)`` and w ``(reactions,)``.
    """

    def __init__(self, stoichiometry: Any, rates: Callable[..., Any]) -> None:
        self.stoichiometry = np.asarray(stoichiometry, dtype=float)
        self.rates = rates
        self.__name__ = rates.__name__
        self.__signature__ = signature(rates)
        n = len(self.stoichiometry)
        self.rows, self.columns = np.tril_indices(n)
        noise = [np.outer(change, change)[self.rows, self.columns] for change in self.stoichiometry.T]
        self._noise = np.stack(noise, axis=1)
        self._lyapunov = self._spread(n)

    def __call__(self, *values: Any) -> tuple[Any, Any, Any]:
        """Return F, b, and no noise."""
        W, w = self.rates(*values)
        A, c = self.stoichiometry @ W, self.stoichiometry @ w
        n, k = self.stoichiometry.shape[0], len(self.rows)
        within = np.reshape(self._lyapunov @ np.reshape(A, (n * n,)), (k, k))
        top = np.concatenate([A, np.zeros((n, k))], axis=1)
        bottom = np.concatenate([self._noise @ W, within], axis=1)
        F = np.concatenate([top, bottom], axis=0)
        return F, np.concatenate([c, self._noise @ w]), np.zeros((n + k, n + k))

    def _spread(self, n: int) -> np.ndarray:
        """Return the matrix that turns A, flattened, into the map C -> A C + C A' of lower triangles."""
        k = len(self.rows)
        spread = np.zeros((k, k, n, n))
        for column, (i, j) in enumerate(zip(self.rows, self.columns, strict=True)):
            C = np.zeros((n, n))
            C[i, j] = C[j, i] = 1.0
            for a in range(n):
                for b in range(n):
                    AC = np.zeros((n, n))
                    AC[a] = C[b]
                    spread[:, column, a, b] = (AC + AC.T)[self.rows, self.columns]
        return spread.reshape(k * k, n * n)


def moment_state(species: tuple[Quantity, ...]) -> tuple[Quantity, ...]:
    """Return the state variables of z: ``<name>_mean``, then ``<name>_var`` and ``<name>_<other>_cov``."""
    means = [Quantity(f"{s.name}_mean", s.unit, f"population mean of {s.meaning or s.name}") for s in species]
    rest = []
    for i, j in zip(*np.tril_indices(len(species)), strict=True):
        one, other = species[i], species[j]
        name = f"{one.name}_var" if i == j else f"{other.name}_{one.name}_cov"
        rest.append(Quantity(name, f"({one.unit})*({other.unit})" if one.unit != "1" else other.unit))
    return (*means, *rest)
