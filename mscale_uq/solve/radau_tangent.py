"""Derivatives of Radau steps: exact for the discrete method, with the step lengths held as they were taken.

The stages of a step solve Z = h (A x I) F(y + Z), so their changes solve one linear system of size 3n with
the Jacobians at the three stages; that is the implicit function theorem, and no tolerance enters.
fc is the right-hand side compiled for complex numbers.
"""

import numpy as np

from mscale_uq.solve.dense import factor, solve_rows
from mscale_uq.solve.kernel import kernel
from mscale_uq.solve.radau import A, C
from mscale_uq.solve.rate import fill_jacobian, fill_slopes


@kernel
def step_tangents(fc, t, y, h, z, p, dy, dp, stretch, dt, moved):
    """Fill the changes of a step's result ``(n, k)``, for k changes at once.

    dy ``(n, k)`` of its state, dp ``(m, k)`` of the parameters, `stretch` ``(k,)`` of its length relative
    to h, dt ``(k,)`` of its time.
    """
    n, k = dy.shape
    system, right = np.eye(3 * n), np.zeros((3 * n, k))
    jacobian, by_parameters, by_time = np.empty((n, n)), np.empty((n, p.size)), np.empty(n)
    stage, shift, active = np.empty(n), np.empty(k), nonzero_rows(dp)
    for j in range(3):
        for a in range(n):
            stage[a] = y[a] + z[j, a]
        for b in range(k):
            shift[b] = dt[b] + C[j] * h * stretch[b]
        fill_jacobian(fc, t + C[j] * h, stage, p, jacobian)
        fill_slopes(fc, t + C[j] * h, stage, p, active, by_parameters, by_time)
        for a in range(n):
            for b in range(n):
                _spread(system, right, a, j, n, b, h, jacobian[a, b], dy[b])
            for b in active:
                _load(right, a, j, n, h, by_parameters[a, b], dp[b])
            _load(right, a, j, n, h, by_time[a], shift)
            _load_one(right, j * n + a, z[j, a], stretch)
    notes = np.empty((3 * n, 3 * n + 3), np.int64)
    factor(system, notes)
    solve_rows(system, notes, right)
    for a in range(n):
        for b in range(k):
            moved[a, b] = dy[a, b] + right[2 * n + a, b]


@kernel
def nonzero_rows(a):
    """Return the numbers of the rows that are not zero: the parameters that change at all."""
    rows, count = np.empty(a.shape[0], np.int64), 0
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            if a[i, j] != 0:
                rows[count] = i
                count += 1
                break
    return rows[:count]


@kernel
def _spread(system, right, a, j, n, b, h, slope, change):
    """Put the slope of rate a at stage j to state b into the system, and its change into the right side."""
    if slope != 0:
        for i in range(3):
            system[i * n + a, j * n + b] -= h * A[i, j] * slope
        _load(right, a, j, n, h, slope, change)


@kernel
def _load(right, a, j, n, h, slope, change):
    """Add the change of rate a at stage j to the right side of all stages."""
    if slope != 0:
        for i in range(3):
            _load_one(right, i * n + a, h * A[i, j] * slope, change)


@kernel
def _load_one(right, row, weight, change):
    for b in range(change.size):
        right[row, b] += weight * change[b]


@kernel
def path_tangents(fc, times, states, stages, p, dy, dp, stretch, keep):
    """Return the changes of the states at the steps `keep` (increasing) ``(len(keep), n, k)``.

    All step lengths change by the same share `stretch` ``(k,)``; other arguments as in `step_tangents`.
    """
    kept, position = np.empty((keep.size, dy.shape[0], dy.shape[1])), 0
    now, moved, dt = dy.copy(), np.empty_like(dy), np.empty_like(stretch)
    for i in range(times.size):
        while position < keep.size and keep[position] == i:
            kept[position] = now
            position += 1
        if position == keep.size:
            break
        for b in range(dt.size):
            dt[b] = (times[i] - times[0]) * stretch[b]
        step_tangents(
            fc, times[i], states[i], times[i + 1] - times[i], stages[i], p, now, dp, stretch, dt, moved
        )
        now, moved = moved, now
    return kept
