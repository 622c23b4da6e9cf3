"""Kernels of the periodic elastic cell: bilinear elements on a tensor grid, one Newton search a strain.

A cell is a tuple of its sides along x ``(n1,)`` and y ``(n2,)``, `phase` ``(n1, n2)``, `corners`
``(4, n1 n2)`` (node numbers of the corners 00, 01, 10, 11; node 0 is pinned), Gauss points and weights on
(0, 1), and the properties of the phases ``(phases, 4)``. The fluctuation w is ``(2 nodes,)``. The search is
real; slopes to properties and sides are taken by the complex step, with `evaluate` and `form`. Each loop over
the elements is compiled for one type alone, which keeps the compilation short.

The change of area is that in the middle of an element, everywhere in it, so that a phase that can hardly be
compressed does not lock.

Source: T. J. R. Hughes, Generalization of selective integration procedures to anisotropic and nonlinear
media, Int. J. Numer. Methods Eng. 15 (1980) 1413-1418, doi:10.1002/nme.1620150914.
"""

import numpy as np

from mscale_uq.cell.constituent import energy, fill_tangent, stress
from mscale_uq.solve.band_kernels import factor_band, solve_band
from mscale_uq.solve.kernel import kernel

TOLERANCE = 1e-9  # of the last Newton step; the error after it is its square
MAX_TRIALS = 200  # of Newton steps and of halved ones
SMALLEST_SHARE = 1e-6  # of a Newton step
STEP = 1e-40


@kernel
def _gradients(hx, hy, gx, gy, c):
    """Return the x- and y-derivative of the function of corner c."""
    x, y = (1 if c > 1 else -1) / hx, (1 if c % 2 else -1) / hy
    return x * (gy if c % 2 else 1 - gy), y * (gx if c > 1 else 1 - gx)


@kernel
def _fill_modes(hx, hy, gx, gy, B):
    """Fill the matrix from corner displacements to strains ``(3, 8)``; the area changes as in the middle."""
    for c in range(4):
        x, y = _gradients(hx, hy, gx, gy, c)
        mid_x, mid_y = _gradients(hx, hy, 0.5, 0.5, c)
        u, v = 2 * c, 2 * c + 1
        B[0, u], B[0, v] = (x + mid_x) / 2, (mid_y - y) / 2
        B[1, u], B[1, v] = (mid_x - x) / 2, (y + mid_y) / 2
        B[2, u], B[2, v] = y, x


