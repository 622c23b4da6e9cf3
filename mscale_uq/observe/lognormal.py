"""`Lognormal`: positive readings that scatter by a factor, those below a detection limit censored.

A volume by caliper, a concentration, a titre: log y = log m + sd e, with the prediction m as the median. What
is not detected says only that the reading is below the limit, P(y < limit) = Phi((log limit - log m)/sd); a
zero put in its place would have no logarithm, and a small number would be an invention.

Source: J. Tobin, Estimation of relationships for limited dependent variables, Econometrica 26 (1958) 24-36,
doi:10.2307/1907382.
"""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from scipy.special import ndtr

from mscale_uq.core.law import Law, LawTerms
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Values
from mscale_uq.errors import DataError, ParameterError, explain
from mscale_uq.observe.laws import Level, check_level, look_up, named_slopes
from mscale_uq.solve.log_phi import LOG_2PI, log_phi


@final
@dataclass(frozen=True)
class Lognormal(Law):
    """Independent readings whose logarithms are normal about that of the prediction.

    The prediction's own variance v adds v / prediction^2 to the variance of the logarithm.

    Attributes
    ----------
    relative
        Standard deviation of the logarithm (unit 1): a number, one per channel, or the name of an unknown.
    detection_limit
        Readings at or below it, zeros included, say no more than that; in the unit of the reading. None if
        everything is detected.

    Where the prediction is not positive, the log-density is -inf.

    Raises
    ------
    ParameterError
        If a level is not positive.
    DataError
        By `logpdf`, if a reading without a detection limit is not positive.
    """

    elementwise: ClassVar[bool] = True

    relative: Level
    detection_limit: float | None = None

    def __post_init__(self) -> None:
        check_level("relative", self.relative, positive=True)
        if self.detection_limit is not None and not 0 < self.detection_limit < np.inf:
            given = f"lognormal law: detection_limit = {self.detection_limit:g}"
            raise ParameterError(explain(given, "a positive number"))

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]
        """Name of the unknown level, if it is one."""
        return (self.relative,) if isinstance(self.relative, str) else ()

    def censored(self, data: Array) -> np.ndarray:
        """Return which readings are at or below the detection limit."""
        limit = -np.inf if self.detection_limit is None else self.detection_limit
        return np.nan_to_num(np.asarray(data), nan=np.inf) <= limit

    def logpdf(self, data: Array, prediction: Array, variance: Array, values: Values) -> LawTerms:
        """Return the log-density of each reading, of a censored one the log-probability, with derivatives."""
        data, prediction = np.asarray(data), np.asarray(prediction)
        cut, seen, possible = self.censored(data), ~np.isnan(data), prediction > 0
        self.check(data)
        m = np.where(possible, prediction, 1.0)
        total = self.log_variance(m, variance, values)
        y = np.where(seen & ~cut, data, 1.0)
        error = np.log(np.where(cut, self.detection_limit or 1.0, y) / m)
        z = error / np.sqrt(total)
        known = -np.log(y) - 0.5 * (LOG_2PI + np.log(total) + z**2)
        below, ratio = log_phi(z)
        to_log = np.where(cut, -ratio / np.sqrt(total), error / total)
        to_total = np.where(cut, -0.5 * ratio * z, 0.5 * (z**2 - 1)) / total
        used = seen & possible
        to_total = np.where(used, to_total, 0.0)
        d_prediction = np.where(used, to_log, 0.0) / m - 2 * to_total * variance / m**3
        slopes = {"relative": to_total * 2 * look_up(self.relative, values)}
        pointwise = np.where(seen, np.where(possible, np.where(cut, below, known), -np.inf), 0.0)
        return LawTerms(pointwise, d_prediction, to_total / m**2, named_slopes(self, slopes, values))

    def mean(self, prediction: Array, values: Values) -> Array:
        """Return the expected reading of a sure prediction, which is the median, and less."""
        return np.asarray(prediction * np.exp(0.5 * look_up(self.relative, values) ** 2))

    def mean_slope(self, prediction: Array, values: Values) -> Array:
        """Return the ratio of the expected reading to the median."""
        return np.broadcast_to(np.exp(0.5 * look_up(self.relative, values) ** 2), np.shape(prediction))

    def cov(self, prediction: Array, variance: Array, values: Values) -> Array:
        """Return the diagonal covariance."""
        m = np.asarray(prediction, dtype=float)
        total = look_up(self.relative, values) ** 2 + variance / np.where(m == 0, 1.0, m) ** 2
        return np.diag(np.ravel(np.broadcast_to(m**2 * np.exp(total) * np.expm1(total), m.shape)))

    def sample(self, prediction: Array, variance: Array, values: Values, rng: np.random.Generator) -> Array:
        """Draw readings; what is not detected is zero."""
        sd = np.sqrt(self.log_variance(np.asarray(prediction), variance, values))
        drawn = np.asarray(prediction * np.exp(sd * rng.standard_normal(np.shape(prediction))))
        return np.where(self.censored(drawn), 0.0, drawn)

    def log_variance(self, prediction: Array, variance: Array, values: Values) -> Array:
        """Return the variance of the logarithm of each reading, shaped like the prediction."""
        total = (
            look_up(self.relative, values) ** 2 + variance / np.where(prediction == 0, 1.0, prediction) ** 2
        )
        return np.asarray(np.broadcast_to(total, np.shape(prediction)))

    def weights(self, prediction: Array, log_variance: Array) -> tuple[Array, Array, Array]:
        """Return the expected information of each reading on its log-median, on its log-sd, and on both.

        In units of 1 / log_variance: the second moments of the score of a normal reading that is censored
        below z; 1, 2 and 0 if none is.
        """
        if self.detection_limit is None:
            return np.ones_like(prediction), np.full_like(prediction, 2.0), np.zeros_like(prediction)
        z = np.log(self.detection_limit / prediction) / np.sqrt(log_variance)
        phi = np.exp(-0.5 * (LOG_2PI + z**2))
        lost = phi * log_phi(z)[1]
        above = ndtr(-z)
        on_median, on_sd = above + z * phi + lost, 2 * above + (z**3 + z) * phi + z**2 * lost
        return on_median, on_sd, (z**2 + 1) * phi + z * lost

    def check(self, data: Array) -> None:
        """Refuse readings that are neither positive nor censored."""
        wrong = np.asarray(data)[(np.nan_to_num(data, nan=1.0) <= 0) & ~self.censored(data)]
        if wrong.size:
            given = f"a reading of {wrong.min():g} under a lognormal law"
            hint = "if nothing was detected, say detection_limit = .. in the law"
            raise DataError(explain(given, "positive readings", hint))
