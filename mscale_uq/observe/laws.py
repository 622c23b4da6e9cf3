"""Noise laws: the probability of a reading, given its prediction."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
from scipy.special import gammaln

from mscale_uq.core.law import Law, LawTerms
from mscale_uq.core.lazy import lazy
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Named, Values
from mscale_uq.errors import ParameterError, explain

Level = float | str | tuple[float, ...]


@final
@dataclass(frozen=True)
class Gaussian(Law):
    """Independent normal readings: variance = sd^2 + (relative prediction)^2 + the prediction's own.

    Each of `sd` (unit of the reading) and `relative` (unit 1) is a number, one number per channel, or the
    name of an unknown. The log-determinant is kept, so that both can be inferred.

    Raises
    ------
    ParameterError
        If a level is negative, or both are zero.
    """

    elementwise: ClassVar[bool] = True

    sd: Level
    relative: Level = 0.0

    def __post_init__(self) -> None:
        check_level("sd", self.sd)
        check_level("relative", self.relative)
        if not isinstance(self.relative, str) and np.all(np.asarray(self.relative) == 0):
            check_level("sd", self.sd, positive=True)

    @lazy
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]
        """Names of the unknown levels."""
        return tuple(level for level in (self.sd, self.relative) if isinstance(level, str))

    def logpdf(self, data: Array, prediction: Array, variance: Array, values: Values) -> LawTerms:
        """Return the normal log-density of each reading, with derivatives."""
        total = self.own(prediction, variance, values)
        error, missing = data - prediction, np.isnan(data)
        some = missing.any()  # mostly none are: looking is cheaper than choosing entry by entry
        error = np.where(missing, 0.0, error) if some else error
        misfit = error**2 / total
        pointwise = -0.5 * (np.log(2 * np.pi * total) + misfit)
        d_total = 0.5 * (misfit - 1) / total
        if some:
            pointwise, d_total = np.where(missing, 0.0, pointwise), np.where(missing, 0.0, d_total)
        d_prediction = error / total
        if self.relative != 0.0:
            d_prediction = d_prediction + d_total * self.own_slope(prediction, values)
        if not self.reads:
            return LawTerms(pointwise, d_prediction, d_total, {})
        sd, relative = look_up(self.sd, values), look_up(self.relative, values)
        slopes = {"sd": d_total * 2 * sd, "relative": d_total * 2 * relative * prediction**2}
        return LawTerms(pointwise, d_prediction, d_total, named_slopes(self, slopes, values))

    def mean(self, prediction: Array, values: Values) -> Array:
        """Return the prediction: the law has no bias."""
        return np.array(prediction, dtype=float)

    def cov(self, prediction: Array, variance: Array, values: Values) -> Array:
        """Return the diagonal covariance."""
        total = self.own(prediction, variance, values)
        cov = np.zeros((np.size(prediction), np.size(prediction)))
        cov.flat[:: len(cov) + 1] = np.ravel(total)  # four times as fast as np.diag of a broadcast
        return cov

    def own(self, prediction: Array, variance: Array, values: Values) -> Array:
        """Return the variance of each reading, shaped like the prediction."""
        total = look_up(self.sd, values) ** 2 + variance
        if self.relative != 0.0:
            total = total + (look_up(self.relative, values) * prediction) ** 2
        return np.asarray(total)

    def own_slope(self, prediction: Array, values: Values) -> Array:
        """Return its derivative to the prediction."""
        return np.asarray(2 * look_up(self.relative, values) ** 2 * prediction)

    def sample(self, prediction: Array, variance: Array, values: Values, rng: np.random.Generator) -> Array:
        """Draw readings."""
        spread = np.sqrt(np.diag(self.cov(prediction, variance, values))).reshape(np.shape(prediction))
        return prediction + spread * rng.standard_normal(np.shape(prediction))


@final
@dataclass(frozen=True)
class StudentT(Law):
    """Independent Student-t readings, for outliers: squared scale = sd^2 + the prediction's own variance.

    `sd` is the scale (unit of the reading), a number, one per channel or a name; `df` > 2 the degrees of
    freedom, so that filters have a covariance.
    """

    elementwise: ClassVar[bool] = True

    sd: Level
    df: float = 4.0

    def __post_init__(self) -> None:
        check_level("sd", self.sd, positive=True)
        if not self.df > 2:
            raise ParameterError(explain(f"student_t law: df = {self.df}", "df > 2", "4 is usual"))

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]
        """Name of the unknown scale, if it is one."""
        return (self.sd,) if isinstance(self.sd, str) else ()

    def logpdf(self, data: Array, prediction: Array, variance: Array, values: Values) -> LawTerms:
        """Return the Student-t log-density of each reading, with derivatives."""
        sd, df = look_up(self.sd, values), self.df
        total = np.broadcast_to(sd**2 + variance, np.shape(prediction))
        seen = ~np.isnan(data)
        error = np.where(seen, data - prediction, 0.0)
        ratio = error**2 / (df * total)
        constant = gammaln((df + 1) / 2) - gammaln(df / 2) - 0.5 * np.log(df * np.pi)
        pointwise = np.where(seen, constant - 0.5 * np.log(total) - (df + 1) / 2 * np.log1p(ratio), 0.0)
        pull = (df + 1) / (df * total * (1 + ratio))
        d_total = np.where(seen, 0.5 * (pull * error**2 - 1) / total, 0.0)
        return LawTerms(
            pointwise, pull * error, d_total, named_slopes(self, {"sd": d_total * 2 * sd}, values)
        )

    def mean(self, prediction: Array, values: Values) -> Array:
        """Return the prediction: the law has no bias."""
        return np.array(prediction, dtype=float)

    def cov(self, prediction: Array, variance: Array, values: Values) -> Array:
        """Return the diagonal covariance, df / (df - 2) times the squared scale."""
        total = look_up(self.sd, values) ** 2 + variance
        return np.diag(np.ravel(np.broadcast_to(total, np.shape(prediction)))) * self.df / (self.df - 2)

    def sample(self, prediction: Array, variance: Array, values: Values, rng: np.random.Generator) -> Array:
        """Draw readings."""
        scale = np.sqrt(look_up(self.sd, values) ** 2 + variance)
        return prediction + scale * rng.standard_t(self.df, np.shape(prediction))


def check_level(name: str, level: Level, positive: bool = False) -> None:
    """Refuse a noise level that is negative (or zero, where it must not be) or not finite."""
    if isinstance(level, str):
        return
    array = np.asarray(level, dtype=float)
    if not np.all(np.isfinite(array)) or np.any(array < 0) or (positive and np.any(array == 0)):
        raise ParameterError(
            explain(
                f"noise {name} = {level}",
                "a positive number or the name of an unknown",
                "use the reading's unit",
            )
        )


def look_up(level: Level, values: Values) -> Any:
    """Return a level as a number or array."""
    return np.asarray(values[level] if isinstance(level, str) else level, dtype=float)


def named_slopes(law: Any, slopes: Mapping[str, Array], values: Values) -> Named:
    """Return derivatives to the unknown levels, summed to the unknown's shape."""
    result: Named = {}
    for field, slope in slopes.items():
        name = getattr(law, field)
        if isinstance(name, str):
            part = _summed_to(np.shape(values[name]), np.asarray(slope))
            result[name] = result[name] + part if name in result else part
    return result


def _summed_to(shape: tuple[int, ...], slope: Array) -> Array:
    """Return a slope summed over the axes along which a level of this shape was spread over the readings."""
    spread = np.broadcast_shapes(shape, slope.shape)
    padded = (1,) * (len(spread) - len(shape)) + shape
    axes = tuple(axis for axis, size in enumerate(padded) if size == 1 and spread[axis] != 1)
    return np.asarray(np.broadcast_to(slope, spread).sum(axis=axes, keepdims=True).reshape(shape))
