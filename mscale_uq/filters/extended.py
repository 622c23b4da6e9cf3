"""`ExtendedKalman`: a Gaussian filter by exact derivatives, iterated or not."""

from dataclasses import dataclass
from typing import final

import numpy as np

from mscale_uq.core.stage import Values
from mscale_uq.core.statespace import StateSpace
from mscale_uq.filters.gaussian import GaussianFilter, Moved, Update, first_order_move, iterated
from mscale_uq.filters.kalman import affine_at
from mscale_uq.filters.records import GaussianState
from mscale_uq.filters.sight import Sight


@final
@dataclass(frozen=True)
class ExtendedKalman(GaussianFilter):
    """Forecast and readings by their first derivative at the mean.

    Attributes
    ----------
    iterations
        Passes of an update; with more than one, the readings are linearised again at the result, which is
        Gauss-Newton for the most probable state (and Fisher scoring for counts).
    tolerance
        An iterated update ends when the mean moves less than this many posterior standard deviations.
    outlier_sd
        A reading further than so many standard deviations from its forecast is left out.

    Raises
    ------
    NoGradient
        If the dynamics or a reading has no exact derivative.
    """

    iterations: int = 1
    tolerance: float = 1e-6
    outlier_sd: float = np.inf

    def move(
        self, space: StateSpace, values: Values, state: GaussianState, time: float, key: int = 0
    ) -> Moved:
        """Return the moments through the derivative of the step at the mean."""
        return first_order_move(space, values, state, time)

    def update(self, sight: Sight, state: GaussianState) -> Update:
        """Return the moments given the readings, linearised at the mean or at the result."""
        return iterated(lambda mean, _: affine_at(sight, mean), sight, state, self.iterations, self.tolerance)
