"""Kernels of the periodic elastic cell: bilinear elements on a tensor grid, one Newton search a strain.

A cell is `sides_x` ``(n1,)``, `sides_y` ``(n2,)``, `phase` ``(n1, n2)``, `corners` ``(4, n1 n2)`` (node
numbers of the corners 00, 01, 10, 11; node 0 is pinned), Gauss points and weights on (0, 1), and the
properties of the phases ``(phases, 4)``. The fluctuation w is ``(2 nodes,)``. Sides and properties may be
complex.
"""

import numba
import numpy as np

from mscale_uq.cell.constituent import energy, fill_tangent, stress
from mscale_uq.solve.band_kernels import factor_band, solve_band

TOLERANCE = 1e-9  # of the last Newton step; the error after it is its square
MAX_ITERATIONS = 60
STEP = 1e-40


@numba.njit(cache=True, error_model="numpy")
def _gradients(hx, hy, gx, gy, N):
    """Fill the x- and y-derivatives of the four corner functions ``(2, 4)``."""
    N[0, 0], N[0, 1], N[0, 2], N[0, 3] = -(1 - gy) / hx, -gy / hx, (1 - gy) / hx, gy / hx
    N[1, 0], N[1, 1], N[1, 2], N[1, 3] = -(1 - gx) / hy, (1 - gx) / hy, -gx / hy, gx / hy


@numba.njit(cache=True, error_model="numpy")
def _strain(mean, w, N, corners, element):
    """Return the strain: the mean and that of the fluctuation."""
    xx, yy, xy = mean[0] + 0 * N[0, 0], mean[1] + 0 * N[0, 0], mean[2] + 0 * N[0, 0]
    for c in range(4):
        u, v = w[2 * corners[c, element]], w[2 * corners[c, element] + 1]
        xx += N[0, c] * u
        yy += N[1, c] * v
        xy += N[1, c] * u + N[0, c] * v
    return xx, yy, xy


@numba.njit(cache=True, error_model="numpy")
def evaluate(mean, w, sides_x, sides_y, phase, corners, points, weights, props, made, residual):
    """Fill mean stress and mean energy ``(4,)`` and the residual ``(2 nodes,)``."""
    made[:] = 0
    residual[:] = 0
    area = sides_x.sum() * sides_y.sum()
    N = np.empty((2, 4), sides_x.dtype)
    for i in range(sides_x.size):
        for j in range(sides_y.size):
            e, p = i * sides_y.size + j, props[phase[i, j]]
            for a in range(points.size):
                for b in range(points.size):
                    share = weights[a] * weights[b] * sides_x[i] * sides_y[j] / area
                    _gradients(sides_x[i], sides_y[j], points[a], points[b], N)
                    xx, yy, xy = _strain(mean, w, N, corners, e)
                    s_xx, s_yy, s_xy = stress(xx, yy, xy, p)
                    made[0] += share * s_xx
                    made[1] += share * s_yy
                    made[2] += share * s_xy
                    made[3] += share * energy(xx, yy, xy, p)
                    for c in range(4):
                        k = 2 * corners[c, e]
                        residual[k] += share * (N[0, c] * s_xx + N[1, c] * s_xy)
                        residual[k + 1] += share * (N[1, c] * s_yy + N[0, c] * s_xy)
    residual[0] = 0
    residual[1] = 0


@numba.njit(cache=True, error_model="numpy")
def _fill_modes(N, share, C, B, CB, mean_C):
    """Fill the matrix from corner displacements to strains ``(3, 8)``, and its product with C."""
    for c in range(4):
        B[0, 2 * c], B[1, 2 * c + 1] = N[0, c], N[1, c]
        B[2, 2 * c], B[2, 2 * c + 1] = N[1, c], N[0, c]
    for r in range(3):
        for s in range(3):
            mean_C[r, s] += share * C[r, s]
        for k in range(8):
            CB[r, k] = share * (C[r, 0] * B[0, k] + C[r, 1] * B[1, k] + C[r, 2] * B[2, k])


