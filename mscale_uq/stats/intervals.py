"""Priors from what a person can say: an interval and the probability that the value lies in it.

The tails are equal: below the interval lies as much mass as above it. Families that live on the positive
numbers from zero on (half-normal, exponential) have one tail, and take an upper end alone.
"""

import math
from collections.abc import Callable
from typing import NoReturn

import numpy as np
import scipy

from mscale_uq.errors import ParameterError, explain
from mscale_uq.stats.prior import Prior
from mscale_uq.stats.priors import (
    Beta,
    Exponential,
    Gamma,
    HalfNormal,
    LogNormal,
    LogUniform,
    Normal,
    Uniform,
)

TOLERANCE = 1e-6  # of the mass on each side


def from_interval(family: str, lower: float, upper: float, mass: float) -> Prior:
    """Return the prior of a family with `mass` between `lower` and `upper`, the rest in equal tails.

    Raises
    ------
    ParameterError
        If the family has no such member, or `lower`, `upper` or `mass` make no sense for it.
    """
    if family in ONE_TAIL:
        return from_upper(family, upper, mass) if lower == 0 else _refuse_lower(family, lower)
    if family not in TWO_TAILS:
        hint = "give its arguments, or use uniform with mass 1" if family == "truncated_normal" else ""
        allowed = ", ".join([*TWO_TAILS, *ONE_TAIL])
        raise ParameterError(explain(f"{family} prior from an interval", allowed, hint))
    build, low, high = TWO_TAILS[family]
    if not low <= lower < upper <= high or not math.isfinite(upper - lower):
        given = f"{family} prior between {lower:g} and {upper:g}"
        raise ParameterError(explain(given, f"{low:g} <= lower < upper <= {high:g}"))
    _check_mass(family, mass, whole=family in ("uniform", "loguniform"))
    prior = build(lower, upper, (1 - mass) / 2)
    _verify(prior, lower, upper, (1 - mass) / 2)
    return prior


def from_upper(family: str, upper: float, mass: float) -> Prior:
    """Return the half-normal or exponential prior with `mass` below `upper`; raises like `from_interval`."""
    _check_mass(family, mass, whole=False)
    if not 0 < upper < math.inf:
        raise ParameterError(explain(f"{family} prior with upper = {upper:g}", "a positive number"))
    return ONE_TAIL[family](upper, mass)


def from_factor(median: float, factor: float) -> LogNormal:
    """Return the lognormal prior with 95 % between ``median / factor`` and ``median * factor``.

    Raises
    ------
    ParameterError
        If the median is not positive or the factor is not above 1.
    """
    if not (0 < median < math.inf and 1 < factor < math.inf):
        given = f"lognormal prior with median = {median:g}, factor = {factor:g}"
        raise ParameterError(explain(given, "median > 0 and factor > 1"))
    return LogNormal(math.log(median), math.log(factor) / float(scipy.special.ndtri(0.975)))


def _normal(lower: float, upper: float, tail: float) -> Normal:
    return Normal((lower + upper) / 2, (upper - lower) / 2 / float(-scipy.special.ndtri(tail)))


def _lognormal(lower: float, upper: float, tail: float) -> LogNormal:
    if lower == 0:
        raise ParameterError(explain("lognormal prior from lower = 0", "lower > 0"))
    of_log = _normal(math.log(lower), math.log(upper), tail)
    return LogNormal(of_log.mean, of_log.sd)


def _gamma(lower: float, upper: float, tail: float) -> Gamma:
    """The ratio of the quantiles depends on the shape alone, and falls with it."""
    if lower == 0:
        raise ParameterError(explain("gamma prior from lower = 0", "lower > 0"))

    def excess(log_alpha: float) -> float:
        law = scipy.stats.gamma(math.exp(log_alpha))
        return float(np.log(law.isf(tail)) - np.log(law.ppf(tail)) - math.log(upper / lower))

    alpha = math.exp(_root("gamma", excess, -4.0, 16.0))
    return Gamma(alpha, float(scipy.stats.gamma(alpha).isf(tail)) / upper)


def _beta(lower: float, upper: float, tail: float) -> Beta:
    """Two shapes for two quantiles, in logarithms; the start is the normal of the same interval."""
    if lower == 0 or upper == 1:
        raise ParameterError(explain(f"beta prior between {lower:g} and {upper:g}", "0 < lower < upper < 1"))
    like = _normal(lower, upper, tail)
    mean, sd = float(like.mean), float(like.sd)
    size = max(mean * (1 - mean) / sd**2 - 1, 0.5)

    def miss(logs: np.ndarray) -> list[float]:
        law = scipy.stats.beta(*np.exp(logs))
        return [law.logcdf(lower) - math.log(tail), law.logsf(upper) - math.log(tail)]

    found = scipy.optimize.root(miss, np.log([mean * size, (1 - mean) * size]), tol=1e-12)
    alpha, beta = np.exp(found.x)
    return Beta(float(alpha), float(beta))


def _root(family: str, function: Callable[[float], float], low: float, high: float) -> float:
    try:
        return float(scipy.optimize.brentq(function, low, high, xtol=1e-13))
    except ValueError:
        raise ParameterError(
            explain(f"no {family} prior fits this interval", hint="take lognormal, or give the arguments")
        ) from None


def _uniform(lower: float, upper: float, _tail: float) -> Uniform:
    return Uniform(lower, upper)


def _loguniform(lower: float, upper: float, _tail: float) -> LogUniform:
    return LogUniform(lower, upper)


def _half_normal(upper: float, mass: float) -> HalfNormal:
    return HalfNormal(upper / float(scipy.stats.halfnorm.ppf(mass)))


def _exponential(upper: float, mass: float) -> Exponential:
    return Exponential(-math.log1p(-mass) / upper)


TWO_TAILS: dict[str, tuple[Callable[[float, float, float], Prior], float, float]] = {
    "normal": (_normal, -math.inf, math.inf),
    "lognormal": (_lognormal, 0.0, math.inf),
    "gamma": (_gamma, 0.0, math.inf),
    "beta": (_beta, 0.0, 1.0),
    "uniform": (_uniform, -math.inf, math.inf),
    "loguniform": (_loguniform, 0.0, math.inf),
}
ONE_TAIL: dict[str, Callable[[float, float], Prior]] = {
    "halfnormal": _half_normal,
    "exponential": _exponential,
}


def _check_mass(family: str, mass: float, whole: bool) -> None:
    if whole and mass != 1:
        hint = "normal or lognormal have mass outside too"
        raise ParameterError(
            explain(f"{family} prior with mass = {mass:g}", "1: the interval is all of it", hint)
        )
    if not whole and not 0 < mass < 1:
        raise ParameterError(explain(f"{family} prior with mass = {mass:g}", "0 < mass < 1", "0.95 is usual"))


def _refuse_lower(family: str, lower: float) -> NoReturn:
    hint = "give upper and mass alone"
    raise ParameterError(explain(f"{family} prior with lower = {lower:g}", "it starts at zero", hint))


def _verify(prior: Prior, lower: float, upper: float, tail: float) -> None:
    law = prior.frozen(**prior.arguments)
    miss = max(abs(law.cdf(lower) - tail), abs(law.sf(upper) - tail))
    if not miss <= TOLERANCE:
        given = f"no {prior.family} prior has {1 - 2 * tail:g} between {lower:g} and {upper:g}"
        raise ParameterError(explain(given, hint="give its arguments, or take another family"))
