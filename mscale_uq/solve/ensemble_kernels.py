"""Compiled passes over an ensemble ``(N, n)``: what NumPy would do in several, each with a copy."""

import numpy as np
from numba import njit


@njit(cache=True)
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


@njit(cache=True)
def normal_log_density(factor, white):
    """Return the normal log-density of a vector, given L and L^-1 of it."""
    total = 0.0
    for j in range(white.size):
        total -= 0.5 * white[j] ** 2 + np.log(factor[j, j])
    return total - 0.5 * white.size * np.log(2 * np.pi)


@njit(cache=True)
def widen(members, factor):
    """Return the members with their deviations from the mean multiplied by `factor`."""
    mean = column_means(members)
    wide = np.empty_like(members)
    for i in range(members.shape[0]):
        for j in range(members.shape[1]):
            wide[i, j] = mean[j] + factor * (members[i, j] - mean[j])
    return wide


@njit(cache=True)
def column_means(members):
    """Return the mean ``(n,)`` over the rows."""
    mean = np.zeros(members.shape[1])
    for i in range(members.shape[0]):
        for j in range(members.shape[1]):
            mean[j] += members[i, j]
    return mean / members.shape[0]
