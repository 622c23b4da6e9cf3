"""Draws from normal laws whose covariance may be singular."""

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.errors import CovarianceError

ROUND_OFF = 1e-10  # a negative eigenvalue this small, against the largest, is round-off


def normal_draws(cov: Array, members: int, rng: np.random.Generator) -> Array:
    """Return ``(members, n)`` draws of N(0, cov).

    Raises
    ------
    CovarianceError
        If the covariance has a negative eigenvalue beyond round-off, or is not finite.
    """
    return rng.standard_normal((members, len(cov))) @ root(cov).T


def root(cov: Array) -> Array:
    """Return a square root of a covariance: diagonal if it is, else symmetric; raises `CovarianceError`."""
    diagonal = np.diag(cov)
    if np.count_nonzero(cov) == np.count_nonzero(diagonal):
        values, Q = diagonal, None
    else:
        values, Q = np.linalg.eigh(cov)
    if not np.all(np.isfinite(values)) or values.min(initial=0.0) < -ROUND_OFF * values.max(initial=0.0):
        raise CovarianceError("draws", {}, f"the covariance has the eigenvalue {values.min():.3g}")
    roots = np.sqrt(np.maximum(values, 0.0))
    return np.diag(roots) if Q is None else (Q * roots) @ Q.T
