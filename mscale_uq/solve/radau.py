"""The Radau IIA method of order 5: one step, and steps under error control or along a given mesh.

Three stages z_i = y(t + c_i h) - y(t) solve z_i = h sum_j a_ij f(t + c_j h, y + z_j); the last one is the
step's result. Simplified Newton: A^-1 has one real and one complex pair of eigenvalues, so that three coupled
systems fall into one real and one complex system of size n. The error estimate is that of the embedded
method of order 3.

In the kernels f is the right-hand side compiled for real numbers.

Source: E. Hairer, G. Wanner, Stiff differential equations solved by Radau methods, J. Comput. Appl. Math. 111
(1999) 93-111, doi:10.1016/S0377-0427(99)00134-X.
"""

from typing import NamedTuple

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.solve.dense import factor, solve_factored
from mscale_uq.solve.kernel import kernel

S6 = np.sqrt(6.0)
C = np.array([(4 - S6) / 10, (4 + S6) / 10, 1.0])
A = np.array(
    [
        [(88 - 7 * S6) / 360, (296 - 169 * S6) / 1800, (-2 + 3 * S6) / 225],
        [(296 + 169 * S6) / 1800, (88 + 7 * S6) / 360, (-2 - 3 * S6) / 225],
        [(16 - S6) / 36, (16 + S6) / 36, 1 / 9],
    ]
)
ERROR = np.array([-13 - 7 * S6, -13 + 7 * S6, -1.0]) / 3  # of the embedded method, times gamma
NEWTON_LIMIT, PATIENT = 12, 60  # iterations, where a shorter step is the alternative, and where there is none
STAGNATION = 1e-2  # increments below this, in units of the tolerance, may be round-off
DONE, TOO_MANY_STEPS, STEP_TOO_SMALL, NO_NEWTON, EVENT, NO_EVENT = range(6)


def _eigensystem() -> tuple[float, complex, Array, Array]:
    """Return A^-1 = T diag(gamma, [[alpha, -beta], [beta, alpha]]) T^-1 as gamma, alpha + i beta, T, T^-1."""
    values, vectors = np.linalg.eig(np.linalg.inv(A))
    real, pair = np.argmin(np.abs(values.imag)), np.argmin(values.imag)
    gamma, vector = values[real].real, vectors[:, pair] / vectors[2, pair]
    T = np.stack([vectors[:, real].real / vectors[2, real].real, vector.real, vector.imag], axis=1)
    return float(gamma), complex(values[pair].conjugate()), T, np.linalg.inv(T)


GAMMA, PAIR, T, TI = _eigensystem()
# The polynomial through y(t) and the stages, 0 <= s <= 1: z(s) = sum_ki s^(k+1) POLYNOMIAL[k, i] z_i.
POLYNOMIAL = np.linalg.inv(C[:, None] ** np.array([1, 2, 3]))


class Work(NamedTuple):
    """What the steps of one integration share; made once, overwritten by every step.

    Few arrays, since the compiler's time grows with their number.
    """

    rows: Array  # (16, n): see the names below
    jacobian: Array
    real: Array  # factors of gamma/h - J
    complex: Array  # factors of (alpha + i beta)/h - J; one more row for a vector
    notes: Array  # of both, see `factor`


SCALE, STATE, ERR, RATE0 = range(4)  # rows of `Work.rows`, then four blocks of three rows
STAGES, RATES, TRANSFORMED, INCREMENT = slice(4, 7), slice(7, 10), slice(10, 13), slice(13, 16)


@kernel
def workspace(n):
    """Return the arrays for systems of size n."""
    square = np.empty((2, n, n))
    pair = np.empty((n + 1, n), np.complex128)
    return Work(np.zeros((16, n)), square[0], square[1], pair, np.empty((2, n, n + 3), np.int64))


@kernel
def factor_both(w, h):
    """Factor gamma/h - J and (alpha + i beta)/h - J; False if one is singular."""
    n = w.jacobian.shape[0]
    for i in range(n):
        for j in range(n):
            w.real[i, j] = -w.jacobian[i, j]
            w.complex[i, j] = -w.jacobian[i, j]
        w.real[i, i] += GAMMA / h
        w.complex[i, i] += PAIR / h
    return factor(w.real, w.notes[0]) and factor(w.complex[:n], w.notes[1])


