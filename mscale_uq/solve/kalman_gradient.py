"""The log-likelihood of a Kalman filter with its derivatives along p directions, in one compiled pass.

The names are those of `kalman_kernels`; a leading d marks a derivative, with the directions as first axis:
dF ``(p, k, n, n)``, db ``(p, k, n)``, dQ ``(p, k, n, n)``, dH ``(p, l, m, n)``, dr ``(p, l, m)`` and
dd ``(p, l, m)``, of the offset that was subtracted from the readings. The derivatives of mean and covariance
run along with them; each line is the derivative of the line of the filter beside it.
"""

import numpy as np

from mscale_uq.solve.kalman_kernels import LOG_2PI, apply, product, product_transposed, shrink, weigh
from mscale_uq.solve.kernel import kernel
from mscale_uq.solve.lost_digits import WIDE, is_blurred


@kernel
def filter_gradient(mean, cov, d_mean, d_cov, model, d_model, move, look, y, logs, d_logs):
    """Fill logs ``(T,)`` and d_logs ``(T, p)``; returns as `kalman_kernels.filter_small`.

    `model` is (F, b, Q, H, r), `d_model` (dF, db, dQ, dH, dr, dd); moments and their derivatives ``(p, n)``,
    ``(p, n, n)`` are those at the start, and are overwritten.
    """
    F, b, Q, H, r = model
    dF, db, dQ, dH, dr, dd = d_model
    n, count = mean.size, len(d_mean)
    work = np.empty((n, n)), np.empty((n, n)), np.empty((n, n)), np.empty(n)
    vectors = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    for t in range(y.shape[0]):
        s, o = move[t], look[t]
        if s >= 0:
            product(F[s], cov, work[0])
            for p in range(count):
                d_predict(mean, d_mean[p], d_cov[p], F[s], dF[p, s], db[p, s], dQ[p, s], work)
            predict(mean, cov, F[s], b[s], Q[s], work)
        logs[t] = 0.0
        for a in range(y.shape[1]):
            if np.isnan(y[t, a]):
                continue
            h, row, gain = H[o, a], vectors[0], vectors[1]
            variance = weigh(n, cov, h, r[o, a], row, gain)
            if not variance > 0.0:
                return t
            error = y[t, a] - inner(h, mean)
            for p in range(count):
                slopes = dH[p, o, a], dr[p, o, a], dd[p, o, a]
                d_logs[t, p] += d_update(mean, cov, d_mean[p], d_cov[p], h, slopes, error, variance, vectors)
            for i in range(n):
                mean[i] += gain[i] * error
            shrink(n, cov, h, r[o, a], row, gain, work[0])
            if variance > WIDE * r[o, a] and is_blurred(n, cov, h, r[o, a], r[o, a] / variance):
                logs[t] = np.inf
                return t
            logs[t] -= 0.5 * (LOG_2PI + np.log(variance) + error**2 / variance)
    return y.shape[0]


@kernel
def predict(mean, cov, F, b, Q, work):
    """F m + b and F P F' + Q, in place; F P is in the first of `work`."""
    FP, full, _, moved = work
    apply(F, mean, moved)
    product_transposed(FP, F, full)
    for i in range(mean.size):
        mean[i] = moved[i] + b[i]
        for j in range(mean.size):
            cov[i, j] = full[i, j] + Q[i, j]


@kernel
def d_predict(mean, d_mean, d_cov, F, dF, db, dQ, work):
    """Move the derivatives in place: dF m + F dm + db and dF P F' + F P dF' + F dP F' + dQ."""
    FP, half, full, moved = work
    apply(F, d_mean, moved)
    product(F, d_cov, half)
    product_transposed(half, F, full)
    product_transposed(dF, FP, half)  # dF (F P)', whose transpose is the other term
    for i in range(mean.size):
        d_mean[i] = moved[i] + db[i]
        for j in range(mean.size):
            d_mean[i] += dF[i, j] * mean[j]
            d_cov[i, j] = full[i, j] + half[i, j] + half[j, i] + dQ[i, j]


@kernel
def d_update(mean, cov, d_mean, d_cov, h, slopes, error, variance, vectors):
    """Condition the derivatives on one reading, in place; return that of its log-density."""
    (row, gain, d_row, d_gain), (dh, dr, dd) = vectors, slopes
    n, d_variance, d_error = mean.size, dr, -dd
    for i in range(n):
        d_row[i] = 0.0
        for j in range(n):
            d_row[i] += d_cov[i, j] * h[j] + cov[i, j] * dh[j]
        d_variance += dh[i] * row[i] + h[i] * d_row[i]
        d_error -= dh[i] * mean[i] + h[i] * d_mean[i]
    for i in range(n):
        d_gain[i] = (d_row[i] - gain[i] * d_variance) / variance
        d_mean[i] += d_gain[i] * error + gain[i] * d_error
        for j in range(n):
            d_cov[i, j] -= d_gain[i] * row[j] + gain[i] * d_row[j]
    return -(0.5 * d_variance + error * d_error - 0.5 * error**2 * d_variance / variance) / variance


@kernel(error_model="python")
def inner(a, b):
    """Return a . b."""
    total = 0.0
    for i in range(a.size):
        total += a[i] * b[i]
    return total
