"""Normal readings whose errors hang together: measurement noise, and what the model itself gets wrong.

The noise of one sensor says nothing of the next one's. What a model misses (a coarse mesh, a finite number of
cells, physics left out) bends all readings of a quantity at once, so it needs the full covariance S:

    data = prediction + bias + error + noise,   error ~ N(0, C),   S = C + diag(noise variance)

Missing readings are left out of S: that is the exact marginal law of the others. The price is a dense
factorisation per density: right for up to a few hundred readings of a quantity.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.linalg import solve_triangular

from mscale_uq.core.law import Law, LawTerms
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Named, Values
from mscale_uq.errors import InputError, SolveFailed, explain
from mscale_uq.observe.laws import Gaussian, look_up, named_slopes


class ModelError(ABC):
    """A normal error of the prediction of one quantity, the same law at every theta.

    Attributes
    ----------
    reads
        Names of the unknowns the covariance depends on.
    """

    @property
    @abstractmethod
    def reads(self) -> tuple[str, ...]:
        """Names of the unknowns the covariance depends on."""

    @property
    @abstractmethod
    def bias(self) -> Array:
        """Expected error ``(n,)`` of the flattened prediction, in its unit."""

    @abstractmethod
    def cov(self, values: Values) -> Array:
        """Return the covariance ``(n, n)`` around the bias."""

    @abstractmethod
    def cov_slopes(self, values: Values) -> Sequence[tuple[str, Array]]:
        """Return pairs of an unknown and the derivative ``(n, n)`` of the covariance to it."""


@final
@dataclass(frozen=True)
class GaussianCorrelated(Law):
    """Gaussian readings with independent noise and one or several model errors.

    Attributes
    ----------
    noise
        Of the measurement alone.
    errors
        Of the model; their biases and covariances add up.

    Raises
    ------
    SolveFailed
        When used: if the covariance is not positive definite in floating point.
    InputError
        When used: if an error has another number of entries than the prediction.
    """

    noise: Gaussian
    errors: tuple[ModelError, ...]

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]
        """Names of the unknown noise levels and of what the errors read."""
        return tuple(dict.fromkeys([*self.noise.reads, *(n for e in self.errors for n in e.reads)]))

    def logpdf(self, data: Array, prediction: Array, variance: Array, values: Values) -> LawTerms:
        """Return the log-density; `pointwise` holds each reading's density given those before it."""
        seen = np.ravel(~np.isnan(data))
        error, root = self._whitener(data, prediction, variance, values)
        white = solve_triangular(root, error, lower=True)
        inverse = solve_triangular(root, np.eye(error.size), lower=True)
        pull = inverse.T @ white
        d_cov = 0.5 * (np.outer(pull, pull) - inverse.T @ inverse)
        terms = -0.5 * white**2 - np.log(np.diag(root)) - 0.5 * np.log(2 * np.pi)
        pointwise, pulls, d_total = (_spread(part, seen, data) for part in (terms, pull, np.diag(d_cov)))
        relative = look_up(self.noise.relative, values)
        d_prediction = pulls + d_total * 2 * relative**2 * prediction
        return LawTerms(
            pointwise, d_prediction, d_total, self._slopes(d_cov, d_total, prediction, values, seen)
        )

    def held_out(self, data: Array, prediction: Array, variance: Array, values: Values) -> Array:
        """Return each reading's log-density given all the others, shaped like the data; for leave-one-out.

        Source: P.-C. Bürkner, J. Gabry, A. Vehtari, Efficient leave-one-out cross-validation for Bayesian
        non-factorized normal and Student-t models, Comput. Stat. 36 (2021) 1243-1261,
        doi:10.1007/s00180-020-01045-4.
        """
        error, root = self._whitener(data, prediction, variance, values)
        inverse = solve_triangular(root, np.eye(error.size), lower=True)
        precision = inverse.T @ inverse
        spread = 1 / np.diag(precision)
        miss = spread * (precision @ error)
        density = -0.5 * (np.log(2 * np.pi * spread) + miss**2 / spread)
        return _spread(density, np.ravel(~np.isnan(data)), data)

    def mean(self, prediction: Array, values: Values) -> Array:
        """Return the prediction with the model's bias put right."""
        total = np.array(prediction, dtype=float)
        for error in self.errors:
            total = total + _fitting(error.bias, total.size).reshape(total.shape)
        return total

    def cov(self, prediction: Array, variance: Array, values: Values) -> Array:
        """Return the covariance ``(n, n)`` of noise and model errors."""
        total = self.noise.cov(prediction, variance, values)
        for error in self.errors:
            total = total + _fitting(error.cov(values), len(total))
        return total

    def sample(self, prediction: Array, variance: Array, values: Values, rng: np.random.Generator) -> Array:
        """Draw readings, each time with another model error."""
        root = _cholesky(self.cov(prediction, variance, values))
        drawn = root @ rng.standard_normal(len(root))
        return self.mean(prediction, values) + drawn.reshape(np.shape(prediction))

    def _whitener(
        self, data: Array, prediction: Array, variance: Array, values: Values
    ) -> tuple[Array, Array]:
        """Return errors ``(m,)`` and root ``(m, m)`` of the covariance of the readings that are there."""
        seen = np.ravel(~np.isnan(data))
        error = np.ravel(data - self.mean(prediction, values))[seen]
        return error, _cholesky(self.cov(prediction, variance, values)[np.ix_(seen, seen)])

    def _slopes(
        self, d_cov: Array, d_total: Array, prediction: Array, values: Values, seen: np.ndarray
    ) -> Named:
        sd, relative = look_up(self.noise.sd, values), look_up(self.noise.relative, values)
        noise = {"sd": d_total * 2 * sd, "relative": d_total * 2 * relative * prediction**2}
        slopes = named_slopes(self.noise, noise, values)
        for error in self.errors:
            for name, slope in error.cov_slopes(values):
                part = np.asarray(np.sum(d_cov * slope[np.ix_(seen, seen)]))
                slopes[name] = slopes[name] + part if name in slopes else part
        return slopes


def _fitting(part: Array, size: int) -> Array:
    if len(part) != size:
        given = f"a model error for {len(part)} readings and a prediction of {size}"
        raise InputError(explain(given, "equal numbers", "one entry per reading, missing ones too"))
    return part


def _cholesky(cov: Array) -> Array:
    try:
        root = np.asarray(np.linalg.cholesky(cov), dtype=float)
    except np.linalg.LinAlgError:
        root = np.full_like(cov, np.nan)
    if not np.all(np.isfinite(root)):
        raise SolveFailed("law", {}, "the covariance of the readings is not positive definite")
    return root


def _spread(part: Array, seen: np.ndarray, like: Array) -> Array:
    """Return values of the readings that are there at their places, zero elsewhere, shaped like the data."""
    full = np.zeros(seen.size)
    full[seen] = part
    return full.reshape(np.shape(like))
