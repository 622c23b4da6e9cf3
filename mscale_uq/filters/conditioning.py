"""Conditioning a normal law on an affine reading, and what keeps its covariance one."""

from typing import NamedTuple

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotrs

from mscale_uq.core.parameter import Array
from mscale_uq.errors import CovarianceError
from mscale_uq.filters.innovation import whiten
from mscale_uq.solve.lost_digits import BLUR, WIDE

LOG_2PI = float(np.log(2 * np.pi))
ROUND_OFF = 1e-10  # a covariance may miss positivity by this part of each variance

BLURRED = "digits lost: the forecast is too wide for this noise; narrow the start, or use SquareRootKalman"


class Affine(NamedTuple):
    """Readings as A x + b + noise: ``(m, n)``, ``(m,)``, covariance ``(m, m)``."""

    A: Array
    b: Array
    noise: Array


def condition(
    mean: Array, cov: Array, affine: Affine, datum: Array, time: float
) -> tuple[Array, Array, float]:
    """Return mean and covariance given readings of an affine instrument, and their log-density.

    Entries of the datum that are NaN are left out. Joseph's form; with more readings than states and
    positive noise, the same in the coordinates of the state, where the matrices are smaller.
    """
    seen = ~np.isnan(datum)
    A, noise = affine.A[seen], affine.noise[np.ix_(seen, seen)]
    error = datum[seen] - affine.b[seen] - A @ mean
    if len(error) > len(mean):
        R, singular = dpotrf(noise, lower=1)
        if not singular:
            return condition_many(mean, cov, A, R, error, time)
    return condition_few(mean, cov, A, noise, error, time)


def condition_few(
    mean: Array, cov: Array, A: Array, noise: Array, error: Array, time: float
) -> tuple[Array, Array, float]:
    """Joseph's form: (I - K A) P (I - K A)' + K R K'."""
    if not len(error):
        return mean, cov, 0.0
    reach = A @ cov
    L = factored(reach @ A.T + noise, time)
    K = dpotrs(L, reach, lower=1)[0].T
    rest = np.eye(len(mean)) - K @ A
    density = -0.5 * float(error @ dpotrs(L, error, lower=1)[0]) - float(np.log(np.diag(L)).sum())
    density -= 0.5 * len(error) * LOG_2PI
    return mean + K @ error, rest @ cov @ rest.T + K @ noise @ K.T, density


def condition_many(
    mean: Array, cov: Array, A: Array, R: Array, error: Array, time: float
) -> tuple[Array, Array, float]:
    """P+ = L (I + J)^-1 L' with P = L L', J = L'A'(R R')^-1 A L and noise R R'; |S| = |R R'| |I + J|."""
    L = root(cov, time)
    seen, white = whiten(R, A @ L), whiten(R, error)
    inner = np.asarray(np.linalg.cholesky(np.eye(len(mean)) + seen.T @ seen))
    pull, half = whiten(inner, seen.T @ white), whiten(inner, L.T)
    density = -0.5 * (white @ white - pull @ pull) - np.log(np.diag(R)).sum()
    density -= np.log(np.diag(inner)).sum() + 0.5 * len(error) * LOG_2PI
    return mean + half.T @ pull, half.T @ half, float(density)


def blur(A: Array, noise: Array, spread: Array, cov: Array, seen: np.ndarray) -> str:
    """Return a note if the posterior covariance has lost the digits that matter, else nothing.

    `spread` S is the covariance of readings A x + noise R before the update; A P+ A' must be R - R S^-1 R. A
    forecast that is very wide against the noise R leaves less of it than its own entries' round-off, in
    whatever form the update is written; a square root holds twice the digits.
    """
    R, S = noise[np.ix_(seen, seen)], spread[np.ix_(seen, seen)]
    own = np.diag(R)
    if not np.any(np.diag(S) / WIDE > own) or not np.all(own > 0):
        return ""
    left = np.einsum("ij,jk,ik->i", A[seen], cov, A[seen])
    wrong = np.abs(left - np.diag(R - R @ np.linalg.solve(S, R))) / own
    return BLURRED if wrong.max(initial=0.0) > BLUR else ""


def stopped(mark: Array, time: float) -> CovarianceError:
    """Return why a compiled filter ended at a time: an infinite mark means lost digits."""
    if np.isposinf(mark).any():
        return CovarianceError("covariance", {"time": time}, BLURRED)
    return CovarianceError("covariance of the readings", {"time": time}, "is not positive")


def factored(S: Array, time: float) -> Array:
    """Return the lower Cholesky factor of the covariance of readings.

    Raises
    ------
    CovarianceError
        If it is not positive definite.
    """
    L, failed = dpotrf(S, lower=1)
    if failed:
        reason = "is not positive: two exact readings of one thing?"
        raise CovarianceError("covariance of the readings", {"time": time}, reason)
    return np.asarray(L)


def positive(cov: Array, time: float, before: Array | None = None) -> Array:
    """Return the covariance, exactly symmetric.

    Each state is judged by its own variance, or by that `before` the step if this was larger: round-off in
    one of them says nothing about another, which may have another unit.

    Raises
    ------
    CovarianceError
        If it has a negative eigenvalue beyond round-off, or is not finite.
    """
    symmetric = 0.5 * (cov + cov.T)
    if not np.isfinite(symmetric).all():
        raise CovarianceError("covariance", {"time": time}, "is not finite")
    scale = np.diag(symmetric if before is None else np.maximum(symmetric, before)).copy()
    scale[~(scale > 0)] = 1.0
    sd = np.sqrt(scale)
    correlation = symmetric / sd / sd[:, None]
    correlation.flat[:: len(cov) + 1] += ROUND_OFF
    try:
        np.linalg.cholesky(correlation)
    except np.linalg.LinAlgError as error:
        raise CovarianceError("covariance", {"time": time}, complaint(symmetric)) from error
    return symmetric


def complaint(cov: Array) -> str:
    """Return what is wrong with a matrix that is no covariance."""
    at = int(np.argmin(np.diag(cov)))
    worst = f": entry {at} has the variance {cov[at, at]:.3g}" if cov[at, at] < 0 else ""
    return f"is not positive{worst}"


def root(cov: Array, time: float) -> Array:
    """Return L with L L' = cov: lower triangular if cov is positive definite, symmetric otherwise."""
    try:
        return np.asarray(np.linalg.cholesky(cov))
    except np.linalg.LinAlgError:
        size, vectors = np.linalg.eigh(positive(cov, time))
        return np.asarray((vectors * np.sqrt(np.maximum(size, 0.0))) @ vectors.T)
