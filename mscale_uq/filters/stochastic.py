"""The stochastic ensemble Kalman filter: each member gets readings with noise of its own."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.errors import InputError, explain
from mscale_uq.filters.analysis import Analysis
from mscale_uq.filters.innovation import Innovation, multiply_noise, noise_factor, whiten
from mscale_uq.filters.localisation import Localisation


@final
@dataclass(frozen=True)
class Stochastic(Analysis):
    """x_i <- x_i + K (y + e_i - h(x_i)), e_i ~ N(0, R), with the e_i shifted to mean zero.

    Source: G. Burgers, P. J. van Leeuwen and G. Evensen, Mon. Wea. Rev. 126 (1998) 1719-1724,
    doi:10.1175/1520-0493(1998)126<1719:ASITEK>2.0.CO;2.
    """

    localisation: Localisation | None = None
    random: ClassVar[bool] = True

    def update(self, members: Array, innovation: Innovation, rng: np.random.Generator | None) -> Array:
        """Return the members given the readings."""
        if rng is None:
            raise InputError(explain("stochastic analysis without a generator", "numpy.random.Generator"))
        errors = centred_draws(innovation.noise, innovation.members, rng)
        white = whiten(innovation.factor, errors) - innovation.white_anomalies
        white += innovation.white_departure
        return members + innovation.increments(members, white)


def centred_draws(noise: Array, members: int, rng: np.random.Generator) -> Array:
    """Return ``(m, N)`` draws of N(0, R) with sample mean zero and an unbiased sample covariance."""
    draws = rng.standard_normal((len(noise), members))
    draws -= draws.mean(axis=1, keepdims=True)
    return multiply_noise(noise_factor(noise), draws * np.sqrt(members / (members - 1)))
