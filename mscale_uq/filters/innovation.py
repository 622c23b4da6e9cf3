"""`Innovation`: what the members expect to be read, what was read, and the normal law of the difference.

Paper notation inside: Y are the anomalies of the predicted readings, d the departure of the data from their
mean, R the noise, S = Y'Y/(N - 1) + R = L L' the covariance of the departure.
"""

from dataclasses import dataclass, replace
from typing import final

import numpy as np
from scipy.linalg.lapack import dpotrf, dtrtrs

from mscale_uq.core.lazy import lazy
from mscale_uq.core.parameter import Array
from mscale_uq.errors import CovarianceError
from mscale_uq.solve.ensemble_kernels import departures, normal_log_density, whitened

FEW = 100  # readings; for more LAPACK is faster


@final
@dataclass(frozen=True)
class Innovation:
    """The readings of one analysis, all of which are used; made by `innovation`.

    Attributes
    ----------
    deviations
        ``(N + 1, m)`` deviations from the members' mean prediction: Y and, last, d.
    noise
        ``(m, m)`` covariance of the readings given the state.
    cov
        ``(m, m)`` covariance of the departure.
    reach
        ``(n, m)`` share of each reading that reaches each column of the members; None means all.
    taper
        ``(m, m)`` the same between readings, already in `cov`.
    """

    deviations: Array
    noise: Array
    cov: Array
    reach: Array | None = None
    taper: Array | None = None

    @property
    def anomalies(self) -> Array:
        """``(N, m)`` Y."""
        return self.deviations[:-1]

    @property
    def departure(self) -> Array:
        """``(m,)`` d."""
        return self.deviations[-1]

    @property
    def members(self) -> int:
        """Number of members N."""
        return len(self.deviations) - 1

    @lazy
    def factor(self) -> Array:
        """``(m, m)`` L.

        Raises
        ------
        CovarianceError
            If the covariance is not positive definite.
        """
        return cholesky(self.cov, "the covariance of the innovation is not positive definite")

    @property
    def white(self) -> Array:
        """``(m, N + 1)`` L^-1 Y' and, last, L^-1 d."""
        return self._whitened[0]

    @property
    def white_anomalies(self) -> Array:
        """``(m, N)`` L^-1 Y'."""
        return self.white[:, :-1]

    @property
    def white_departure(self) -> Array:
        """``(m, 1)`` L^-1 d."""
        return self.white[:, -1:]

    @property
    def log_evidence(self) -> float:
        """Log-density of the data under the normal law of the departure."""
        return self._whitened[1]

    @lazy
    def _whitened(self) -> tuple[Array, float]:
        if len(self.factor) <= FEW:
            return whitened(self.factor, self.deviations)  # type: ignore[no-any-return]
        white = whiten(self.factor, self.deviations.T)
        return white, normal_log_density(self.factor, white[:, -1])

    def increments(self, members: Array, white: Array) -> Array:
        """Return ``(k, n)``: k rows of readings, given as ``(m, k)`` L^-1 rows', times the gain.

        The gain is C' S^-1 with the covariance C = Y'A/(N - 1) of readings and members, tapered by `reach`.
        """
        if self.reach is None:
            # Rows of Y' sum to zero, so the members' mean drops out. The cheaper order of the products:
            (m, N), n = self.white_anomalies.shape, members.shape[1]
            if 2 * m * n <= N * (m + n):
                return white.T @ (self.white_anomalies @ members / (N - 1))
            return white.T @ self.white_anomalies / (N - 1) @ members
        cross = self.anomalies.T @ members / (self.members - 1) * self.reach.T
        return white.T @ whiten(self.factor, cross)

    def reaching(self, reach: Array | None) -> "Innovation":
        """Return the same innovation for members with other columns."""
        return replace(self, reach=reach)


def innovation(
    predicted: Array,
    datum: Array,
    noise: Array,
    reach: Array | None = None,
    taper: Array | None = None,
) -> Innovation:
    """Return the innovation of data ``(m,)`` against predictions ``(N, m)`` and noise covariance ``(m, m)``.

    `taper` ``(m, m)`` localises the covariance of the predictions, if given.
    """
    deviations, cov = departures(np.ascontiguousarray(predicted), datum, noise)
    if taper is not None:
        cov = (cov - noise) * taper + noise
    return Innovation(deviations, noise, cov, reach, taper)


def whiten(factor: Array, columns: Array) -> Array:
    """Return L^-1 columns, ``(m,)`` or ``(m, k)``, for a lower triangular L."""
    if not columns.size:
        return columns  # LAPACK prints a complaint about a matrix of no size
    return dtrtrs(factor, columns, lower=1)[0].reshape(columns.shape)


def cholesky(cov: Array, complaint: str) -> Array:
    """Return the lower Cholesky factor of a covariance.

    Raises
    ------
    CovarianceError
        With the complaint, if it is not positive definite.
    """
    factor, info = dpotrf(cov.T, lower=1)  # the transpose of a symmetric C-ordered array needs no copy
    if info:
        raise CovarianceError("ensemble", {}, complaint)
    return factor


def noise_factor(noise: Array) -> Array:
    """Return the standard deviations ``(m,)`` of a diagonal noise covariance, else its Cholesky factor."""
    diagonal = np.diagonal(noise)
    if np.count_nonzero(noise) == np.count_nonzero(diagonal):
        if not np.all(diagonal > 0):
            raise CovarianceError("ensemble", {}, "a reading without noise: this analysis divides by it")
        return np.sqrt(diagonal)
    return cholesky(noise, "the noise covariance is not positive definite")


def divide_noise(factor: Array, columns: Array) -> Array:
    """Return R^-1/2 columns ``(m, ...)`` for the factor of `noise_factor`."""
    return (columns.T / factor).T if factor.ndim == 1 else whiten(factor, columns)


def multiply_noise(factor: Array, columns: Array) -> Array:
    """Return R^1/2 columns ``(m, ...)`` for the factor of `noise_factor`."""
    return (columns.T * factor).T if factor.ndim == 1 else factor @ columns