@kernel
def transform(matrix, x, made):
    """Fill ``made = (matrix x I) x`` for ``(3, n)`` arrays."""
    for j in range(x.shape[1]):
        a, b, c = x[0, j], x[1, j], x[2, j]
        for i in range(3):
            made[i, j] = matrix[i, 0] * a + matrix[i, 1] * b + matrix[i, 2] * c


@kernel
def norm(x, scale):
    """Return the root mean square of x / scale ``(n,)``."""
    total = 0.0
    for i in range(scale.size):
        total += (x[i] / scale[i]) ** 2
    return np.sqrt(total / scale.size)


@kernel
def newton(f, t, y, h, p, w, tolerance, limit):
    """Solve for the stages, from what `w` holds; returns (converged, iterations, contraction)."""
    transformed, increment = w.rows[TRANSFORMED], w.rows[INCREMENT]
    transform(TI, w.rows[STAGES], transformed)
    before, contraction = 0.0, 1.0
    for iteration in range(limit):
        size = _newton_increment(f, t, y, h, p, w)
        if not np.isfinite(size):
            return False, iteration, 1.0
        for i in range(3):
            for j in range(y.size):
                transformed[i, j] += increment[i, j]
        transform(T, transformed, w.rows[STAGES])
        if iteration > 0:
            contraction = size / before
            if contraction >= 1:
                # Round-off, if the increments no longer fall because they are as small as they get.
                return before < max(tolerance, STAGNATION), iteration + 1, contraction
        if size == 0 or (iteration > 0 and contraction / (1 - contraction) * size < tolerance):
            return True, iteration + 1, contraction
        before = size
    return False, limit, contraction


@kernel
def _newton_increment(f, t, y, h, p, w):
    """Fill the (transformed) increment of the stages and return its norm."""
    n, stages, transformed, increment = y.size, w.rows[STAGES], w.rows[TRANSFORMED], w.rows[INCREMENT]
    scale, state, rates, pair = w.rows[SCALE], w.rows[STATE], w.rows[RATES], w.complex[n]
    for i in range(3):
        for j in range(n):
            state[j] = y[j] + stages[i, j]
        f(t + C[i] * h, state, p, rates[i])
    transform(TI, rates, increment)
    for j in range(n):
        increment[0, j] -= GAMMA / h * transformed[0, j]
        held = complex(transformed[1, j], transformed[2, j])
        pair[j] = complex(increment[1, j], increment[2, j]) - PAIR / h * held
    solve_factored(w.real, w.notes[0], increment[0])
    solve_factored(w.complex, w.notes[1], pair)
    total = 0.0
    for j in range(n):
        increment[1, j], increment[2, j] = pair[j].real, pair[j].imag
        total += (increment[0, j] ** 2 + increment[1, j] ** 2 + increment[2, j] ** 2) / scale[j] ** 2
    return np.sqrt(total / (3 * n))


@kernel
def progress(stages, start, ratio, made):
    """Fill the stages expected in `ratio` times a step's length, from its start (0) or end (1) on.

    By the step's polynomial.
    """
    for i in range(3):
        s = start + C[i] * ratio
        for j in range(stages.shape[1]):
            total = -start * stages[2, j]
            for k in range(3):
                weight = s * (POLYNOMIAL[0, k] + s * (POLYNOMIAL[1, k] + s * POLYNOMIAL[2, k]))
                total += weight * stages[k, j]
            made[i, j] = total


@kernel
def error_estimate(f, t, y, h, p, w, again):
    """Return the size of the embedded error; `again` damps it once more, for first and rejected steps."""
    stages, error, rest, state = w.rows[STAGES], w.rows[ERR], w.rows[RATE0], w.rows[STATE]
    f(t, y, p, error)
    for j in range(y.size):
        rest[j] = (ERROR[0] * stages[0, j] + ERROR[1] * stages[1, j] + ERROR[2] * stages[2, j]) / h
        error[j] += rest[j]
    solve_factored(w.real, w.notes[0], error)
    size = norm(error, w.rows[SCALE])
    if again and size >= 1:
        for j in range(y.size):
            state[j] = y[j] + error[j]
        f(t, state, p, error)
        for j in range(y.size):
            error[j] += rest[j]
        solve_factored(w.real, w.notes[0], error)
        size = norm(error, w.rows[SCALE])
    return max(size, 1e-10)


@kernel
def set_scale(y, expected, rtol, atol, scale):
    """Fill the error scale atol + rtol |y|, with y at its larger of both ends, as `expected` changes it."""
    for j in range(y.size):
        scale[j] = atol[j] + rtol * max(abs(y[j]), abs(y[j] + expected[j]))
