"""Predicted readings beside those that were measured."""

from dataclasses import dataclass
from typing import final

import numpy as np

from mscale_uq.core.parameter import Array


@final
@dataclass(frozen=True)
class Band:
    """Predicted readings: replicated data and what the model says without noise, ``(draws, readings)``.

    `observed` are the readings that were used, `held` those that were held out; NaN where there is none.
    """

    replicated: Array
    predicted: Array
    observed: Array
    held: Array

    def counts(self, readings: Array, share: float = 0.95) -> tuple[int, int]:
        """Return how many readings lie in their central intervals, and how many there are."""
        low, high = self.quantiles(share)
        seen = np.isfinite(readings)
        return int(np.sum(seen & (readings >= low) & (readings <= high))), int(seen.sum())

    def quantiles(self, share: float) -> Array:
        """Return lower and upper ends of the central interval of the replicated data, ``(2, readings)``."""
        return _quantiles(self.replicated, [(1 - share) / 2, (1 + share) / 2])

    def of(self, rows: np.ndarray) -> "Band":
        """Return the band of some of the readings."""
        return Band(self.replicated[:, rows], self.predicted[:, rows], self.observed[rows], self.held[rows])

    @property
    def middle(self) -> Array:
        """Median prediction."""
        middle: Array = _quantiles(self.predicted, [0.5])[0]
        return middle


def _quantiles(draws: Array, shares: list[float]) -> Array:
    """Return quantiles ``(shares, readings)`` over the draws with a prediction; NaN where none has one."""
    some = np.isfinite(draws).any(axis=0)
    ends = np.full((len(shares), *some.shape), np.nan)
    ends[:, some] = np.nanquantile(draws[:, some], shares, axis=0)
    return ends
