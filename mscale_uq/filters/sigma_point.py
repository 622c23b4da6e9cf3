"""`SigmaPointKalman`: unscented, cubature and Gauss-Hermite filters, and iterated posterior linearisation.

No derivative is needed. The readings are replaced by their statistical linear regression over sigma points:
of the forecast (one pass: the unscented and cubature Kalman filters), or, iterated, of the posterior itself.
"""

from dataclasses import dataclass, field
from typing import final

import numpy as np

from mscale_uq.core.dynamics import WITHOUT_CHANCE
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Values
from mscale_uq.core.statespace import StateSpace
from mscale_uq.filters.conditioning import Affine, root
from mscale_uq.filters.gaussian import GaussianFilter, Moved, Update, iterated, noise_at
from mscale_uq.filters.records import GaussianState
from mscale_uq.filters.sight import Sight
from mscale_uq.filters.sigma_rules import SigmaRule, Unscented


@final
@dataclass(frozen=True)
class SigmaPointKalman(GaussianFilter):
    """A Gaussian filter by sigma points, drawn anew after every forecast.

    Attributes
    ----------
    rule
        `Unscented`, `Cubature` or `GaussHermite`.
    iterations
        Passes of an update; more than one is iterated posterior linearisation, for readings that say much
        about the state (counts).
    tolerance
        An iterated update ends when the mean moves less than this many posterior standard deviations.
    outlier_sd
        A reading further than so many standard deviations from its forecast is left out.

    Source: A. F. Garcia-Fernandez, L. Svensson, M. R. Morelande, S. Sarkka, IEEE Trans. Signal Process. 63
    (2015) 5561-5573, doi:10.1109/TSP.2015.2454485.
    """

    rule: SigmaRule = field(default_factory=Unscented)
    iterations: int = 1
    tolerance: float = 1e-6
    outlier_sd: float = np.inf

    def move(
        self, space: StateSpace, values: Values, state: GaussianState, time: float, key: int = 0
    ) -> Moved:
        """Return the moments of the moved sigma points, the step's noise added."""
        units, weights, cov_weights = self.rule.points(state.mean.size)
        points = state.mean + units @ root(state.cov, state.time).T
        moved = space.step(points, state.time, time, values, WITHOUT_CHANCE)
        mean = weights @ moved
        weighted = (moved - mean) * cov_weights[:, None]
        Q = noise_at(space, values, state.mean, state.time, time)
        return Moved(mean, weighted.T @ (moved - mean) + Q, (points - state.mean).T @ weighted)

    def update(self, sight: Sight, state: GaussianState) -> Update:
        """Return the moments given the readings, regressed over the forecast or over the result."""
        return iterated(
            lambda mean, cov: regression(sight, self.rule, mean, cov, state.time),
            sight,
            state,
            self.iterations,
            self.tolerance,
        )


def regression(sight: Sight, rule: SigmaRule, mean: Array, cov: Array, time: float) -> Affine:
    """Return the statistical linear regression of the readings over a normal law.

    A = Cov(h, x) P^-1, b = E h - A m, noise = Var h - A P A' + E R: what the line leaves unexplained counts
    as noise.
    """
    units, weights, cov_weights = rule.points(mean.size)
    L = root(cov, time)
    pairs = [sight.predict(mean + L @ unit) for unit in units]
    readings = np.array([reading for reading, _ in pairs])
    expected = weights @ readings
    weighted = (readings - expected) * cov_weights[:, None]
    slope = weighted.T @ units  # Cov(h, u) in the unit coordinates x = m + L u
    A = np.linalg.lstsq(L.T, slope.T, rcond=None)[0].T
    unexplained = weighted.T @ (readings - expected) - slope @ slope.T
    noise = np.tensordot(weights, np.array([R for _, R in pairs]), axes=1)
    return Affine(A, expected - A @ mean, unexplained + noise)