@numba.njit(cache=True, error_model="numpy")
def _add(B, CB, corners, e, band, G):
    """Add one point's stiffness to the band of the free nodes, and its coupling to the mean strain."""
    last = band.shape[1] - 1
    for k in range(8):
        row = 2 * corners[k // 2, e] + k % 2
        for r in range(3):
            G[row, r] += CB[r, k]
        for m in range(8):
            column = 2 * corners[m // 2, e] + m % 2
            if row >= column >= 2:
                part = B[0, k] * CB[0, m] + B[1, k] * CB[1, m] + B[2, k] * CB[2, m]
                band[row - 2, last + column - row] += part


@numba.njit(cache=True, error_model="numpy")
def assemble(mean, w, sides_x, sides_y, phase, corners, points, weights, props, band, G, mean_C):
    """Fill the stiffness of the free nodes, its coupling to the mean strain ``(2 nodes, 3)``, and <C>."""
    band[:] = 0
    G[:] = 0
    mean_C[:] = 0
    area = sides_x.sum() * sides_y.sum()
    N, C, B, CB = np.empty((2, 4)), np.empty((3, 3)), np.zeros((3, 8)), np.empty((3, 8))
    for i in range(sides_x.size):
        for j in range(sides_y.size):
            e, p = i * sides_y.size + j, props[phase[i, j]]
            for a in range(points.size):
                for b in range(points.size):
                    share = weights[a] * weights[b] * sides_x[i] * sides_y[j] / area
                    _gradients(sides_x[i], sides_y[j], points[a], points[b], N)
                    xx, yy, xy = _strain(mean, w, N, corners, e)
                    fill_tangent(xx, yy, xy, p, C)
                    _fill_modes(N, share, C, B, CB, mean_C)
                    _add(B, CB, corners, e, band, G)
    G[:2] = 0


@numba.njit(cache=True, error_model="numpy")
def relax(mean, w, sides_x, sides_y, phase, corners, points, weights, props, band, G, mean_C):
    """Move w to equilibrium, leaving the factorised stiffness, G and <C>; False if it does not get there."""
    made, residual, trial_made, trial = np.empty(4), np.empty(w.size), np.empty(4), np.empty(w.size)
    evaluate(mean, w, sides_x, sides_y, phase, corners, points, weights, props, made, residual)
    size = np.abs(mean).sum() * (sides_x.sum() + sides_y.sum())
    step = np.empty((w.size - 2, 1))
    for _ in range(MAX_ITERATIONS):
        assemble(mean, w, sides_x, sides_y, phase, corners, points, weights, props, band, G, mean_C)
        if not factor_band(band):
            return False
        step[:, 0] = -residual[2:]
        solve_band(band, step)
        if np.abs(step).max() <= TOLERANCE * size:
            w[2:] += step[:, 0]
            return True
        norm, share = (residual * residual).sum(), 1.0
        while True:
            moved = w.copy()
            moved[2:] += share * step[:, 0]
            evaluate(mean, moved, sides_x, sides_y, phase, corners, points, weights, props, trial_made, trial)
            if (trial * trial).sum() < norm:
                break
            share /= 2
            if share < 1e-6:
                return False
        w[:] = moved
        residual[:] = trial
    return False


@numba.njit(cache=True, error_model="numpy")
def respond(means, sides_x, sides_y, phase, corners, points, weights, props, bandwidth, d_x, d_y, d_props):
    """Return stresses and energies ``(points, 4)`` and their slopes to strains and directions, and success.

    `means` are strains ``(points, 3)``; `d_x`, `d_y`, `d_props` are directions in sides and properties, on a
    first axis; the slopes are ``(points, 4, 3 + directions)``.
    """
    n, m = 2 * (corners.max() + 1), d_props.shape[0]
    made, slopes = np.empty((len(means), 4)), np.empty((len(means), 4, 3 + m))
    band, G, mean_C = np.empty((n - 2, bandwidth + 1)), np.empty((n, 3)), np.empty((3, 3))
    residual, value = np.empty(n), np.empty(4)
    stepped, moved = np.empty(4, np.complex128), np.empty(n, np.complex128)
    loads = np.empty((n - 2, 3 + m))
    for point in range(len(means)):
        w = np.zeros(n)
        if not relax(
            means[point], w, sides_x, sides_y, phase, corners, points, weights, props, band, G, mean_C
        ):
            return made, slopes, False
        evaluate(means[point], w, sides_x, sides_y, phase, corners, points, weights, props, value, residual)
        made[point] = value
        loads[:, :3] = G[2:]
        slopes[point, :3, :3] = mean_C
        for k in range(m):
            evaluate(
                means[point],
                w,
                sides_x + 1j * STEP * d_x[k],
                sides_y + 1j * STEP * d_y[k],
                phase,
                corners,
                points,
                weights,
                props + 1j * STEP * d_props[k],
                stepped,
                moved,
            )
            slopes[point, :, 3 + k] = stepped.imag / STEP
            loads[:, 3 + k] = moved[2:].imag / STEP
        solve_band(band, loads)
        for r in range(3):
            for k in range(3 + m):
                total = 0.0
                for i in range(n - 2):
                    total += G[i + 2, r] * loads[i, k]
                slopes[point, r, k] -= total
        # The energy is at its least in w: its slopes are the mean stress and the direct ones.
        slopes[point, 3, :3] = value[:3]
    return made, slopes, True


@numba.njit(cache=True, error_model="numpy")
def form(chi, sides_x, sides_y, phase, corners, points, weights, props):
    """Return <(E_i + eps(chi_i)) : C (E_j + eps(chi_j))> ``(3, 3)`` at zero strain."""
    made = np.zeros((3, 3), sides_x.dtype)
    area, N, unit = sides_x.sum() * sides_y.sum(), np.empty((2, 4), sides_x.dtype), np.eye(3)
    strains, stresses = np.empty((3, 3), sides_x.dtype), np.empty((3, 3), sides_x.dtype)
    for i in range(sides_x.size):
        for j in range(sides_y.size):
            e, p = i * sides_y.size + j, props[phase[i, j]].copy()
            p[3] = 1  # linear
            for a in range(points.size):
                for b in range(points.size):
                    share = weights[a] * weights[b] * sides_x[i] * sides_y[j] / area
                    _gradients(sides_x[i], sides_y[j], points[a], points[b], N)
                    for r in range(3):
                        xx, yy, xy = _strain(unit[r], chi[r], N, corners, e)
                        strains[r, 0], strains[r, 1], strains[r, 2] = xx, yy, xy
                        s_xx, s_yy, s_xy = stress(xx, yy, xy, p)
                        stresses[r, 0], stresses[r, 1], stresses[r, 2] = s_xx, s_yy, s_xy
                    for r in range(3):
                        for s in range(3):
                            for k in range(3):
                                made[r, s] += share * strains[r, k] * stresses[s, k]
    return made
