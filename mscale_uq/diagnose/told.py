"""What is told of the unknowns, in normal scores, where every prior has standard deviation 1.

From the Fisher information before a fit (`local_information`), and from the draws after one: a model without
derivatives has these alone.
"""

from dataclasses import dataclass
from typing import final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Values
from mscale_uq.diagnose.normal_scores import scores
from mscale_uq.stats.posterior import Posterior

LEAST = 20  # effective draws per unknown: with fewer, directions are those of chance
APART = 0.95  # correlation by size above which two unknowns are hardly told apart
SILENT = "nothing is said of combinations of unknowns"


@final
@dataclass(frozen=True)
class Told:
    """The posterior's covariance in normal scores.

    Attributes
    ----------
    names
        One label per unknown, ``n`` of them.
    cov
        ``(n, n)``.
    """

    names: tuple[str, ...]
    cov: Array

    @property
    def kept(self) -> Array:
        """Posterior standard deviation of each unknown, as a share of the prior's, ``(n,)``."""
        return np.sqrt(np.diag(self.cov))

    @property
    def correlation(self) -> Array:
        """Posterior correlation ``(n, n)``."""
        return self.cov / np.outer(self.kept, self.kept)

    @property
    def entangled(self) -> list[tuple[str, str, float]]:
        """Pairs that are hardly told apart, and their correlation."""
        pairs = zip(*np.triu_indices(len(self.names), 1), strict=True)
        found = [(self.names[i], self.names[j], float(self.correlation[i, j])) for i, j in pairs]
        return [pair for pair in found if abs(pair[2]) > APART]

    @property
    def directions(self) -> tuple[Array, Array]:
        """Share of the prior's sd that is kept along each direction, least first, and these in columns."""
        squares, vectors = np.linalg.eigh(self.cov)
        return np.sqrt(np.maximum(squares, 0.0)), vectors


def worst_pair(names: tuple[str, ...], correlation: Array) -> tuple[str, str, float]:
    """Return the two unknowns with the largest correlation by size, and it; one alone with itself."""
    if len(names) < 2:
        return names[0], names[0], 1.0
    rows, columns = np.triu_indices(len(names), 1)
    worst = int(np.argmax(np.abs(correlation[rows, columns])))
    i, j = rows[worst], columns[worst]
    return names[i], names[j], float(correlation[i, j])


def told_by_draws(posterior: Posterior, draws: Values, ess: float) -> Told | str:
    """Return what draws tell, or why they tell nothing: too few are effective, or an unknown does not move.

    Parameters
    ----------
    draws
        Unknown -> ``(chain, draw, *shape)``.
    ess
        The least bulk effective sample size of all entries; NaN if one does not move.
    """
    named = scores(posterior, draws)
    count = int(np.prod(next(iter(named.values())).shape[:2]))
    table = np.concatenate([named[name].reshape(count, -1) for name in posterior.variables], axis=1)
    table = table[np.isfinite(table).all(axis=1)]
    effective, needed = min(ess, len(table)), LEAST * posterior.size
    if np.isnan(ess) or np.any(np.ptp(table, axis=0) == 0):
        return f"{SILENT}: the draws of an unknown do not move"
    if effective < needed:
        return f"{SILENT}: {effective:.0f} draws are effective, {posterior.size} unknowns need {needed}"
    return Told(posterior.names, np.atleast_2d(np.cov(table.T)))
