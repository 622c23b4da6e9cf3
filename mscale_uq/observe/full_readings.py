"""Readings of followed individuals at saturation: the probability that all lie there, given the others.

A camera that is full says that the light is at least as strong. What it leaves open hangs together with all
other readings: full ones of one individual are one event, whose probability given the readings below
saturation is that of normal numbers above limits (`solve.orthant`), with the covariance of the readings.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import logsumexp

from mscale_uq.core.parameter import Array
from mscale_uq.observe.common_error import Passed
from mscale_uq.observe.path_covariance import PathCovariance
from mscale_uq.solve.log_phi import LOG_2PI, log_phi
from mscale_uq.solve.orthant import above, log_orthant


class Given(NamedTuple):
    """Full readings given the known ones, of readings that hang together.

    With covariance S of all, A = S_kk^-1 S_kf, pull = S_kk^-1 e_k, the mean S_fk pull, and the covariance.
    """

    A: Array
    pull: Array
    mean: Array
    cov: Array


def beyond(
    known: Passed,
    error: Array,
    full: np.ndarray,
    groups: Iterable[tuple[np.ndarray, Array]],
    paths: PathCovariance,
    places: tuple[np.ndarray, np.ndarray],
) -> Passed:
    """Return what is known of the readings below saturation, and of those at it.

    Parameters
    ----------
    known
        Of the readings below saturation alone.
    error
        ``(rows,)`` reading minus expectation, of a full one saturation minus expectation; NaN if missing.
    full
        ``(rows,)`` which readings are at saturation.
    groups
        The places ``(r,)`` and the covariance ``(r, r)`` of readings that hang together.
    paths
        How those of one individual do without their noise.
    places
        For each reading its individual and its time.

    Raises
    ------
    numpy.linalg.LinAlgError
        If round-off leaves nothing of the noise, so that a covariance is not positive definite.
    """
    logs, to_error, to_own = (np.array(part) for part in (known.logs, known.error, known.own))
    (who, when), bar = places, np.zeros_like(paths.between)
    for rows, S in groups:
        f, k = full[rows], ~np.isnan(error[rows]) & ~full[rows]
        if not f.any():
            continue
        given = _given(S, error[rows], f, k)
        density, to_limit, to_cov = log_orthant(error[rows][f] - given.mean, given.cov)
        logs[rows[f][-1]] += density
        to_error[rows[f]] += to_limit
        to_error[rows[k]] -= given.A @ to_limit
        to_S = _to_covariance(given, to_limit, to_cov, f, k)
        to_own[rows] += np.diag(to_S)
        for one in np.unique(who[rows]):
            own = np.flatnonzero(who[rows] == one)
            times = when[rows[own]]  # no two are the same
            bar[np.ix_(times, times)] += to_S[np.ix_(own, own)]
    back = zip(known.path, paths.back(bar), strict=True)
    return Passed(logs, known.precision, to_error, to_own, type(known.path)(*(a + b for a, b in back)))


def each_given_others(
    error: Array, full: np.ndarray, groups: Iterable[tuple[np.ndarray, Array]]
) -> Iterator[tuple[np.ndarray, Array]]:
    """Yield, of groups with full readings, the places of all that are there, and their log-densities.

    Each reading's is given all others of its group, full ones as the bounds that they are. With z the full
    readings, drawn given all the data, 1/p(y | others) is the mean of 1/p(y | other known ones, z), and the
    same holds for the probability of a full one given z of the others. Raises as `beyond`.
    """
    for rows, S in groups:
        f, there = full[rows], ~np.isnan(error[rows])
        if not f.any():
            continue
        given = _given(S, error[rows], f, there & ~f)
        z, weights = above(error[rows][f] - given.mean, given.cov)
        limit, is_full = error[rows][there, None], f[there]
        e = np.repeat(limit, len(weights), axis=1)
        e[is_full] = given.mean[:, None] + z
        inverse = solve_triangular(np.linalg.cholesky(S[np.ix_(there, there)]), np.eye(len(e)), lower=True)
        P = inverse.T @ inverse
        root = np.sqrt(np.diag(P))[:, None]
        off = P @ e / root**2  # from what the others let expect
        known = np.log(root) - 0.5 * (LOG_2PI + (root * off) ** 2)
        logs = np.where(is_full[:, None], log_phi((e - off - limit) * root)[0], known)
        yield rows[there], -logsumexp(weights - logs, axis=1)


def _given(S: Array, error: Array, f: np.ndarray, k: np.ndarray) -> Given:
    between, known = S[np.ix_(k, f)], S[np.ix_(k, k)]
    solved = np.linalg.solve(known, np.column_stack([between, error[k]]))
    A, pull = solved[:, :-1], solved[:, -1]
    cov = S[np.ix_(f, f)] - between.T @ A
    return Given(A, pull, between.T @ pull, (cov + cov.T) / 2)


def _to_covariance(given: Given, to_limit: Array, to_cov: Array, f: np.ndarray, k: np.ndarray) -> Array:
    """Return the derivatives to all entries of S: cov = J S J' and mean = J S (pull, 0) move by J dS .."""
    J, pull = np.zeros((int(f.sum()), f.size)), np.zeros(f.size)
    J[:, k], J[:, f], pull[k] = -given.A.T, np.eye(len(J)), given.pull
    toward = np.outer(J.T @ to_limit, pull)
    return np.asarray(J.T @ to_cov @ J - (toward + toward.T) / 2)
