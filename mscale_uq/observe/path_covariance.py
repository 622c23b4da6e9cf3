"""How the readings of one individual at all times hang together, and the way back from there to its path."""

from typing import final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.observe.common_error import Path


@final
class PathCovariance:
    """The covariance of what is read of an individual at T times, without noise of the readings.

    Parameters
    ----------
    path
        Its model; the state begins without deviation.

    Attributes
    ----------
    between
        ``(T, T)``.
    """

    def __init__(self, path: Path) -> None:
        self.path, (T, n) = path, path.slope.shape
        self._P, self._columns = np.zeros((T + 1, n, n)), []  # Cov(x_t), and Cov(x_t, readings to t)
        self.between, columns = np.zeros((T, T)), np.zeros((0, n))
        for t, (F, Q, slope) in enumerate(zip(*path, strict=True)):
            self._P[t + 1] = P = F @ self._P[t] @ F.T + Q
            columns = np.concatenate([columns @ F.T, (P @ slope)[None]])
            self._columns.append(columns)
            self.between[: t + 1, t] = self.between[t, : t + 1] = columns @ slope

    def back(self, bar: Array) -> Path:
        """Return the derivatives to the path from those ``(T, T)`` to all entries of `between`, symmetric."""
        found = Path(*(np.zeros_like(part) for part in self.path))
        T, n = self.path.slope.shape
        bar = 2 * np.triu(bar) - np.diag(np.diag(bar))
        to_columns, to_P = np.zeros((T, n)), np.zeros((n, n))
        for t in range(T - 1, -1, -1):
            F, slope, columns, P = self.path.F[t], self.path.slope[t], self._columns[t], self._P[t]
            to_columns[: t + 1] += np.outer(bar[: t + 1, t], slope)
            last = to_columns[t]
            to_P += (np.outer(last, slope) + np.outer(slope, last)) / 2
            found.slope[t] = bar[: t + 1, t] @ columns + self._P[t + 1] @ last
            earlier = self._columns[t - 1] if t else np.zeros((0, n))
            found.F[t] = to_columns[:t].T @ earlier + 2 * to_P @ F @ P
            found.Q[t] = to_P
            to_columns[:t] = to_columns[:t] @ F
            to_P = F.T @ to_P @ F
        return found
