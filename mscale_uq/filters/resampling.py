"""Resampling: which members survive, and how often, so that equal weights stand for unequal ones.

Every scheme returns each member N w times in expectation; they differ in the noise they add.

Source: R. Douc, O. Cappé and E. Moulines, Comparison of resampling schemes for particle filtering (2005),
doi:10.1109/ISPA.2005.195385.
"""

from collections.abc import Callable

import numpy as np

from mscale_uq.core.parameter import Array


def systematic(weights: Array, rng: np.random.Generator) -> np.ndarray:
    """One random number, N equally spaced points: every member comes floor(N w) or ceil(N w) times."""
    return _inverse(weights, (np.arange(weights.size) + rng.random()) / weights.size)


def stratified(weights: Array, rng: np.random.Generator) -> np.ndarray:
    """One random number in each of N equal strata."""
    return _inverse(weights, (np.arange(weights.size) + rng.random(weights.size)) / weights.size)


def multinomial(weights: Array, rng: np.random.Generator) -> np.ndarray:
    """N independent draws."""
    return _inverse(weights, np.sort(rng.random(weights.size)))


def residual(weights: Array, rng: np.random.Generator) -> np.ndarray:
    """Every member floor(N w) times, the rest by independent draws."""
    copies = np.floor(weights.size * weights).astype(int)
    rest = weights.size - copies.sum()
    sure = np.repeat(np.arange(weights.size), copies)
    if rest == 0:
        return sure
    left = weights.size * weights - copies
    return np.concatenate([sure, rng.choice(weights.size, size=rest, p=left / left.sum())])


def _inverse(weights: Array, points: Array) -> np.ndarray:
    cumulative = np.cumsum(weights)
    return np.minimum(np.searchsorted(cumulative / cumulative[-1], points, side="right"), weights.size - 1)


SCHEMES: dict[str, Callable[[Array, np.random.Generator], np.ndarray]] = {
    "systematic": systematic,
    "stratified": stratified,
    "residual": residual,
    "multinomial": multinomial,
}
