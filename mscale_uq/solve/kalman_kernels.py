"""Compiled loops of the Kalman filter for a whole series of readings with independent errors.

A series of T times, n states and m reading slots is

* F ``(k, n, n)``, b ``(k, n)``, Q ``(k, n, n)``: the different moves; `move` ``(T,)`` says which one leads to
  each time, -1 for none;
* H ``(l, m, n)``, r ``(l, m)``: the different instruments, reading = H x + noise of variance r; `look`
  ``(T,)`` says which one is used;
* y ``(T, m)``: the readings, NaN where a slot is empty.

Up to `SMALL` states the readings of one time are taken one after another, without a matrix to factor; the
loops are written out, allocate nothing, and are compiled for each number of states (the length of the tuple
`axes` tells the compiler). Above, all readings of one time go to BLAS together. `SMALL` is the largest number
of states for which the loops were found faster: with half as many readings as states they take 0.1, 0.6 and
0.8 of BLAS's time for 4, 10 and 12 states, and 1.2 and 1.8 of it for 14 and 16.

The update by one reading h is Joseph's form (I - k h') P (I - k h')' + k r k', summed as L + (k r - L h) k'
with L = P - k h'P: the same for every k, as precise when r is tiny, and half the work.

A series ends where a very wide forecast costs the digits that matter (`lost_digits`).
"""

import numpy as np

from mscale_uq.solve.kernel import kernel
from mscale_uq.solve.lost_digits import WIDE, any_blurred, is_blurred

SMALL = 12
LOG_2PI = np.log(2 * np.pi)
INLINE = {"inline": "always"}


@kernel
def filter_small(axes, mean, cov, F, b, Q, move, H, r, look, y, kept, logs):
    """Filter a series in place, `mean` and `cov` being the initial moments; fill logs ``(T,)``.

    `kept` is None, or arrays for the predicted and the filtered mean and covariance, ``(T, n)`` and
    ``(T, n, n)`` twice. Returns the number of times it got through: T, or the index of the first whose
    innovation variance is not positive, or whose covariance lost the digits that matter.
    """
    n, work = len(axes), (np.empty_like(cov), np.empty_like(mean), np.empty_like(mean))
    for t in range(y.shape[0]):
        if move[t] >= 0:
            predict_mean(n, mean, F[move[t]], b[move[t]], work[1])
            predict_cov(n, cov, F[move[t]], Q[move[t]], work[0])
        if kept is not None:
            kept[0][t], kept[1][t] = mean, cov
        logs[t] = update_small(n, mean, cov, H[look[t]], r[look[t]], y[t], work)
        if not np.isfinite(logs[t]):
            return t
        if kept is not None:
            kept[2][t], kept[3][t] = mean, cov
    return y.shape[0]


@kernel(**INLINE)
def update_small(n, mean, cov, H, r, y, work):
    """Condition in place on the readings there are; return their log-density, NaN if not positive.

    Infinite if digits were lost.
    """
    left, row, gain = work
    density, squares, volume = 0.0, 0.0, 1.0
    for a in range(y.size):
        if np.isnan(y[a]):
            continue
        variance = weigh(n, cov, H[a], r[a], row, gain)
        volume *= variance if variance > 0.0 else np.nan
        error = y[a]
        for i in range(n):
            error -= H[a, i] * mean[i]
        for i in range(n):
            mean[i] += gain[i] * error
        shrink(n, cov, H[a], r[a], row, gain, left)
        if variance > WIDE * r[a] and is_blurred(n, cov, H[a], r[a], r[a] / variance):
            return np.inf
        squares += error * error / variance
        density -= 0.5 * LOG_2PI
        if volume < 1e-100 or volume > 1e100:  # one logarithm for all readings, unless it would overflow
            density -= 0.5 * np.log(volume)
            volume = 1.0
    return density - 0.5 * (squares + np.log(volume))


@kernel(**INLINE)
def predict_mean(n, mean, F, b, moved):
    """F m + b, in place."""
    for i in range(n):
        moved[i] = b[i]
        for j in range(n):
            moved[i] += F[i, j] * mean[j]
    for i in range(n):
        mean[i] = moved[i]


@kernel(**INLINE)
def predict_cov(n, cov, F, Q, half):
    """F P F' + Q, in place and exactly symmetric."""
    for i in range(n):
        for j in range(n):
            half[i, j] = F[i, 0] * cov[0, j]
        for k in range(1, n):
            for j in range(n):
                half[i, j] += F[i, k] * cov[k, j]
    for i in range(n):
        for j in range(i + 1):
            total = Q[i, j]
            for k in range(n):
                total += half[i, k] * F[j, k]
            cov[i, j] = cov[j, i] = total


@kernel(**INLINE)
def weigh(n, cov, h, r, row, gain):
    """Fill row = P h and gain = P h / s; return s = h'P h + r."""
    variance = r
    for i in range(n):
        total = 0.0
        for j in range(n):
            total += cov[i, j] * h[j]
        row[i] = total
        variance += total * h[i]
    for i in range(n):
        gain[i] = row[i] / variance
    return variance


