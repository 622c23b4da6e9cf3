"""The probability that normal numbers all lie above their limits, with its exact derivatives.

    P(z_1 >= h_1, .., z_k >= h_k),   z ~ N(0, C)

Each number is drawn, given those before it, from its own law cut off at its limit; the mean over draws of the
product of what is left of each law is the probability (Genz's transformation to the unit cube). The draws are
points of a rank-one lattice, folded, the same at every call: the result is a smooth function of h and C, and
the derivatives are those of that function. For one number nothing is drawn, and it is exact.

Source: A. Genz, Numerical computation of multivariate normal probabilities, J. Comput. Graph. Stat. 1 (1992)
141-149, doi:10.1080/10618600.1992.10477010.
"""

from functools import cache

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import log_ndtr, logsumexp, ndtri_exp

POINTS = 1021
LOG_ROOT_2PI = 0.5 * float(np.log(2 * np.pi))


def log_orthant(h: np.ndarray, C: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Return the logarithm of the probability, and its derivatives to h ``(k,)`` and to C ``(k, k)``.

    Parameters
    ----------
    h
        ``(k,)`` limits, of any unit.
    C
        ``(k, k)`` covariance in its square, positive definite.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the covariance is not positive definite.
    """
    L, k = np.linalg.cholesky(C), len(h)
    log_u = _points(k - 1)
    a, y, logs = _cut_off(h, L, log_u)
    of_draw = logs.sum(axis=0)
    total = float(logsumexp(of_draw))
    to_a = -np.exp(of_draw - total - 0.5 * a**2 - LOG_ROOT_2PI - logs)
    to_h, to_L = _back(L, a, y, log_u, to_a)
    return total - float(np.log(log_u.shape[1])), to_h, _to_square(L, to_L)


def above(h: np.ndarray, C: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return draws ``(k, draws)`` of the numbers given that all lie above their limits, with log-weights.

    Arguments and errors as in `log_orthant`; the mean of a function of the numbers is that over the draws
    with weights that add up to one.
    """
    L = np.linalg.cholesky(C)
    _, y, logs = _cut_off(h, L, _points(len(h)))
    weights = logs.sum(axis=0)
    return L @ y, weights - float(logsumexp(weights))


def _cut_off(h: np.ndarray, L: np.ndarray, log_u: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return limits, draws and the logarithm of what is left above, ``(k, draws)``, each given those before.

    In units of what L has on its diagonal; the last one is not drawn if there are no points for it.
    """
    a, y, logs = np.zeros((3, len(h), log_u.shape[1]))
    for i in range(len(h)):
        a[i] = (h[i] - L[i, :i] @ y[:i]) / L[i, i]
        logs[i] = log_ndtr(-a[i])
        if i < len(log_u):
            y[i] = -ndtri_exp(log_u[i] + logs[i])
    return a, y, logs


def _back(
    L: np.ndarray, a: np.ndarray, y: np.ndarray, log_u: np.ndarray, to_a: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the derivatives to h and to the factor L, from the last number to the first."""
    to_h, to_L, to_y = np.zeros(len(L)), np.zeros_like(L), np.zeros_like(y)
    for i in range(len(L) - 1, -1, -1):
        if i < len(L) - 1:
            to_a[i] += to_y[i] * np.exp(log_u[i] + 0.5 * (y[i] ** 2 - a[i] ** 2))
        pull = to_a[i] / L[i, i]
        to_h[i] = pull.sum()
        to_L[i, :i] = -y[:i] @ pull
        to_L[i, i] = -a[i] @ pull
        to_y[:i] -= L[i, :i, None] * pull
    return to_h, to_L


def _to_square(L: np.ndarray, to_L: np.ndarray) -> np.ndarray:
    """Return the derivative to L L' from that to L."""
    half = np.tril(L.T @ to_L)
    half[np.diag_indices(len(L))] /= 2
    left = solve_triangular(L, half, lower=True, trans="T")
    both = solve_triangular(L, left.T, lower=True, trans="T").T
    return np.asarray(0.5 * (both + both.T))


@cache
def _points(dimensions: int) -> np.ndarray:
    """Return logarithms of the lattice's points ``(dimensions, points)``, a single one without dimensions."""
    if dimensions == 0:
        return np.zeros((0, 1))
    steps = np.sqrt(_primes(dimensions))
    inside = (np.arange(1, POINTS + 1) * steps[:, None]) % 1.0
    return np.asarray(np.log(np.abs(2 * inside - 1)))


def _primes(count: int) -> np.ndarray:
    found: list[int] = []
    number = 2
    while len(found) < count:
        if all(number % prime for prime in found):
            found.append(number)
        number += 1
    return np.array(found, dtype=float)
