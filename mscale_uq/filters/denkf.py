"""The deterministic ensemble Kalman filter: the mean moves by the gain, the anomalies by half of it."""

from dataclasses import dataclass
from typing import final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.filters.analysis import Analysis
from mscale_uq.filters.innovation import Innovation
from mscale_uq.filters.localisation import Localisation
from mscale_uq.solve.ensemble_kernels import half_gained


@final
@dataclass(frozen=True)
class DEnKF(Analysis):
    """Mean + K d, anomalies - K Y / 2: the square-root filter to first order in K H.

    The covariance comes out as (I - KH) P + KHPH'K'/4, larger than Kalman's by the last term.

    Source: P. Sakov and P. R. Oke, Tellus A 60 (2008) 361-371, doi:10.1111/j.1600-0870.2007.00299.x.
    """

    localisation: Localisation | None = None

    def update(self, members: Array, innovation: Innovation, rng: np.random.Generator | None = None) -> Array:
        """Return the members given the readings."""
        m, (N, n) = len(innovation.white), members.shape
        if innovation.reach is None and 2 * m * n <= N * (m + n):
            return half_gained(innovation.white, members)  # type: ignore[no-any-return]
        white = innovation.white_departure - 0.5 * innovation.white_anomalies
        moved = innovation.increments(members, white)
        moved += members
        return moved
