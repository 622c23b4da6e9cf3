"""`LaplaceKalman`: the most probable state under the exact law of the readings, for counts.

The readings enter by their own log-density, not by two moments. In the coordinates x = m + L u of the
forecast, P = L L', Newton's method with the expected information climbs log p(y | x) - u'u / 2.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple, final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Values
from mscale_uq.core.statespace import StateSpace
from mscale_uq.errors import CovarianceError
from mscale_uq.filters.bound import information
from mscale_uq.filters.conditioning import BLURRED, blur, root
from mscale_uq.filters.gaussian import GaussianFilter, Moved, Update, first_order_move
from mscale_uq.filters.records import GaussianState
from mscale_uq.filters.sight import Sight, Survey

HALVINGS = 40


@final
@dataclass(frozen=True)
class LaplaceKalman(GaussianFilter):
    """A Gaussian filter centred at the mode, with the expected information there.

    For laws whose variance is the inverse of the information on their mean (normal with known sd, Poisson,
    negative binomial) the curvature is the expected one; the evidence is Laplace's. The forecast goes through
    the derivative of the step.

    Attributes
    ----------
    iterations
        Most Newton steps; each is shortened until the log-density grows.
    tolerance
        The search ends when the step is smaller than this many posterior standard deviations.
    outlier_sd
        A reading further than so many standard deviations from its forecast is left out.

    Raises
    ------
    NoGradient
        If the dynamics or a reading has no exact derivative.
    CovarianceError
        If the forecast is so wide against the noise that its round-off is all that is left.
    """

    knows_laws: ClassVar[bool] = True
    iterations: int = 50
    tolerance: float = 1e-4
    outlier_sd: float = np.inf

    def move(
        self, space: StateSpace, values: Values, state: GaussianState, time: float, key: int = 0
    ) -> Moved:
        """Return the moments through the derivative of the step at the mean."""
        return first_order_move(space, values, state, time)

    def update(self, sight: Sight, state: GaussianState) -> Update:
        """Return mode and inverse information."""
        hill = Hill(sight, state.mean, root(state.cov, state.time))
        first = hill.survey(np.zeros(len(state.mean)))
        try:
            u, top, note = hill.climb(first, self.iterations, self.tolerance)
            inner = np.linalg.cholesky(top.information)
        except np.linalg.LinAlgError as error:  # I + J is positive; only round-off makes it singular
            raise CovarianceError("covariance", {"time": state.time}, BLURRED) from error
        half = np.linalg.solve(inner, hill.L.T)
        spread = first.seen.H @ state.cov @ first.seen.H.T + first.seen.noise
        evidence = top.height - float(np.log(np.diag(inner)).sum())
        cov = half.T @ half
        there = top.seen.H @ state.cov @ top.seen.H.T + top.noise
        note = note or blur(top.seen.H, top.noise, there, cov, sight.seen)
        return Update(state.mean + hill.L @ u, cov, first.seen.expected, spread, evidence, note)


class Place(NamedTuple):
    """A point of the search: height, gradient ``(n,)`` and expected information ``(n, n)``, both in u.

    `noise` is the covariance of the readings, censored ones as uninformative as they are.
    """

    height: float
    gradient: Array
    information: Array
    seen: Survey
    noise: Array


@final
@dataclass(frozen=True)
class Hill:
    """log p(y | m + L u) - u'u / 2."""

    sight: Sight
    mean: Array
    L: Array

    def climb(self, place: Place, iterations: int, tolerance: float) -> tuple[Array, Place, str]:
        """Return the top u ``(n,)``, what is known there, and a note if it was not reached from u = 0."""
        u = np.zeros(len(self.mean))
        for _ in range(iterations):
            step = np.asarray(np.linalg.solve(place.information, place.gradient))
            if place.gradient @ step <= tolerance**2:
                return u, place, ""
            higher = self.ahead(u, step, place)
            if higher is None:
                break
            u, place = higher
        return u, place, "search for the most probable state did not settle"

    def survey(self, u: Array) -> Place:
        """Return what is known at a point."""
        return self._place(u, self.sight.survey(self.mean + self.L @ u))

    def ahead(self, u: Array, step: Array, place: Place) -> tuple[Array, Place] | None:
        """Return the first higher point a step, 1/2 of it, 1/4 .. ahead; None if there is none."""
        rise, blur = float(place.gradient @ step), 1e-14 * abs(place.height)
        for share in 0.5 ** np.arange(HALVINGS):
            trial = u + share * step
            seen = self.sight.survey(self.mean + self.L @ trial)
            if seen.density - 0.5 * float(trial @ trial) >= place.height + 1e-4 * share * rise - blur:
                return trial, self._place(trial, seen)
        return None

    def _place(self, u: Array, seen: Survey) -> Place:
        used, noise = self.sight.seen, seen.noise
        if self.sight.censored.any():
            noise = self.blurred(seen.expected, noise, seen.score)
        slope = seen.H[used] @ self.L
        information = np.eye(len(u)) + slope.T @ np.linalg.solve(noise[np.ix_(used, used)], slope)
        height = seen.density - 0.5 * float(u @ u)
        return Place(height, slope.T @ seen.score[used] - u, information, seen, noise)

    def blurred(self, expected: Array, noise: Array, score: Array) -> Array:
        """Return the noise with censored readings as uninformative as they are."""
        cut = self.sight.censored
        blurred = noise.copy()
        blurred[cut], blurred[:, cut] = 0.0, 0.0
        above = (expected - self.sight.datum)[cut]
        blurred[cut, cut] = 1 / information(score[cut], above / np.diag(noise)[cut])
        return blurred
