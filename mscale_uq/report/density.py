"""A density from draws, smooth enough to be read."""

import numpy as np
import scipy

from mscale_uq.core.parameter import Array

LEAST = 50  # draws
SHARE = 0.98  # of the draws that are shown


def smooth_density(draws: Array, points: int = 201) -> tuple[Array, Array] | None:
    """Return places and heights of the density of draws ``(n,)``; None if they are few, or one number.

    Positive draws are smoothed by their logarithm: they may span decades, and are never negative.
    """
    seen = draws[np.isfinite(draws)]
    positive = bool(np.all(seen > 0))
    places = np.log(seen) if positive else seen
    if seen.size < LEAST or np.ptp(places) <= 1e-12 * np.max(np.abs(places)):
        return None
    low, high = np.quantile(places, [(1 - SHARE) / 2, (1 + SHARE) / 2])
    grid = np.linspace(low, high, points)
    heights = scipy.stats.gaussian_kde(places)(grid)
    return (np.exp(grid), heights / np.exp(grid)) if positive else (grid, heights)
