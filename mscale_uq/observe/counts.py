"""Laws of counts: Poisson and negative binomial, given the expected count.

An error variance v of the expected count itself (of a surrogate, a random stage) makes it gamma distributed:
the overdispersion grows by v / mean^2, and a Poisson count becomes negative binomial.
"""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from scipy.special import betaln, digamma, gammaln

from mscale_uq.core.law import Law, LawTerms
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Values
from mscale_uq.errors import DataError, explain
from mscale_uq.observe.laws import Level, check_level, look_up, named_slopes

WHOLE = 1e-6  # how far a count may be from a whole number
SMALL = 1e-2  # below this overdispersion times count, series replace differences of large logarithms


@final
@dataclass(frozen=True)
class NegativeBinomial(Law):
    """Counts with mean mu and variance mu + overdispersion mu^2; zero overdispersion is Poisson.

    `overdispersion` (unit 1) is a number, one per channel, or the name of an unknown. Where the expected
    count is negative, or zero while something was counted, the log-density is -inf.

    Raises
    ------
    ParameterError
        If the overdispersion is negative.
    DataError
        By `logpdf`, if a datum is not a count.
    """

    elementwise: ClassVar[bool] = True

    overdispersion: Level
    destructive: ClassVar[bool] = True  # molecules are counted in what is taken apart

    def __post_init__(self) -> None:
        check_level("overdispersion", self.overdispersion)

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]
        """Name of the unknown overdispersion, if it is one."""
        return (self.overdispersion,) if isinstance(self.overdispersion, str) else ()

    def logpdf(self, data: Array, prediction: Array, variance: Array, values: Values) -> LawTerms:
        """Return the log-probability of each count, with derivatives."""
        seen = ~np.isnan(data)
        count = np.where(seen, check_counts(data), 0.0)
        possible = (prediction > 0) | ((prediction == 0) & (count == 0))
        mean = np.where(prediction > 0, prediction, 1.0)
        alpha = look_up(self.overdispersion, values)
        if np.any(variance):  # otherwise what counts alone decide is worked out once for all means
            alpha = alpha + variance / mean**2
        density, to_mean, to_alpha = log_probability(count, mean, alpha)
        zero = prediction == 0  # only for no count, where the density is -mean
        density = np.where(possible, np.where(zero, 0.0, density), -np.inf)
        to_mean = np.where(zero, -1.0, to_mean - 2 * to_alpha * variance / mean**3)
        to_alpha = np.where(zero, 0.0, to_alpha)
        used = seen & possible
        to_alpha = np.where(used, to_alpha, 0.0)
        slopes = named_slopes(self, {"overdispersion": to_alpha}, values)
        pointwise, d_mean = np.where(seen, density, 0.0), np.where(used, to_mean, 0.0)
        return LawTerms(pointwise, d_mean, to_alpha / mean**2, slopes)

    def mean(self, prediction: Array, values: Values) -> Array:
        """Return the expected counts."""
        return np.array(prediction, dtype=float)

    def cov(self, prediction: Array, variance: Array, values: Values) -> Array:
        """Return the diagonal covariance."""
        total = self.spread(prediction, values) + variance
        return np.diag(np.ravel(np.broadcast_to(total, np.shape(prediction))))

    def spread(self, prediction: Array, values: Values) -> Array:
        """Return the variance of each count, shaped like the prediction."""
        return np.asarray(prediction + look_up(self.overdispersion, values) * prediction**2)

    def sample(self, prediction: Array, variance: Array, values: Values, rng: np.random.Generator) -> Array:
        """Draw counts: Poisson with a gamma distributed mean."""
        mean = np.asarray(prediction, dtype=float)
        square = look_up(self.overdispersion, values) * mean**2 + variance
        random = square > 0
        scale = np.divide(square, mean, out=np.ones_like(mean), where=random & (mean > 0))
        drawn = rng.gamma(np.where(random, mean / scale, 1.0), scale)
        return rng.poisson(np.where(random, drawn, mean)).astype(float)


