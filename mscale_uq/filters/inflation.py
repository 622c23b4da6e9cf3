"""Widening an ensemble's spread, which sampling errors make too small, cycle by cycle."""

from dataclasses import dataclass
from math import sqrt
from typing import Literal, final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.errors import InputError, explain
from mscale_uq.solve.ensemble_kernels import widen

ROUND_OFF = 1e-13


@final
@dataclass(frozen=True)
class Inflation:
    """How much, on what and when; the default does nothing.

    Attributes
    ----------
    on_anomalies
        Factor on the deviations from the mean; the variance grows by its square.
    on_variance
        Factor on the variance; the deviations grow by its square root. Give one of the two.
    when
        Whether the factor widens the ``posterior``, after the analysis, or the ``prior``, before it.
    relax_to_prior_spread
        Share alpha of the way back from the standard deviation after the analysis to that before it, state
        by state: sd <- (1 - alpha) sd + alpha sd_before (RTPS).

    Raises
    ------
    InputError
        If a factor is not positive, both are given, or the share is negative.

    Source (RTPS): J. S. Whitaker and T. M. Hamill, Mon. Wea. Rev. 140 (2012) 3078-3089,
    doi:10.1175/MWR-D-11-00276.1.
    """

    on_anomalies: float = 1.0
    on_variance: float = 1.0
    when: Literal["prior", "posterior"] = "posterior"
    relax_to_prior_spread: float = 0.0

    def __post_init__(self) -> None:
        if not (self.on_anomalies > 0 and self.on_variance > 0):
            given = f"on_anomalies = {self.on_anomalies}, on_variance = {self.on_variance}"
            raise InputError(explain(f"inflation: {given}", "positive factors", "1 does nothing"))
        if self.on_anomalies != 1 and self.on_variance != 1:
            raise InputError(explain("inflation on anomalies and on variance", "one of the two"))
        if self.when not in ("prior", "posterior"):
            raise InputError(explain(f"inflation: when = {self.when!r}", "'prior' or 'posterior'"))
        if not self.relax_to_prior_spread >= 0:
            raise InputError(
                explain(f"relax_to_prior_spread = {self.relax_to_prior_spread}", "a share from 0 on")
            )

    @property
    def factor(self) -> float:
        """Factor on the anomalies."""
        return self.on_anomalies * sqrt(self.on_variance)

    def before(self, members: Array) -> Array:
        """Return the members ``(N, n)`` as the analysis shall see them."""
        return widened(members, self.factor) if self.when == "prior" else members

    def after(self, prior: Array, posterior: Array) -> Array:
        """Return the analysed members ``(N, n)`` with the spread they leave with."""
        if self.relax_to_prior_spread:
            posterior = relaxed(prior, posterior, self.relax_to_prior_spread)
        return widened(posterior, self.factor) if self.when == "posterior" else posterior


def widened(members: Array, factor: float) -> Array:
    """Return the members with their deviations from the mean multiplied by `factor`."""
    return members if factor == 1 else widen(np.ascontiguousarray(members), factor)


def relaxed(prior: Array, posterior: Array, share: float) -> Array:
    """Return the posterior members with their spread moved a share of the way back to the prior's."""
    mean, sd, before = posterior.mean(axis=0), posterior.std(axis=0), prior.std(axis=0)
    spread = sd > ROUND_OFF * (np.abs(mean) + before)  # a certain state has no spread to give back
    gain = np.divide(before - sd, sd, out=np.zeros_like(sd), where=spread)
    return mean + (1 + share * gain) * (posterior - mean)
