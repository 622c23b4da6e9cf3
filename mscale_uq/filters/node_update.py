"""The update of a normal law at every node at once, by the readings of one time.

With x = m + P a the posterior's logarithm is log p(y | x) - a'P a / 2. Newton's method with the expected
information J of the readings on x goes from a to (I + J P)^-1 (g + J P a), where g is the slope of the first
term to x; no inverse of P is needed, which is singular where something is known exactly. Normal readings
that are affine in x need one step, and the evidence is exact; for counts it is Laplace's approximation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np

from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.observation import Observation
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Values
from mscale_uq.core.statespace import StateSpace
from mscale_uq.errors import CovarianceError
from mscale_uq.filters.rows_reading import linear_rows
from mscale_uq.observe.counts import NegativeBinomial
from mscale_uq.observe.fluorescence import Fluorescence
from mscale_uq.observe.laws import Gaussian, look_up

STEPS, HALVINGS = 50, 30
TOLERANCE = 1e-10  # of what another step would gain in the logarithm


class Terms(NamedTuple):
    """At every node: log-density ``(G,)``, its slope to the state ``(G, n)``, and the information on it."""

    density: Array
    slope: Array
    information: Array


@final
@dataclass(frozen=True)
class Readings:
    """One observation as all nodes see it.

    Attributes
    ----------
    used
        ``(m,)``, true where there is a reading to be used.
    expected, variance
        ``(G, m)`` at the forecast; `H` ``(G, m, n)`` are the slopes to the state there.
    """

    observation: Observation
    operator: ObservationOperator
    used: np.ndarray
    expected: Array
    H: Array
    variance: Array

    def at_forecast(self) -> tuple[Array, Array]:
        """Return expected values and slopes of the readings that are used."""
        return self.expected[:, self.used], self.H[:, self.used]

    def terms(self, expected: Array, H: Array, values: Values) -> Terms:
        """Return what the readings that are used say where they are expected to be `expected`."""
        y, e = self.observation.value.ravel()[self.used], expected
        law = self.operator.law
        if isinstance(law, NegativeBinomial):
            found = law.logpdf(y, e, np.zeros(e.shape), values)
            density, score = found.pointwise, found.d_prediction
            information = 1 / np.maximum(law.spread(e, values), np.finfo(float).tiny)
        else:
            R = self.variance[:, self.used]
            information, score = 1 / R, (y - e) / R
            density = -0.5 * ((y - e) ** 2 / R + np.log(2 * np.pi * R))
        slope = np.einsum("gin,gi->gn", H, score)
        return Terms(density.sum(axis=1), slope, np.swapaxes(H * information[..., None], 1, 2) @ H)


@final
@dataclass(frozen=True)
class Look:
    """All observations of one time as all nodes see them.

    Attributes
    ----------
    means, covs
        The forecast ``(G, n)`` and ``(G, n, n)``.
    points
        Of the nodes ``(G, k)``.
    """

    space: StateSpace
    values: Values
    points: Array
    means: Array
    covs: Array
    readings: tuple[Readings, ...]

    def update(self) -> tuple[Array, Array, Array, bool]:
        """Return means, covariances and log-evidence ``(G,)`` of the readings, and whether all settled."""
        a, P = np.zeros_like(self.means), self.covs
        terms, one = self._total([(r, *r.at_forecast()) for r in self.readings]), np.eye(a.shape[1])
        height, settled = terms.density, False
        for _ in range(STEPS):
            Pa = np.einsum("gab,gb->ga", P, a)
            pull = terms.slope + np.einsum("gab,gb->ga", terms.information, Pa)
            step = np.linalg.solve(one + terms.information @ P, pull[..., None])[..., 0] - a
            gain = np.einsum("ga,ga->g", np.einsum("gab,gb->ga", P, terms.slope) - Pa, step)
            settled = bool(np.all(gain <= TOLERANCE))
            if settled:
                break
            a, terms, height = self._climbed(a, step, height)
        left = np.linalg.solve(one + P @ terms.information, P)
        logs = height - 0.5 * np.linalg.slogdet(one + terms.information @ P)[1]
        cov = (left + np.swapaxes(left, 1, 2)) / 2
        return self.means + np.einsum("gab,gb->ga", P, a), cov, logs, settled

    def _climbed(self, a: Array, step: Array, height: Array) -> tuple[Array, Terms, Array]:
        """Return the place a step ahead; where that is lower, the step is halved."""
        share = np.ones(len(a))
        for _ in range(HALVINGS):
            there = a + share[:, None] * step
            terms = self._terms(there)
            new = terms.density - 0.5 * np.einsum("ga,gab,gb->g", there, self.covs, there)
            low = ~(new >= height - 1e-12 * np.abs(height))
            if not low.any():
                break
            share[low] /= 2
        return there, terms, new

    def _terms(self, a: Array) -> Terms:
        states = np.hstack([self.means + np.einsum("gab,gb->ga", self.covs, a), self.points])
        used = (one for one in self.readings if one.used.any())
        return self._total(
            [(one, *linear_rows(self.space, self.values, one.operator, states, one.used)) for one in used]
        )

    def _total(self, seen: Sequence[tuple[Readings, Array, Array]]) -> Terms:
        """Return what all readings say, each with what is expected and its slopes."""
        count, n = self.means.shape
        parts = [Terms(np.zeros(count), np.zeros((count, n)), np.zeros((count, n, n)))]
        parts += [one.terms(expected, H, self.values) for one, expected, H in seen]
        return Terms(*(sum(part) for part in zip(*parts, strict=True)))  # type: ignore[arg-type]

    def expected(self, weights: Array) -> tuple[Array, Array]:
        """Return the readings ``(M,)`` that the mixture expects, and their covariance ``(M, M)``.

        Between readings that are not used the covariance is left out.
        """
        e = np.concatenate([one.expected for one in self.readings], axis=1)
        H = np.concatenate([one.H for one in self.readings], axis=1)
        seen = np.concatenate([one.used for one in self.readings])
        mean = weights @ e
        reach, left = H @ self.covs, e - mean
        own = weights @ np.concatenate([one.variance for one in self.readings], axis=1)
        cov = np.diag(own + weights @ (np.einsum("gin,gin->gi", reach, H) + left**2))
        some, n = np.ix_(seen, seen), H.shape[2]
        pairs = np.moveaxis(reach[:, seen] * weights[:, None, None], 1, 0).reshape(-1, len(e) * n)
        within = pairs @ np.moveaxis(H[:, seen], 1, 0).reshape(-1, len(e) * n).T
        both = within + (left[:, seen] * weights[:, None]).T @ left[:, seen]
        cov[some] = both + np.diag(own[seen])
        return mean, cov


def look_all(
    space: StateSpace,
    values: Values,
    points: Array,
    means: Array,
    covs: Array,
    observations: tuple[Observation, ...],
) -> Look:
    """Return the observations as all nodes see them.

    Raises
    ------
    CovarianceError
        If a reading's variance is not positive.
    """
    states, made = np.hstack([means, points]), []
    for one in observations:
        operator = space.observations[one.source]
        expected, H = linear_rows(space, values, operator, states)
        used = ~np.isnan(one.usable.ravel())
        made.append(Readings(one, operator, used, expected, H, _variance(one, operator, expected, values)))
    return Look(space, values, points, means, covs, tuple(made))


def _variance(one: Observation, operator: ObservationOperator, expected: Array, values: Values) -> Array:
    """Return the variance of each reading ``(G, m)``, at what each node expects."""
    law = operator.law
    if isinstance(law, NegativeBinomial):
        return law.spread(expected, values)
    if one.noise is not None:
        found = np.broadcast_to(np.diag(one.noise_cov), expected.shape)  # type: ignore[arg-type]
    elif isinstance(law, Fluorescence):
        found = law.own(expected, np.zeros(expected.shape), values)
    else:
        assert isinstance(law, Gaussian)  # what the filter saw to
        found = np.broadcast_to(
            look_up(law.sd, values) ** 2 + (look_up(law.relative, values) * expected) ** 2, expected.shape
        )
    if not np.all(found > 0):
        raise CovarianceError("variance of a reading", {"time": one.time}, "is not positive")
    return found
