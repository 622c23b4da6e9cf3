"""Nodes for an integral over a few unknowns: points of a normal law, and the normal law of weighted points.

The points are those of a scrambled Sobol sequence, which fill a law more evenly than independent draws. Where
few points carry all the weight, their covariance says nothing; the weights are first brought nearer to each
other, w^b with b < 1, until enough of them count.

Source: A. B. Owen, J. Complexity 14 (1998) 466-489, doi:10.1006/jcom.1998.0487 (scrambled nets).
"""

import numpy as np
import scipy
from scipy.special import ndtri, softmax

from mscale_uq.core.parameter import Array

WIDER = 1.25  # of the law that nodes are drawn from, so that no node in a tail has a large weight


def drawn(mean: Array, root: Array, count: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return points ``(count, k)`` of a normal law of covariance root root', and their log-density."""
    k = len(mean)
    uniform = scipy.stats.qmc.Sobol(k, rng=rng).random(count)
    z = ndtri(np.clip(uniform, 1e-12, 1 - 1e-12))
    density = -0.5 * (z**2).sum(axis=1) - np.log(np.abs(np.diag(root))).sum() - k / 2 * np.log(2 * np.pi)
    return mean + z @ root.T, density


def fitted(points: Array, log_mass: Array, enough: float) -> tuple[Array, Array]:
    """Return mean ``(k,)`` and a root ``(k, k)`` of the covariance of weighted points, a little widened.

    The weights are those of w^b with the largest b <= 1 for which `enough` points of equal weight count.
    """
    weights = _tempered(log_mass, enough)
    mean = weights @ points
    left = points - mean
    cov = (left * weights[:, None]).T @ left
    return np.asarray(mean), np.asarray(WIDER * np.linalg.cholesky(cov))


def _tempered(log_mass: Array, enough: float) -> Array:
    low, high, above = 0.0, 1.0, log_mass - log_mass.max()
    weights = np.asarray(softmax(above))
    if 1 / (weights**2).sum() >= enough:
        return weights
    for _ in range(50):
        middle = (low + high) / 2
        weights = softmax(middle * above)
        low, high = (middle, high) if 1 / (weights**2).sum() >= enough else (low, middle)
    return np.asarray(softmax(low * above))
