"""Many series that share a model and the pattern of what is missing: one covariance, one gain for all.

The names are those of `kalman_kernels`; the members of the bank are the last axis, so that each line of the
filter runs along all of them at once.
"""

import numpy as np

from mscale_uq.solve.kalman_kernels import LOG_2PI, predict_cov, shrink, weigh
from mscale_uq.solve.kernel import kernel
from mscale_uq.solve.lost_digits import WIDE, is_blurred


@kernel
def gain_series(cov, F, Q, move, H, r, look, seen, gains, variances, covs):
    """Run the covariance alone: gains ``(T, m, n)``, innovation variances ``(T, m)``, covs ``(T, n, n)``.

    `seen` ``(T, m)`` says which slots hold a reading. Returns the number of times it got through, as
    `kalman_kernels.filter_small`; an infinite variance there marks lost digits.
    """
    n = len(cov)
    half, row, gain = np.empty((n, n)), np.empty(n), np.empty(n)
    for t in range(seen.shape[0]):
        if move[t] >= 0:
            predict_cov(n, cov, F[move[t]], Q[move[t]], half)
        for a in range(seen.shape[1]):
            if seen[t, a]:
                h, noise = H[look[t], a], r[look[t], a]
                variances[t, a] = weigh(n, cov, h, noise, row, gain)
                if not variances[t, a] > 0.0:
                    return t
                gains[t, a] = gain
                shrink(n, cov, h, noise, row, gain, half)
                wide = variances[t, a] > WIDE * noise
                if wide and is_blurred(n, cov, h, noise, noise / variances[t, a]):
                    variances[t, a] = np.inf
                    return t
        covs[t] = cov
    return seen.shape[0]


@kernel
def mean_series(mean, F, b, move, H, look, seen, gains, variances, y, logs, means):
    """Run the means of all members ``(n, members)`` in place, given the gains.

    `y` is ``(T, m, members)``; fills logs ``(members,)`` with each member's log-density and, unless None,
    means ``(T, n, members)``.
    """
    n, members = mean.shape
    moved, error = np.empty((n, members)), np.empty(members)
    constant = 0.0
    for t in range(y.shape[0]):
        if move[t] >= 0:
            carry(mean, F[move[t]], b[move[t]], moved)
        for a in range(y.shape[1]):
            if seen[t, a]:
                correct(mean, H[look[t], a], gains[t, a], variances[t, a], y[t, a], error, logs)
                constant += LOG_2PI + np.log(variances[t, a])
        if means is not None:
            means[t] = mean
    for c in range(members):
        logs[c] -= 0.5 * constant


@kernel
def carry(mean, F, b, moved):
    """F m + b for all members, in place."""
    n, members = mean.shape
    for i in range(n):
        for c in range(members):
            moved[i, c] = b[i]
        for j in range(n):
            for c in range(members):
                moved[i, c] += F[i, j] * mean[j, c]
    for i in range(n):
        for c in range(members):
            mean[i, c] = moved[i, c]


@kernel
def correct(mean, h, gain, variance, y, error, logs):
    """Take in one reading of all members, in place."""
    n, members = mean.shape
    for c in range(members):
        error[c] = y[c]
    for j in range(n):
        for c in range(members):
            error[c] -= h[j] * mean[j, c]
    for c in range(members):
        logs[c] -= 0.5 * error[c] * error[c] / variance
    for i in range(n):
        for c in range(members):
            mean[i, c] += gain[i] * error[c]
