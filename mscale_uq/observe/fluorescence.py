"""`Fluorescence`: the mean intensity of segmented objects in one frame of a camera.

    variance = sd^2 + shot (I - background) + (relative (I - background))^2

with the read noise sd of an object's mean, the shot noise of photo-electrons (camera gain over the number of
pixels), and the error of segmentation and illumination. The background of a frame is estimated once, so its
error is common to all objects: background_sd^2 stands in every entry of the covariance. A reading at
saturation says only that the intensity is at least as large.

Source of the law of a pixel: R. Heintzmann, P. K. Relich, R. P. J. Nieuwenhuizen, K. A. Lidke, B. Rieger,
Calibrating photon counts from a single image (2016), arXiv:1611.05654.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np
from scipy.special import logsumexp

from mscale_uq.core.law import Law, LawTerms
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Values
from mscale_uq.observe.laws import Level, check_level, look_up, named_slopes
from mscale_uq.solve.log_phi import LOG_2PI, log_phi

NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(40)
LOG_WEIGHTS = np.log(_WEIGHTS / _WEIGHTS.sum())


class Frame(NamedTuple):
    """A frame's readings beside their prediction: errors e, variances v, and what they say of the background.

    `known` readings are those below saturation, `full` those at it; their weights are 1/v. `shift` is the
    expected error of the background given the known readings, `spread` its variance.
    """

    known: np.ndarray
    full: np.ndarray
    error: Array
    total: Array
    weight: Array
    shift: float
    spread: float


@final
@dataclass(frozen=True)
class Fluorescence(Law):
    """Normal readings of objects in one frame, saturated ones censored.

    Attributes
    ----------
    sd, relative
        As in `Gaussian`: numbers or names of unknowns; `sd` in the unit of the reading, `relative` in 1.
    shot
        Variance per intensity above the background: the camera's gain (counts per photo-electron) over the
        number of pixels of an object, in the unit of the reading.
    background, background_sd
        Expected background, and standard deviation of its estimate, in the unit of the reading.
    saturation
        Largest reading of the camera; None if it has none.

    Saturated readings are independent given the others: exact for one, or without a background error.

    Raises
    ------
    ParameterError
        If a level is negative or not finite.
    """

    sd: Level
    shot: float = 0.0
    relative: Level = 0.0
    background: float = 0.0
    background_sd: float = 0.0
    saturation: float | None = None

    def __post_init__(self) -> None:
        check_level("sd", self.sd, positive=True)
        for name in ("shot", "relative", "background", "background_sd"):
            check_level(name, getattr(self, name))

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]
        """Names of the unknown levels."""
        return tuple(level for level in (self.sd, self.relative) if isinstance(level, str))

    def censored(self, data: Array) -> np.ndarray:
        """Return which readings are at saturation."""
        limit = np.inf if self.saturation is None else self.saturation
        return np.nan_to_num(np.asarray(data), nan=-np.inf) >= limit

    def logpdf(self, data: Array, prediction: Array, variance: Array, values: Values) -> LawTerms:
        """Return the log-density of the frame; `pointwise` is each reading's given those before it."""
        f = self._frame(data, prediction, variance, values)
        pointwise = np.zeros(np.shape(data))
        before = self._before(f)
        pointwise[f.known] = before
        to_error, to_total = self._known_slopes(f)
        if f.full.any():
            pointwise[f.full] = self._censored(f, prediction, to_error, to_total)
        light = prediction - self.background
        relative, sd = look_up(self.relative, values), look_up(self.sd, values)
        to_light = to_total * self.own_slope(prediction, values)
        slopes = {"sd": to_total * 2 * sd, "relative": to_total * 2 * relative * light**2}
        return LawTerms(pointwise, to_light - to_error, to_total, named_slopes(self, slopes, values))

    def held_out(self, data: Array, prediction: Array, variance: Array, values: Values) -> Array:
        """Return each reading's log-density given all the others of the frame, saturated ones as bounds."""
        f = self._frame(data, prediction, variance, values)
        w = f.weight[f.known]
        precision = w - w**2 * f.spread
        pull = w * (f.error[f.known] - f.shift)
        result = self.logpdf(data, prediction, variance, values).pointwise
        result[f.known] = -0.5 * (LOG_2PI - np.log(precision) + pull**2 / precision)
        if self.background_sd and f.full.any():  # else no reading tells of another
            self._add_bounds(f, prediction, result)
        return result

    def mean(self, prediction: Array, values: Values) -> Array:
        """Return the prediction: below saturation the law has no bias."""
        return np.array(prediction, dtype=float)

    def cov(self, prediction: Array, variance: Array, values: Values) -> Array:
        """Return the covariance ``(n, n)``: each object's own noise, and the background's in every entry."""
        own = np.ravel(self.own(np.asarray(prediction), variance, values))
        return np.diag(own) + self.background_sd**2

    def own(self, prediction: Array, variance: Array, values: Values) -> Array:
        """Return the variance of each reading but for the background's, shaped like the prediction."""
        light = prediction - self.background
        shot = self.shot * np.maximum(light, 0.0)
        total = look_up(self.sd, values) ** 2 + shot + (look_up(self.relative, values) * light) ** 2
        return np.asarray(total + variance)

    def own_slope(self, prediction: Array, values: Values) -> Array:
        """Return its derivative to the prediction."""
        light = prediction - self.background
        return np.asarray(self.shot * (light > 0) + 2 * look_up(self.relative, values) ** 2 * light)

    def sample(self, prediction: Array, variance: Array, values: Values, rng: np.random.Generator) -> Array:
        """Draw a frame."""
        own = np.sqrt(self.own(np.asarray(prediction), variance, values))
        drawn = prediction + own * rng.standard_normal(np.shape(prediction))
        drawn = drawn + self.background_sd * rng.standard_normal()
        return drawn if self.saturation is None else np.minimum(drawn, self.saturation)

    def _frame(self, data: Array, prediction: Array, variance: Array, values: Values) -> Frame:
        data = np.asarray(data)
        full = np.asarray(self.censored(data))
        known = ~np.isnan(data) & ~full
        total = np.broadcast_to(self.own(prediction, variance, values), np.shape(data))
        error = np.where(known, np.nan_to_num(data) - prediction, 0.0)
        weight = np.where(known, 1 / total, 0.0)
        if self.background_sd == 0:
            return Frame(known, full, error, total, weight, 0.0, 0.0)
        spread = 1 / (self.background_sd**-2 + weight.sum())
        return Frame(known, full, error, total, weight, spread * float((weight * error).sum()), spread)

    def _before(self, f: Frame) -> Array:
        """Return each known reading's log-density given the known ones before it."""
        w, e = f.weight[f.known], f.error[f.known]
        if self.background_sd == 0:
            return -0.5 * (LOG_2PI - np.log(w) + w * e**2)
        precision = self.background_sd**-2 + np.cumsum(w) - w
        shift = (np.cumsum(w * e) - w * e) / precision
        spread = 1 / w + 1 / precision
        return -0.5 * (LOG_2PI + np.log(spread) + (e - shift) ** 2 / spread)

    def _add_bounds(self, f: Frame, prediction: Array, result: Array) -> None:
        """Let saturated readings count as others, by quadrature over the background's error; in place."""
        above = [
            ((p - self.saturation), np.sqrt(R))
            for p, R in zip(prediction[f.full], f.total[f.full], strict=True)
        ]

        def each_full(shift: Array, spread: Array) -> Iterator[Array]:
            at = shift[..., None] + np.sqrt(spread)[..., None] * NODES
            return (log_phi((over + at) / sd)[0] for over, sd in above)

        each = np.array(list(each_full(np.array(f.shift), np.array(f.spread))))
        of_all = each.sum(axis=0)
        whole = logsumexp(of_all + LOG_WEIGHTS)
        result[f.full] = whole - logsumexp(of_all - each + LOG_WEIGHTS, axis=1)
        w, e = f.weight[f.known], f.error[f.known]
        spread = 1 / (1 / f.spread - w)  # of the background's error without the reading
        shift = spread * (f.shift / f.spread - w * e)
        of_others = np.sum(list(each_full(shift, spread)), axis=0)
        result[f.known] += whole - logsumexp(of_others + LOG_WEIGHTS, axis=1)

    def _known_slopes(self, f: Frame) -> tuple[Array, Array]:
        """Return the derivative of the known readings' log-density to each error and own variance."""
        left = f.error - f.shift
        to_total = 0.5 * f.weight**2 * (left**2 + f.spread - f.total)
        return np.asarray(-f.weight * left), np.where(f.known, to_total, 0.0)

    def _censored(self, f: Frame, prediction: Array, to_error: Array, to_total: Array) -> Array:
        """Return the saturated readings' log-density given the known ones; add its slopes in place."""
        spread = f.total[f.full] + f.spread
        z = (prediction[f.full] + f.shift - self.saturation) / np.sqrt(spread)
        density, ratio = log_phi(z)
        to_shift, to_spread = ratio / np.sqrt(spread), -0.5 * ratio * z / spread
        to_error[f.full] -= to_shift
        to_total[f.full] += to_spread
        by_weight = f.spread * (f.error - f.shift) * to_shift.sum() - f.spread**2 * to_spread.sum()
        to_error += np.where(f.known, f.weight * f.spread * to_shift.sum(), 0.0)
        to_total -= np.where(f.known, f.weight**2 * by_weight, 0.0)
        return density
