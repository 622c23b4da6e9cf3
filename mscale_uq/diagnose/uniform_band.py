"""Simultaneous band for the empirical distribution function of uniform numbers, exact by recursion.

The number of n uniform numbers below z_i is binomial; given that number at z_i, so is the number that lies
between z_i and z_{i+1}. That makes the counts at z_1 < z_2 < ... a Markov chain, and the probability that all
of them stay between limits a product of small matrices.

Source: T. Säilynoja, P.-C. Bürkner, A. Vehtari, Graphical test for discrete uniformity and its applications
in goodness-of-fit evaluation and multiple sample comparison, Statistics and Computing 32 (2022) 32,
doi:10.1007/s11222-022-10090-6.
"""

from functools import lru_cache

import numpy as np
import scipy
from scipy.special import gammaln

from mscale_uq.core.parameter import Array

HALVINGS = 40  # of the interval in which the pointwise level is searched


def p_value(counts: np.ndarray) -> float:
    """Probability that uniform numbers stray at least as far, somewhere.

    Parameters
    ----------
    counts
        ``(parts,)``, how many numbers lie in each of equal parts of (0, 1).
    """
    total, parts = int(counts.sum()), len(counts)
    below, z = np.cumsum(counts)[:-1], np.arange(1, parts) / parts
    tails = np.minimum(scipy.stats.binom.cdf(below, total, z), scipy.stats.binom.sf(below - 1, total, z))
    return max(0.0, 1.0 - coverage(total, parts, _next_above(2.0 * float(tails.min()))))


@lru_cache(maxsize=32)
def band(total: int, parts: int, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Return least and largest counts below i / parts, i = 1 .. parts - 1, together true with 1 - level."""
    inside, outside = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = 0.5 * (inside + outside)
        if coverage(total, parts, middle) >= 1.0 - level:
            inside = middle
        else:
            outside = middle
    return _limits(total, parts, inside)


def coverage(total: int, parts: int, pointwise: float) -> float:
    """Probability that all counts stay within their own limits, each of them true with 1 - pointwise."""
    low, high = _limits(total, parts, pointwise)
    if np.any(low > high):
        return 0.0
    logs = gammaln(np.arange(total + 2))
    reached, at = np.array([1.0]), np.array([0])
    for i in range(parts - 1):
        to = np.arange(low[i], high[i] + 1)
        reached, at = reached @ _transition(at, to, total, 1.0 / (parts - i), logs), to
    return float(reached.sum())


def _limits(total: int, parts: int, pointwise: float) -> tuple[np.ndarray, np.ndarray]:
    """Counts whose tails, themselves included, both weigh at least half of `pointwise`."""
    z, counts = np.arange(1, parts)[:, None] / parts, np.arange(total + 1)
    low = np.argmax(scipy.stats.binom.cdf(counts, total, z) >= 0.5 * pointwise, axis=1)
    high = total - np.argmax(scipy.stats.binom.sf(counts - 1, total, z)[:, ::-1] >= 0.5 * pointwise, axis=1)
    return low, high


def _transition(at: np.ndarray, to: np.ndarray, total: int, share: float, logs: Array) -> Array:
    """Probability ``(at, to)`` that of the `total - at` numbers left, `to - at` lie in the next part."""
    left, more = total - at[:, None], to[None, :] - at[:, None]
    possible = more >= 0
    more = np.where(possible, more, 0)
    ways = logs[left + 1] - logs[more + 1] - logs[left - more + 1]
    chance = np.exp(ways + more * np.log(share) + (left - more) * np.log1p(-share))
    return np.where(possible, chance, 0.0)


def _next_above(value: float) -> float:
    """A little more, so that what was seen counts as outside, and round-off does not decide."""
    return value * (1.0 + 1e-9)
