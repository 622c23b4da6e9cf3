"""`Tuning`: what a proposal learns while a chain warms up, by stochastic approximation.

Source: C. Andrieu, J. Thoms, A tutorial on adaptive MCMC, Statistics and Computing 18 (2008) 343-373,
doi:10.1007/s11222-008-9110-y.
"""

from dataclasses import dataclass, replace
from typing import final

import numpy as np

from mscale_uq.core.parameter import Array

DECAY = 0.6  # the k-th lesson counts k^-0.6: what is learnt converges, and the beginning is forgotten
HEAD_START = 10.0  # lessons that the first guess, unit covariance as under the prior, counts for
REFRESH = 20  # lessons between two factorisations of the covariance
SCALES = np.log([1e-6, 10.0])  # beyond these, no acceptance rate tells anything about the scale
REGULAR = 1e-9  # added to the covariance's diagonal, relative to its mean


@final
@dataclass(frozen=True)
class Tuning:
    """Scale and shape of a proposal.

    Attributes
    ----------
    log_scale
        Logarithm of the proposal's size.
    mean, covariance, root
        Of where the chain has been: ``(n,)``, ``(n, n)``; the root is a lower triangle L with L L' close to
        the covariance. Empty if the proposal uses no shape.
    lessons
        Steps learnt from.
    active
        Whether it still learns.
    """

    log_scale: float
    mean: Array
    covariance: Array
    root: Array
    lessons: int = 0
    active: bool = True

    @property
    def scale(self) -> float:
        """The proposal's size."""
        return float(np.exp(self.log_scale))

    def learn(self, z: Array, acceptance: float, wanted: float) -> "Tuning":
        """Return the tuning after a step that ended in z; unchanged when it no longer learns."""
        if not self.active:
            return self
        gain = (self.lessons + HEAD_START) ** -DECAY
        log_scale = float(np.clip(self.log_scale + gain * (acceptance - wanted), *SCALES))
        lessons = self.lessons + 1
        if not self.mean.size:
            return replace(self, log_scale=log_scale, lessons=lessons)
        away = z - self.mean
        covariance = self.covariance + gain * (np.outer(away, away) - self.covariance)
        root = _root(covariance) if lessons % REFRESH == 0 else self.root
        return Tuning(log_scale, self.mean + gain * away, covariance, root, lessons)


def _root(covariance: Array) -> Array:
    size = len(covariance)
    root: Array = np.linalg.cholesky(covariance + REGULAR * np.trace(covariance) / size * np.eye(size))
    return root
