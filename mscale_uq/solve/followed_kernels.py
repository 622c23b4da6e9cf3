"""A Kalman filter with its adjoint, for many independent individuals that are read one number at a time.

Names: F ``(T, n, n)`` leads to each time and adds Q ``(T, n, n)``; the deviation of a state from its mean is
read through h ``(T, n)`` with the variance r ``(N, T)``; error ``(N, T)`` is reading minus
expected reading, NaN where there is none. All deviations start at zero, exactly known. A bar is the
derivative of the summed log-density to what stands before it; each backward line is the adjoint of a line of
the filter.
"""

import numpy as np

from mscale_uq.solve.kalman_gradient import inner
from mscale_uq.solve.kalman_kernels import LOG_2PI, apply, product, product_transposed
from mscale_uq.solve.kernel import kernel


@kernel
def followed_adjoint(error, r, h, F, Q, logs, precision, error_bar, r_bar, h_bar, F_bar, Q_bar):
    """Fill the bars, and logs ``(N, T)``: each reading's log-density given its individual's earlier ones.

    `precision` ``(N, T)`` becomes the diagonal of the inverse covariance of an individual's readings.
    """
    T, n = len(F), F.shape[1]
    ms, Ps = np.zeros((T + 1, n)), np.zeros((T + 1, n, n))
    before, rows, S, v = (np.empty((T, n)), np.empty((T, n, n))), np.empty((T, n)), np.empty(T), np.empty(T)
    work = np.empty((n, n)), np.empty((n, n)), np.empty(n), np.empty(n)
    for i in range(len(error)):
        forth(error[i], r[i], h, F, Q, ms, Ps, before, rows, S, v, logs[i], work[0])
        bars = np.zeros(n), np.zeros((n, n)), np.zeros((n, n))
        for t in range(T - 1, -1, -1):
            if not np.isnan(error[i, t]):
                known = rows[t], S[t], v[t], h[t], before[0][t], before[1][t]
                back = take_back(known, bars, work, h_bar[t])
                precision[i, t], error_bar[i, t], r_bar[i, t] = back
            step_back(F[t], ms[t], Ps[t], bars, F_bar[t], Q_bar[t], work)


@kernel
def forth(error, r, h, F, Q, ms, Ps, before, rows, S, v, logs, half):
    """Filter one individual; fill what the way back needs."""
    n = ms.shape[1]
    for t in range(len(F)):
        m, P = ms[t + 1], Ps[t + 1]
        apply(F[t], ms[t], m)
        product(F[t], Ps[t], half)
        product_transposed(half, F[t], P)
        P += Q[t]
        before[0][t], before[1][t] = m, P
        if np.isnan(error[t]):
            continue
        apply(P, h[t], rows[t])
        S[t] = inner(h[t], rows[t]) + r[t]
        v[t] = error[t] - inner(h[t], m)
        for a in range(n):
            m[a] += rows[t, a] * v[t] / S[t]
            for b in range(n):
                P[a, b] -= rows[t, a] * rows[t, b] / S[t]
        logs[t] = -0.5 * (LOG_2PI + np.log(S[t]) + v[t] * v[t] / S[t])


@kernel
def take_back(known, bars, work, h_bar):
    """Undo an update in the bars, that of h too; return precision, and the bars of error and variance."""
    (row, S, v, h, m, P), (m_bar, P_bar, N) = known, bars
    _, _, pulled, row_bar = work
    n = row.size
    apply(P_bar, row, pulled)
    toward = inner(row, m_bar) / S
    v_bar = toward - v / S
    S_bar = (0.5 * (v * v / S - 1) + inner(row, pulled) / S - toward * v) / S
    for a in range(n):
        row_bar[a] = (m_bar[a] * v - 2 * pulled[a]) / S + S_bar * h[a]
    apply(P, row_bar, pulled)
    for a in range(n):
        h_bar[a] += S_bar * row[a] - v_bar * m[a] + pulled[a]
        m_bar[a] -= h[a] * v_bar
        for b in range(n):
            P_bar[a, b] += 0.5 * (h[a] * row_bar[b] + row_bar[a] * h[b])
    apply(N, row, pulled)  # N K S
    seen = 1 / S + inner(row, pulled) / S**2
    for a in range(n):
        for b in range(n):
            N[a, b] += h[a] * h[b] * seen - (h[a] * pulled[b] + pulled[a] * h[b]) / S
    return seen, v_bar, S_bar


@kernel
def step_back(F, m, P, bars, F_bar, Q_bar, work):
    """Undo a move in the bars, and add to those of F and Q."""
    (m_bar, P_bar, N), (half, full, moved, _) = bars, work
    n = m.size
    product(P_bar, F, half)
    product(half, P, full)
    for a in range(n):
        for b in range(n):
            F_bar[a, b] += m_bar[a] * m[b] + 2 * full[a, b]
            Q_bar[a, b] += P_bar[a, b]
    apply(F.T, m_bar, moved)
    m_bar[:] = moved
    product(F.T, half, P_bar)
    product(F.T, N, half)
    product(half, F, N)
