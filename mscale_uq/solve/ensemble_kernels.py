"""Compiled passes over an ensemble ``(N, n)``: what NumPy would do in several, each with a copy."""

import numpy as np

from mscale_uq.solve.kernel import kernel


@kernel(error_model="python")
def departures(predicted, datum, noise):
    """Return deviations ``(N + 1, m)`` from the members' mean, and the covariance ``(m, m)`` of the last.

    Rows are the predictions' anomalies Y and, last, the departure of the data; its covariance is
    Y'Y/(N - 1) + noise.
    """
    members, m = predicted.shape
    mean = column_means(predicted)
    deviations = np.empty((members + 1, m))
    for i in range(members):
        for j in range(m):
            deviations[i, j] = predicted[i, j] - mean[j]
    deviations[members] = datum - mean
    anomalies = deviations[:members]
    cov = np.dot(anomalies.T, anomalies)
    for j in range(m):
        for k in range(m):
            cov[j, k] = cov[j, k] / (members - 1) + noise[j, k]
    return deviations, cov


@kernel(error_model="python")
def normal_log_density(factor, white):
    """Return the normal log-density of a vector, given L and L^-1 of it."""
    total = 0.0
    for j in range(white.size):
        total -= 0.5 * white[j] ** 2 + np.log(factor[j, j])
    return total - 0.5 * white.size * np.log(2 * np.pi)


@kernel(error_model="python")
def whitened(factor, deviations):
    """Return W = L^-1 deviations' ``(m, N + 1)``, and the normal log-density of the last column under L L'.

    Row by row over all columns, four earlier rows in one pass: faster than LAPACK for a few dozen rows.
    """
    count, m = deviations.shape
    white = np.empty((m, count))
    log = -0.5 * m * np.log(2 * np.pi)
    for i in range(m):
        row = white[i]
        for j in range(count):
            row[j] = deviations[j, i]
        even = i - i % 4
        for k in range(0, even, 4):
            a, b, c, d = factor[i, k], factor[i, k + 1], factor[i, k + 2], factor[i, k + 3]
            A, B, C, D = white[k], white[k + 1], white[k + 2], white[k + 3]
            for j in range(count):
                row[j] -= a * A[j] + b * B[j] + c * C[j] + d * D[j]
        for k in range(even, i):
            a, A = factor[i, k], white[k]
            for j in range(count):
                row[j] -= a * A[j]
        scale = 1.0 / factor[i, i]
        for j in range(count):
            row[j] *= scale
        log -= 0.5 * row[count - 1] ** 2 - np.log(scale)
    return white, log


@kernel(error_model="python")
def half_gained(white, members):
    """Return members + (d - Y/2)' (Y A) / (N - 1) for W = (Y, d), the columns of `white`, and members A."""
    m, count = white.shape
    anomalies, rows = np.empty((m, count - 1)), np.empty((m, count - 1))
    for i in range(m):
        for j in range(count - 1):
            anomalies[i, j] = white[i, j] / (count - 2)
            rows[i, j] = white[i, count - 1] - 0.5 * white[i, j]
    moved = np.dot(rows.T, np.dot(anomalies, members))
    for i in range(members.shape[0]):
        for j in range(members.shape[1]):
            moved[i, j] += members[i, j]
    return moved


@kernel(error_model="python")
def widen(members, factor):
    """Return the members with their deviations from the mean multiplied by `factor`."""
    mean = column_means(members)
    wide = np.empty_like(members)
    for i in range(members.shape[0]):
        for j in range(members.shape[1]):
            wide[i, j] = mean[j] + factor * (members[i, j] - mean[j])
    return wide


@kernel(error_model="python")
def column_means(members):
    """Return the mean ``(n,)`` over the rows."""
    mean = np.zeros(members.shape[1])
    for i in range(members.shape[0]):
        for j in range(members.shape[1]):
            mean[j] += members[i, j]
    return mean / members.shape[0]