def poisson() -> NegativeBinomial:
    """Return the law of counts whose variance is their mean."""
    return NegativeBinomial(overdispersion=0.0)


def log_probability(count: Array, mean: Array, alpha: Array) -> tuple[Array, Array, Array]:
    """Return the log-probability of counts and its derivatives to mean and overdispersion, broadcast.

    log p = sum_{j < y} log(1 + alpha j) - log y! + y log mu - (y + 1/alpha) log(1 + alpha mu), written so
    that alpha may be zero or tiny.
    """
    spread = 1 + alpha * mean
    rising, d_rising = rising_product(count, alpha)
    ratio, d_ratio = log_ratio(alpha * mean)
    density = rising - gammaln(count + 1) + count * np.log(mean) - count * np.log(spread) - mean * ratio
    to_mean = (count - mean) / (mean * spread)
    to_alpha = d_rising - count * mean / spread - mean**2 * d_ratio
    return density, to_mean, to_alpha


def rising_product(count: Array, alpha: Array) -> tuple[Array, Array]:
    """Return sum_{j < y} log(1 + alpha j) and its derivative to alpha."""
    small = alpha * count < SMALL
    y, r = np.where(count > 0, count, 1.0), 1 / np.where(small, 1.0, alpha)
    exact = gammaln(y) - betaln(r, y) - y * np.log(r)
    slope = -(r**2) * (digamma(y + r) - digamma(r) - y / r)
    series, series_slope = rising_series(count, np.where(small, alpha, 0.0))
    none = count == 0
    return (
        np.where(none, 0.0, np.where(small, series, exact)),
        np.where(none, 0.0, np.where(small, series_slope, slope)),
    )


def rising_series(count: Array, alpha: Array) -> tuple[Array, Array]:
    """Return the same by the power sums of 0 .. y - 1, for small alpha y; the error is (alpha y)^6 / 6."""
    n = np.maximum(count - 1, 0.0)
    sums = (
        n * (n + 1) / 2,
        n * (n + 1) * (2 * n + 1) / 6,
        (n * (n + 1) / 2) ** 2,
        n * (n + 1) * (2 * n + 1) * (3 * n**2 + 3 * n - 1) / 30,
        n**2 * (n + 1) ** 2 * (2 * n**2 + 2 * n - 1) / 12,
        n * (n + 1) * (2 * n + 1) * (3 * n**4 + 6 * n**3 - 3 * n + 1) / 42,
    )
    value = sum((-1) ** k * alpha ** (k + 1) * part / (k + 1) for k, part in enumerate(sums))
    slope = sum((-alpha) ** k * part for k, part in enumerate(sums))
    return np.asarray(value), np.asarray(slope)


def log_ratio(x: Array) -> tuple[Array, Array]:
    """Return log(1 + x) / x and its derivative, also at x = 0."""
    small = x < 1e-2
    safe = np.where(small, 1.0, x)
    value = np.log1p(safe) / safe
    slope = (1 / (1 + safe) - value) / safe
    tiny = np.where(small, x, 0.0)
    series = sum((-tiny) ** k / (k + 1) for k in range(9))
    series_slope = -sum((k + 1) * (-tiny) ** k / (k + 2) for k in range(9))
    return np.where(small, series, value), np.where(small, series_slope, slope)


def check_counts(data: Array) -> Array:
    """Return data rounded to whole numbers; refuse what is not a count.

    Raises
    ------
    DataError
        With the first value that is negative or not whole.
    """
    seen = data[~np.isnan(data)]
    wrong = seen[(seen < 0) | (np.abs(seen - np.rint(seen)) > WHOLE)]
    if wrong.size:
        raise DataError(
            explain(f"count {wrong[0]:g}", "whole numbers from 0 on", "give raw counts, not normalised ones")
        )
    return np.rint(data)
