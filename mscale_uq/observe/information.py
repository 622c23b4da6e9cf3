"""Fisher information: how sharply readings of a given law can tell directions of the unknowns apart.

For a normal law with mean m and covariance S, both depending on the unknowns,

    F_ab = dm_a' S^-1 dm_b + 1/2 tr(S^-1 dS_a S^-1 dS_b)

For a Student-t law with df degrees of freedom and squared scale s, F_ab = (df + 1)/(df + 3) dm_a dm_b / s
+ df/(df + 3) ds_a ds_b / (2 s^2), reading by reading. A lognormal law counts on the logarithm, less what its
detection limit is expected to hide. A law without a formula of its own counts as the normal law of the same
covariance, whose information on the mean is the least that any law of this covariance has. So do followed
individuals: what their scatter tells is not counted. Where a camera saturates, a reading's noise counts as so
much larger that it tells what is left of it below saturation, expected over its light: exact where readings
are independent.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import singledispatch
from typing import Any, final

import numpy as np
from scipy.linalg import solve_triangular

from mscale_uq.core.law import Law
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Values
from mscale_uq.errors import NoGradient
from mscale_uq.observe.correlated import GaussianCorrelated
from mscale_uq.observe.fluorescence import Fluorescence
from mscale_uq.observe.followed import Followed
from mscale_uq.observe.laws import Gaussian, StudentT, look_up
from mscale_uq.observe.lognormal import Lognormal
from mscale_uq.solve.log_phi import left_below

NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(40)
WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
LEAST = 1e-12  # of a reading that is full beyond doubt this is left


@final
@dataclass(frozen=True)
class Sensitivity:
    """A prediction and how it moves along p directions of the unknowns.

    Attributes
    ----------
    prediction, variance
        As laws take them; flattened they are ``(n,)``.
    values
        Named values the law reads.
    d_prediction, d_variance
        ``(n, p)``.
    d_values
        Name read by the law -> ``(size, p)``.
    """

    prediction: Array
    variance: Array
    values: Values
    d_prediction: Array
    d_variance: Array
    d_values: dict[str, Array]

    def spread(self, level: Any) -> Array:
        """Return the derivative ``(n, p)`` or ``(1, p)`` of a noise level; zero if it is known."""
        return self.d_values[level] if isinstance(level, str) else np.zeros((1, self.d_prediction.shape[1]))


@singledispatch
def information(law: Law, at: Sensitivity, seen: np.ndarray) -> Array:
    """Return the Fisher information ``(p, p)`` of the readings that are `seen` ``(n,)``.

    Raises
    ------
    NoGradient
        If the law is not known here and its mean is not the prediction.
    """
    return np.asarray(sum(_normal(slope, cov) for slope, cov in _blocks(law, at, seen)))


@information.register
def _(law: Gaussian, at: Sensitivity, seen: np.ndarray) -> Array:
    return _independent(at.d_prediction[seen], _variance(law, at)[seen], _d_noise(law, at)[seen], 1.0, 1.0)


@information.register
def _(law: StudentT, at: Sensitivity, seen: np.ndarray) -> Array:
    df, total = law.df, _variance(law, at)[seen]
    d_total = 2 * np.reshape(look_up(law.sd, at.values), (-1, 1)) * at.spread(law.sd) + at.d_variance
    return _independent(at.d_prediction[seen], total, d_total[seen], (df + 1) / (df + 3), df / (df + 3))


@information.register
def _(law: Lognormal, at: Sensitivity, seen: np.ndarray) -> Array:
    m, v = np.ravel(at.prediction), np.ravel(at.variance)
    total = law.log_variance(at.prediction, at.variance, at.values).ravel()
    level = np.reshape(look_up(law.relative, at.values), (-1, 1))
    d_log = at.d_prediction / m[:, None]
    d_total = 2 * level * at.spread(law.relative) + at.d_variance / m[:, None] ** 2
    d_total = d_total - 2 * d_log * (v / m**2)[:, None]
    on_median, on_sd, on_both = (weight[seen, None] for weight in law.weights(m, total))
    a, b = d_log[seen] / np.sqrt(total)[seen, None], 0.5 * d_total[seen] / total[seen, None]
    both = (on_both * a).T @ b
    return np.asarray((on_median * a).T @ a + (on_sd * b).T @ b + both + both.T)


@information.register
def _(law: GaussianCorrelated, at: Sensitivity, seen: np.ndarray) -> Array:
    if not seen.any():
        return np.zeros((at.d_prediction.shape[1],) * 2)
    cov = law.cov(at.prediction, at.variance, at.values)[np.ix_(seen, seen)]
    d_noise = _d_noise(law.noise, at)[seen]
    d_cov = np.zeros((d_noise.shape[1], *cov.shape))
    d_cov[:, range(len(cov)), range(len(cov))] = d_noise.T
    for error in law.errors:
        for name, slope in error.cov_slopes(at.values):
            d_cov += at.d_values[name].reshape(-1, 1, 1) * slope[np.ix_(seen, seen)]
    moving = np.any(d_cov != 0, axis=(1, 2))
    inverse = solve_triangular(np.linalg.cholesky(cov), np.eye(len(cov)), lower=True)
    white = np.zeros((len(d_cov), cov.size))
    white[moving] = (inverse @ d_cov[moving] @ inverse.T).reshape(-1, cov.size)
    return _normal(at.d_prediction[seen], cov) + 0.5 * white @ white.T


@singledispatch
def information_of_others(law: Law, at: Sensitivity, seen: np.ndarray) -> Array:
    """Return, for each reading that is `seen`, the Fisher information of the others ``(seen, p, p)``.

    Raises
    ------
    NoGradient
        As `information` does.
    """
    own = [_own(slope, cov) for slope, cov in _blocks(law, at, seen)]
    order = np.argsort(np.concatenate([rows[seen[rows]] for rows in _groups(law, seen)]), kind="stable")
    return information(law, at, seen) - np.concatenate(own)[order]


@information_of_others.register(Gaussian)
@information_of_others.register(StudentT)
@information_of_others.register(Lognormal)
@information_of_others.register(GaussianCorrelated)
def _(law: Law, at: Sensitivity, seen: np.ndarray) -> Array:
    others = np.repeat(seen[None], np.count_nonzero(seen), axis=0)
    others[np.arange(len(others)), np.flatnonzero(seen)] = False
    p = at.d_prediction.shape[1]
    return np.reshape([information(law, at, rest) for rest in others], (-1, p, p))


def squared_distance(law: Law, at: Sensitivity, seen: np.ndarray, miss: Array) -> float:
    """Return r' S^-1 r of an error r ``(n,)``, S the law's covariance (of a Student-t law, its scale).

    Of readings that a camera may be too full for, S is what their information counts.
    """
    if isinstance(law, Gaussian | StudentT):
        return float(np.sum(miss[seen] ** 2 / _variance(law, at)[seen]))
    total = 0.0
    for rows, cov in zip(_groups(law, seen), _covs(law, at, seen), strict=True):
        off = miss[rows[seen[rows]]]
        total += float(off @ np.linalg.solve(cov, off))
    return total


def _variance(law: Gaussian | StudentT, at: Sensitivity) -> Array:
    """Return the variance of independent noise, or the squared scale, ``(n,)``."""
    total = look_up(law.sd, at.values) ** 2 + at.variance
    if isinstance(law, Gaussian):
        total = total + (look_up(law.relative, at.values) * at.prediction) ** 2
    return np.ravel(np.broadcast_to(total, np.shape(at.prediction)))


def _d_noise(law: Gaussian, at: Sensitivity) -> Array:
    """Return the derivative ``(n, p)`` of the variance of independent noise."""
    sd, relative = (np.reshape(look_up(level, at.values), (-1, 1)) for level in (law.sd, law.relative))
    prediction = np.reshape(at.prediction, (-1, 1))
    by_level = 2 * sd * at.spread(law.sd) + 2 * relative * prediction**2 * at.spread(law.relative)
    return by_level + 2 * relative**2 * prediction * at.d_prediction + at.d_variance


def _independent(slope: Array, total: Array, d_total: Array, on_mean: float, on_scale: float) -> Array:
    root, ratio = slope / np.sqrt(total)[:, None], d_total / total[:, None]
    return on_mean * root.T @ root + on_scale * 0.5 * ratio.T @ ratio


def _groups(law: Law, seen: np.ndarray) -> list[np.ndarray]:
    """Return the places of the readings that may hang together, group by group."""
    if isinstance(law, Followed) and not (isinstance(law.noise, Fluorescence) and law.noise.background_sd):
        who = np.array(law.individual)
        return [np.flatnonzero(who == one) for one in np.unique(who)]
    return [np.arange(seen.size)]


def _covs(law: Law, at: Sensitivity, seen: np.ndarray) -> Iterator[Array]:
    """Yield the covariance of the readings of each group that are seen."""
    if isinstance(law, Followed):
        for rows, cov in law.blocks(at.prediction, at.variance, at.values):
            hidden = _hidden(law.noise, at, rows, np.diag(cov))
            yield (cov + np.diag(hidden))[np.ix_(seen[rows], seen[rows])]
    else:
        cov = law.cov(at.prediction, at.variance, at.values)
        hidden = _hidden(law, at, np.arange(seen.size), np.diag(cov))
        yield (cov + np.diag(hidden))[np.ix_(seen, seen)]


def _hidden(law: Law, at: Sensitivity, rows: np.ndarray, total: Array) -> Array:
    """Return by how much saturation makes the noise of some readings larger; `total` is their variance."""
    if not isinstance(law, Fluorescence) or law.saturation is None:
        return np.zeros(rows.size)
    own = np.broadcast_to(law.own(at.prediction, at.variance, at.values), np.shape(at.prediction))
    own, expected = np.ravel(own)[rows, None], np.ravel(at.prediction)[rows, None]
    light = expected + np.sqrt(np.maximum(total[:, None] - own, 0.0)) * NODES
    left = left_below((law.saturation - light) / np.sqrt(own)) @ WEIGHTS
    return np.asarray(own[:, 0] * (1 / np.maximum(left, LEAST) - 1))


def _blocks(law: Law, at: Sensitivity, seen: np.ndarray) -> Iterator[tuple[Array, Array]]:
    """Yield the derivative and the covariance of the readings of each group that are seen."""
    if not np.array_equal(law.mean(at.prediction, at.values), at.prediction):
        raise NoGradient(
            f"no Fisher information of a {type(law).__name__} law: register it in observe/information"
        )
    for rows, cov in zip(_groups(law, seen), _covs(law, at, seen), strict=True):
        yield at.d_prediction[rows[seen[rows]]], cov


def _own(slope: Array, cov: Array) -> Array:
    """Return what each reading tells beyond all others, ``(readings, p, p)``.

    Given the others, reading i has the variance 1 / P_ii and moves by (P slope)_i / P_ii, with P the inverse
    of the covariance.
    """
    inner = solve_triangular(np.linalg.cholesky(cov), np.eye(len(cov)), lower=True)
    pull = inner.T @ (inner @ slope)
    return np.asarray(pull[:, :, None] * pull[:, None, :] / np.sum(inner**2, axis=0)[:, None, None])


def _normal(slope: Array, cov: Array) -> Array:
    white = solve_triangular(np.linalg.cholesky(cov), slope, lower=True)
    return white.T @ white
