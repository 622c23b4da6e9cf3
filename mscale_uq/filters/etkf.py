"""The ensemble transform Kalman filter: the symmetric square root, exact for linear models."""

from dataclasses import dataclass, field
from typing import final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.filters.analysis import Analysis
from mscale_uq.filters.innovation import Innovation, divide_noise, noise_factor


@final
@dataclass(frozen=True)
class ETKF(Analysis):
    """Mean + w A, anomalies T A, with T = (I + Y R^-1 Y'/(N - 1))^-1/2 the symmetric root.

    Mean and sample covariance come out as Kalman's for the sample prior, to round-off. For localisation take
    `LETKF`.

    Source: C. H. Bishop, B. J. Etherton and S. J. Majumdar, Mon. Wea. Rev. 129 (2001) 420-436,
    doi:10.1175/1520-0493(2001)129<0420:ASWTET>2.0.CO;2.
    """

    localisation: None = field(default=None, init=False)

    def update(self, members: Array, innovation: Innovation, rng: np.random.Generator | None = None) -> Array:
        """Return the members given the readings."""
        factor, root = noise_factor(innovation.noise), np.sqrt(innovation.members - 1)
        Y = divide_noise(factor, innovation.anomalies.T / root).T
        d = divide_noise(factor, innovation.departure) / root
        mean = members.mean(axis=0)
        change = by_readings if Y.shape[1] <= Y.shape[0] else by_members
        return mean + change(Y, d, members - mean)


def by_members(Y: Array, d: Array, A: Array) -> Array:
    """Return w + T A through the ``(N, N)`` matrix I + Y Y', whose inverse root is T.

    Y ``(N, m)`` are the predicted anomalies and d ``(m,)`` the departure, both over the noise and the root
    of N - 1; A ``(N, n)`` the members' anomalies; w = d'Y'(I + Y Y')^-1 A.
    """
    values, Q = np.linalg.eigh(Y @ Y.T)
    a = 1 + np.maximum(values, 0.0)
    return (((Y @ d) @ Q / a) @ Q.T + (Q / np.sqrt(a)) @ Q.T) @ A


def by_readings(Y: Array, d: Array, A: Array) -> Array:
    """Return the same through the ``(m, m)`` matrix I + Y'Y: cheaper when readings are fewer than members."""
    values, V = np.linalg.eigh(Y.T @ Y)
    a = 1 + np.maximum(values, 0.0)
    seen = V.T @ (Y.T @ A)
    # T = I - Y V f V'Y', f = (1 - 1/sqrt(a)) / (a - 1), written so that a = 1 is no special case.
    return (d @ V / a) @ seen + A - (Y @ V / (np.sqrt(a) * (1 + np.sqrt(a)))) @ seen