@kernel(**INLINE)
def shrink(n, cov, h, r, row, gain, left):
    """Joseph's update of P in place, exactly symmetric."""
    for i in range(n):
        correction = gain[i] * r
        for j in range(n):
            left[i, j] = cov[i, j] - gain[i] * row[j]
            correction -= left[i, j] * h[j]
        for j in range(i + 1):
            cov[i, j] = cov[j, i] = left[i, j] + correction * gain[j]


@kernel
def filter_large(mean, cov, F, b, Q, move, H, r, look, y, kept, logs):
    """Do the same as `filter_small` by BLAS: P - W'W with W = L^-1 H P and L L' = H P H' + R."""
    n, m = mean.size, y.shape[1]
    work = np.empty((n, n)), np.empty((n, n)), np.empty(n)
    inner = np.empty((m, n)), np.empty((m, n)), np.empty((m, m)), np.empty(m), np.empty(m, np.int64)
    for t in range(y.shape[0]):
        if move[t] >= 0:
            predict_large(mean, cov, F[move[t]], b[move[t]], Q[move[t]], work)
        if kept is not None:
            kept[0][t], kept[1][t] = mean, cov
        logs[t] = update_large(mean, cov, H[look[t]], r[look[t]], y[t], work, inner)
        if not np.isfinite(logs[t]):
            return t
        if kept is not None:
            kept[2][t], kept[3][t] = mean, cov
    return y.shape[0]


@kernel
def predict_large(mean, cov, F, b, Q, work):
    """F m + b and F P F' + Q, in place and exactly symmetric."""
    half, full, moved = work
    apply(F, mean, moved)
    product(F, cov, half)
    product_transposed(half, F, full)
    for i in range(mean.size):
        mean[i] = moved[i] + b[i]
        for j in range(i + 1):
            cov[i, j] = cov[j, i] = full[i, j] + Q[i, j]


@kernel
def update_large(mean, cov, H, r, y, work, inner):
    """Condition in place on the readings there are; return as `update_small`."""
    n, full, (rows, HP, S, z, seen) = mean.size, work[1], inner
    m = gather(H, y, rows, seen)
    product(rows[:m], cov, HP[:m])
    for a in range(m):
        z[a] = y[seen[a]]
        for j in range(n):
            z[a] -= rows[a, j] * mean[j]
        for c in range(a + 1):
            S[a, c] = r[seen[a]] if a == c else 0.0
            for j in range(n):
                S[a, c] += HP[a, j] * rows[c, j]
    if not factor(S, m):
        return np.nan
    density = whiten(S, z, HP, m, n)
    gram(HP[:m], full)
    for i in range(n):
        for a in range(m):
            mean[i] += HP[a, i] * z[a]
        for j in range(i + 1):
            cov[i, j] = cov[j, i] = cov[i, j] - full[i, j]
    return np.inf if any_blurred(m, cov, rows, r, seen, S, z) else density


@kernel(**INLINE)
def gather(H, y, rows, seen):
    """List the slots that hold a reading and their rows of H; return how many."""
    m = 0
    for a in range(y.size):
        if not np.isnan(y[a]):
            seen[m] = a
            for j in range(rows.shape[1]):
                rows[m, j] = H[a, j]
            m += 1
    return m


# One compilation each: NumPy's products are long in the compiler.


@kernel(error_model="python")
def apply(A, x, out):
    """A x."""
    np.dot(A, x, out)


@kernel(error_model="python")
def product(A, B, out):
    """A B."""
    np.dot(A, B, out)


@kernel(error_model="python")
def product_transposed(A, B, out):
    """A B'."""
    np.dot(A, B.T, out)


@kernel(error_model="python")
def gram(A, out):
    """A'A."""
    np.dot(A.T, A, out)


@kernel(**INLINE)
def factor(S, m):
    """Overwrite the lower triangle of S ``(m, m)`` by its Cholesky factor; false if S is not positive."""
    for a in range(m):
        for c in range(a + 1):
            total = S[a, c]
            for k in range(c):
                total -= S[a, k] * S[c, k]
            if a > c:
                S[a, c] = total / S[c, c]
            elif total > 0.0:
                S[a, a] = np.sqrt(total)
            else:
                return False
    return True


@kernel(**INLINE)
def whiten(L, z, W, m, n):
    """Multiply the innovation z and the rows of W by L^-1, in place; return the innovation's log-density."""
    density = -0.5 * m * LOG_2PI
    for a in range(m):
        for c in range(a):
            z[a] -= L[a, c] * z[c]
            for j in range(n):
                W[a, j] -= L[a, c] * W[c, j]
        z[a] /= L[a, a]
        for j in range(n):
            W[a, j] /= L[a, a]
        density -= np.log(L[a, a]) + 0.5 * z[a] * z[a]
    return density
