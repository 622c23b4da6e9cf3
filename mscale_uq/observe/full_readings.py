"""Readings of followed individuals at saturation: the probability that all lie there, given the others.

A camera that is full says that the light is at least as strong. What it leaves open hangs together with all
other readings: full ones of one individual are one event, whose probability given the readings below
saturation is that of normal numbers above limits (`solve.orthant`), with the covariance of the readings.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from scipy.special import log_ndtr

from mscale_uq.core.parameter import Array
from mscale_uq.observe.common_error import Passed
from mscale_uq.observe.path_covariance import PathCovariance
from mscale_uq.solve.orthant import log_orthant


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


def each_beyond(error: Array, full: np.ndarray, groups: Iterable[tuple[np.ndarray, Array]]) -> Array:
    """Return the log-probability ``(rows,)`` of each full reading given the known ones; 0 for others.

    Raises as `beyond`.
    """
    logs = np.zeros(error.shape)
    for rows, S in groups:
        f, k = full[rows], ~np.isnan(error[rows]) & ~full[rows]
        if f.any():
            given = _given(S, error[rows], f, k)
            L = np.linalg.cholesky(given.cov)  # whose rows have each one's standard deviation as length
            logs[rows[f]] = log_ndtr((given.mean - error[rows][f]) / np.linalg.norm(L, axis=1))
    return logs


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
