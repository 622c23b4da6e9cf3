"""Is a filter honest? What it said about its errors, against the errors it made.

NIS is the innovation in units of its own covariance, NEES the same of the error of the state; both are
chi-square with as many degrees of freedom as they have entries, if the filter is right.

Sources: Y. Bar-Shalom, X. R. Li, T. Kirubarajan, Estimation with Applications to Tracking and Navigation
(2001), doi:10.1002/0471221279; T. Gneiting, A. E. Raftery, J. Am. Stat. Assoc. 102 (2007) 359-378,
doi:10.1198/016214506000001437 (CRPS).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.special import gammaincinv, ndtr

from mscale_uq.core.parameter import Array
from mscale_uq.errors import InputError, explain
from mscale_uq.filters.records import StepInfo


def nis(info: StepInfo) -> tuple[float, int]:
    """Return v' S^-1 v over the used entries of an innovation, and how many they are."""
    used = info.used
    v, S = info.innovation[used], info.innovation_cov[np.ix_(used, used)]
    return (float(v @ np.linalg.solve(S, v)) if used.any() else 0.0), int(used.sum())


def nees(truth: Array, means: Array, covs: Array) -> Array:
    """Return e' P^-1 e ``(T,)`` of the errors of means ``(T, n)`` with covariances ``(T, n, n)``."""
    error = truth - means
    return np.einsum("ti,ti->t", error, np.linalg.solve(covs, error[..., None])[..., 0])


@final
@dataclass(frozen=True)
class Consistency:
    """A sum of chi-square terms against the law it must have.

    Attributes
    ----------
    total, freedom
        The sum and its degrees of freedom; their ratio is 1 on average.
    lower, upper
        Band of the ratio.
    """

    total: float
    freedom: int
    lower: float
    upper: float

    @property
    def ratio(self) -> float:
        """Sum by degrees of freedom: above 1 the filter is over-confident, below 1 too careful."""
        return self.total / self.freedom if self.freedom else float("nan")

    @property
    def ok(self) -> bool:
        """Whether the ratio lies in the band; nothing speaks against a filter that used nothing."""
        return not self.freedom or self.lower <= self.ratio <= self.upper


def consistency(total: float, freedom: int, mass: float = 0.999) -> Consistency:
    """Return a sum of independent chi-square terms with the band that holds `mass` of its law."""
    if freedom == 0:
        return Consistency(total, 0, 0.0, np.inf)
    lower, upper = chi2_band(freedom, mass)
    return Consistency(total, freedom, lower / freedom, upper / freedom)


def innovation_consistency(infos: Iterable[StepInfo], mass: float = 0.999) -> Consistency:
    """Return the NIS of all steps, added up, with its band."""
    pairs = [nis(info) for info in infos]
    return consistency(sum(value for value, _ in pairs), sum(count for _, count in pairs), mass)


def chi2_band(freedom: int, mass: float = 0.999) -> tuple[float, float]:
    """Return the central interval of the chi-square law that holds `mass`."""
    return chi2_quantile((1 - mass) / 2, freedom), chi2_quantile((1 + mass) / 2, freedom)


def chi2_quantile(mass: float, freedom: int) -> float:
    """Return the number below which a chi-square variable lies with probability `mass`."""
    return 2.0 * float(gammaincinv(freedom / 2, mass))  # scipy.stats takes seconds to import


def standardised(infos: Iterable[StepInfo]) -> list[Array]:
    """Return each step's used innovations as independent standard normal numbers, L^-1 v with S = L L'."""
    white = []
    for info in infos:
        used = info.used
        S = info.innovation_cov[np.ix_(used, used)]
        white.append(np.linalg.solve(np.linalg.cholesky(S), info.innovation[used]))
    return white


def whiteness(series: Array, lags: int = 10) -> Consistency:
    """Return the Ljung-Box statistic of a series ``(T,)`` that should be white, with its 99.9 % bound.

    Only a large value counts against the filter.
    """
    x = np.asarray(series, dtype=float)
    count = x.size
    if count <= lags:
        raise InputError(explain(f"whiteness: {count} values, {lags} lags", "more values than lags"))
    x = x - x.mean()
    shares = np.array([x[lag:] @ x[:-lag] for lag in range(1, lags + 1)]) / (x @ x)
    total = count * (count + 2) * float(np.sum(shares**2 / (count - np.arange(1, lags + 1))))
    return Consistency(total, lags, 0.0, chi2_quantile(0.999, lags) / lags)


def rank_histogram(truth: Array, members: Array, rng: np.random.Generator) -> np.ndarray:
    """Return counts ``(N + 1,)`` of the rank of each truth ``(T,)`` among its members ``(T, N)``.

    Flat if the truth is one more member. Ties are broken at random.
    """
    below = (members < truth[:, None]).sum(axis=1)
    tied = (members == truth[:, None]).sum(axis=1)
    ranks = below + np.floor(rng.random(truth.size) * (tied + 1)).astype(int)
    return np.bincount(ranks, minlength=members.shape[1] + 1)


def flatness(counts: Array) -> Consistency:
    """Return the chi-square statistic of a histogram against a flat one, with its 99.9 % bound."""
    counts = np.asarray(counts, dtype=float)
    expected = counts.sum() / counts.size
    total = float(np.sum((counts - expected) ** 2) / expected)
    freedom = counts.size - 1
    return Consistency(total, freedom, 0.0, chi2_quantile(0.999, freedom) / freedom)


def crps_gaussian(truth: Array, mean: Array, sd: Array) -> Array:
    """Return the continuous ranked probability score of normal forecasts, in the unit of the truth."""
    z = (truth - mean) / sd
    return sd * (z * (2 * ndtr(z) - 1) + (np.sqrt(2) * np.exp(-(z**2) / 2) - 1) / np.sqrt(np.pi))


def crps_ensemble(truth: Array, members: Array) -> Array:
    """Return the score of ensembles ``(T, N)`` against truths ``(T,)``, unbiased in the number of members.

    E|x - y| - E|x - x'| / 2, the second mean over different members.
    """
    count = members.shape[1]
    ordered = np.sort(members, axis=1)
    weights = 2 * np.arange(1, count + 1) - count - 1
    pairs = ordered @ weights / (count * (count - 1))  # half the mean distance of two members
    return np.abs(members - truth[:, None]).mean(axis=1) - pairs


def log_score(truth: Array, mean: Array, cov: Array) -> float:
    """Return minus the log-density of a truth ``(n,)`` under a normal forecast."""
    error = truth - mean
    return 0.5 * float(error @ np.linalg.solve(cov, error) + np.linalg.slogdet(2 * np.pi * cov)[1])


def spread_skill(truth: Array, means: Array, covs: Array) -> tuple[float, float]:
    """Return the root mean square of stated standard deviations and of errors, over times and entries."""
    variances = np.diagonal(covs, axis1=-2, axis2=-1)
    return float(np.sqrt(np.mean(variances))), float(np.sqrt(np.mean((truth - means) ** 2)))


def influence(infos: Sequence[StepInfo], noise: Sequence[Array]) -> Array:
    """Return the trace of H K per step: how many degrees of freedom the readings decided.

    From S = H P H' + R of the used entries: tr(H K) = tr((S - R) S^-1).
    """
    traces = []
    for info, R in zip(infos, noise, strict=True):
        used = np.ix_(info.used, info.used)
        S = info.innovation_cov[used]
        traces.append(len(S) - np.trace(np.linalg.solve(S, R[used])))
    return np.array(traces)