@kernel
def _strain(mean, w, B, corners, element):
    """Return the strain: the mean and that of the fluctuation."""
    xx, yy, xy = mean[0] + 0 * B[0, 0], mean[1] + 0 * B[0, 0], mean[2] + 0 * B[0, 0]
    for k in range(8):
        u = w[2 * corners[k // 2, element] + k % 2]
        xx += B[0, k] * u
        yy += B[1, k] * u
        xy += B[2, k] * u
    return xx, yy, xy


@kernel
def _push(B, share, s_xx, s_yy, s_xy, corners, e, residual):
    """Add the forces of one point's stress on the corners; the pinned ones stay zero."""
    for k in range(8):
        row = 2 * corners[k // 2, e] + k % 2
        if row > 1:
            residual[row] += share * (B[0, k] * s_xx + B[1, k] * s_yy + B[2, k] * s_xy)


@kernel
def _load(mean, w, B, corners, e, p, share, made, residual):
    """Add one point's stress and energy to the means and the residual; return its strain."""
    xx, yy, xy = _strain(mean, w, B, corners, e)
    s_xx, s_yy, s_xy = stress(xx, yy, xy, p)
    made[0] += share * s_xx
    made[1] += share * s_yy
    made[2] += share * s_xy
    made[3] += share * energy(xx, yy, xy, p)
    _push(B, share, s_xx, s_yy, s_xy, corners, e, residual)
    return xx, yy, xy


@kernel
def evaluate(mean, w, cell, made, residual):
    """Fill mean stress and mean energy ``(4,)`` and the residual ``(2 nodes,)`` of a complex cell."""
    sides_x, sides_y, phase, corners, points, weights, props = cell
    made.fill(0)
    residual.fill(0)
    area = sides_x.sum() * sides_y.sum()
    B = np.empty((3, 8), np.complex128)
    for i in range(sides_x.size):
        for j in range(sides_y.size):
            e, p = i * sides_y.size + j, props[phase[i, j]]
            for a in range(points.size):
                for b in range(points.size):
                    share = weights[a] * weights[b] * sides_x[i] * sides_y[j] / area
                    _fill_modes(sides_x[i], sides_y[j], points[a], points[b], B)
                    _load(mean, w, B, corners, e, p, share, made, residual)


@kernel
def _weigh(B, share, C, CB, mean_C):
    """Fill share C B ``(3, 8)``, and add one point's stiffness to the mean."""
    for r in range(3):
        for s in range(3):
            mean_C[r, s] += share * C[r, s]
        for k in range(8):
            CB[r, k] = share * (C[r, 0] * B[0, k] + C[r, 1] * B[1, k] + C[r, 2] * B[2, k])


@kernel
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


@kernel
def assemble(mean, w, cell, made, residual, band, G, mean_C):
    """Fill what `evaluate` does, for a real cell, and the tangent.

    That is the stiffness of the free nodes, its coupling to the mean strain ``(2 nodes, 3)``, and <C>.
    """
    sides_x, sides_y, phase, corners, points, weights, props = cell
    band.fill(0.0)
    G.fill(0.0)
    mean_C.fill(0.0)
    made.fill(0.0)
    residual.fill(0.0)
    area = sides_x.sum() * sides_y.sum()
    C, B, CB = np.empty((3, 3)), np.empty((3, 8)), np.empty((3, 8))
    for i in range(sides_x.size):
        for j in range(sides_y.size):
            e, p = i * sides_y.size + j, props[phase[i, j]]
            for a in range(points.size):
                for b in range(points.size):
                    share = weights[a] * weights[b] * sides_x[i] * sides_y[j] / area
                    _fill_modes(sides_x[i], sides_y[j], points[a], points[b], B)
                    xx, yy, xy = _load(mean, w, B, corners, e, p, share, made, residual)
                    fill_tangent(xx, yy, xy, p, C)
                    _weigh(B, share, C, CB, mean_C)
                    _add(B, CB, corners, e, band, G)
    for r in range(3):
        G[0, r] = G[1, r] = 0.0


@kernel
def _advance(w, start, share, step):
    """Set the free entries of w to those of the start and a share of a step."""
    for i in range(step.shape[0]):
        w[2 + i] = start[2 + i] + share * step[i, 0]


@kernel
def _largest(x):
    """Return the largest magnitude."""
    largest = 0.0
    for value in x.flat:
        largest = max(largest, abs(value))
    return largest


@kernel
def _square(x):
    """Return the sum of squares."""
    total = 0.0
    for value in x:
        total += value * value
    return total


@kernel
def _add_coupling(G, x, made):
    """Add what fluctuations x ``(2 nodes - 2, columns)`` do to the mean stress, to ``(3, columns)``."""
    for i in range(x.shape[0]):
        for r in range(3):
            for k in range(x.shape[1]):
                made[r, k] += G[i + 2, r] * x[i, k]


@kernel
def relax(mean, w, cell, made, band, G, mean_C):
    """Move w to equilibrium from where it is; False if it does not get there.

    Leaves mean stress and energy ``(4, 1)``, the factorised stiffness, G and <C>.
    """
    n = w.size - 2
    residual, start, step = np.empty(n + 2), w.copy(), np.zeros((n, 1))
    size = _largest(mean) * (cell[0].sum() + cell[1].sum())
    share, norm = 1.0, np.inf
    for _ in range(MAX_TRIALS):
        _advance(w, start, share, step)
        assemble(mean, w, cell, made[:, 0], residual, band, G, mean_C)
        now = _square(residual)
        if not now < norm:
            share /= 2
            if share < SMALLEST_SHARE:
                return False
            continue
        if not factor_band(band):
            return False
        share, norm = 1.0, now
        for i in range(n):
            start[2 + i], step[i, 0] = w[2 + i], -residual[2 + i]
        solve_band(band, step)
        if _largest(step) <= TOLERANCE * size:
            _advance(w, start, 1.0, step)
            _add_coupling(G, step, made)  # to the energy it adds nothing: that is at its least
            return True
    return False


@kernel
def _step_directions(mean, w, cell, moved_x, moved_y, moved_props, slopes, loads):
    """Fill the slopes of stress and energy at fixed w ``(4, 3 + directions)``, and what loads w meanwhile."""
    phase, corners, points, weights = cell[2], cell[3], cell[4], cell[5]
    made, forces = np.empty(4, np.complex128), np.empty(w.size, np.complex128)
    for k in range(len(moved_props)):
        there = (moved_x[k], moved_y[k], phase, corners, points, weights, moved_props[k])
        evaluate(mean, w, there, made, forces)
        for r in range(4):
            slopes[r, 3 + k] = made[r].imag / STEP
        for i in range(loads.shape[0]):
            loads[i, 3 + k] = forces[i + 2].imag / STEP


@kernel
def respond(means, cell, bandwidth, moved_x, moved_y, moved_props):
    """Return stresses and energies ``(points, 4)`` and their slopes to strains and directions, and success.

    `means` are strains ``(points, 3)``. `moved_x`, `moved_y`, `moved_props` are sides and properties moved by
    the complex step, one direction after the other on a first axis; the slopes are
    ``(points, 4, 3 + directions)``.
    """
    n, m = 2 * cell[3].shape[1], len(moved_props)
    made, slopes = np.empty((len(means), 4, 1)), np.empty((len(means), 4, 3 + m))
    band, G, mean_C = np.empty((n - 2, bandwidth + 1)), np.empty((n, 3)), np.empty((3, 3))
    w, loads = np.empty(n), np.empty((n - 2, 3 + m))
    for point in range(len(means)):
        w.fill(0.0)
        if not relax(means[point], w, cell, made[point], band, G, mean_C):
            return made, slopes, False
        for k in range(3):
            slopes[point, 3, k] = made[point, k, 0]  # energy is at its least in w
            for r in range(3):
                slopes[point, r, k] = mean_C[r, k]
            for i in range(n - 2):
                loads[i, k] = G[i + 2, k]
        _step_directions(means[point], w, cell, moved_x, moved_y, moved_props, slopes[point], loads)
        solve_band(band, loads)
        for i in range(n - 2):
            for k in range(3 + m):
                loads[i, k] = -loads[i, k]
        _add_coupling(G, loads, slopes[point])
    return made, slopes, True


@kernel
def form(chi, cell):
    """Return <(E_i + eps(chi_i)) : C (E_j + eps(chi_j))> ``(3, 3)`` of a complex cell at zero strain."""
    sides_x, sides_y, phase, corners, points, weights, props = cell
    made, B, unit = np.zeros((3, 3), np.complex128), np.empty((3, 8), np.complex128), np.eye(3)
    strains, stresses = np.empty((3, 3), np.complex128), np.empty((3, 3), np.complex128)
    area = sides_x.sum() * sides_y.sum()
    for i in range(sides_x.size):
        for j in range(sides_y.size):
            e, p = i * sides_y.size + j, props[phase[i, j]].copy()
            p[3] = 1  # linear
            for a in range(points.size):
                for b in range(points.size):
                    share = weights[a] * weights[b] * sides_x[i] * sides_y[j] / area
                    _fill_modes(sides_x[i], sides_y[j], points[a], points[b], B)
                    for r in range(3):
                        xx, yy, xy = _strain(unit[r], chi[r], B, corners, e)
                        strains[r, 0], strains[r, 1], strains[r, 2] = xx, yy, xy
                        s_xx, s_yy, s_xy = stress(xx, yy, xy, p)
                        stresses[r, 0], stresses[r, 1], stresses[r, 2] = s_xx, s_yy, s_xy
                    for r in range(3):
                        for s in range(3):
                            for k in range(3):
                                made[r, s] += share * strains[r, k] * stresses[s, k]
    return made
