"""The membrane of `laplace64` once more, with a Crank-Nicolson chain: nothing is shared with the package.

    u = displacement(stiffness)                                 169 values of the membrane
    log_a, reference, step = tuned(data, steps, rng)            where a chain begins, and its fixed kernel
    draws, accepted, log_a = walk(data, log_a, reference, ...)  preconditioned Crank-Nicolson; no derivative

Assembly is written out for bilinear squares, and the matrix is factorised by a banded Cholesky of our own,
four columns at a time; both run in compiled code, some hundred microseconds for a likelihood.

The reference law of the proposal is normal. It begins as Laplace's, found here by Gauss-Newton steps with
differences; then it is learned from the chain's own draws in `ROUNDS` rounds, and fixed. What follows is a
chain with one kernel (S. L. Cotter et al., Statistical Science 28 (2013) 424, doi:10.1214/13-STS421).
"""

import numpy as np
from numba import njit

ELEMENTS, SQUARES, SD, LOAD = 32, 8, 0.05, 10.0
PRIOR_MEAN, PRIOR_SD = 4.0, 2.0  # of ln a
INNER = ELEMENTS - 1  # nodes along a side that are not held
SIZE, BAND, BLOCK = INNER**2, INNER + 1, 4
STRIDE = BAND + 2 * BLOCK  # of a column in memory
COLUMNS = SIZE + BLOCK + BAND + BLOCK  # the last ones are there to be read and written without asking
ROUNDS = 8
WIDER = 1.1  # the reference's sds over the draws': chains stick where a target has the wider tail
WANTED_RATE = 0.25
FIRST_COUNTS = 8000  # draws (each 25 steps after the last) that the first guess of the reference is worth
THIN = 500  # steps between two kept draws


@njit(fastmath=True)
def _assemble(a, band):
    """Fill the columns of the lower triangle from coefficients ``(64,)``."""
    per_square = ELEMENTS // SQUARES
    band[:] = 0.0
    for x in range(1, ELEMENTS):
        left, right = (x - 1) // per_square, x // per_square
        for y in range(1, ELEMENTS):
            below, above = (y - 1) // per_square * SQUARES, y // per_square * SQUARES
            node = (x - 1) * INNER + y - 1
            south_east, north_east = a[below + right], a[above + right]
            band[node, 0] = (a[below + left] + a[above + left] + south_east + north_east) * (4.0 / 6.0)
            if y < INNER:
                band[node, 1] = -(a[above + left] + north_east) / 6.0
            if x < INNER:
                band[node, INNER] = -(south_east + north_east) / 6.0
            if x < INNER and y < INNER:
                band[node, INNER + 1] = -north_east * (2.0 / 6.0)
            if x < INNER and y > 1:
                band[node, INNER - 1] = -south_east * (2.0 / 6.0)
    for node in range(SIZE, COLUMNS):
        band[node, 0] = 1.0


@njit(fastmath=True)
def _factorise(band, load, panel):
    """Replace the matrix by its Cholesky factor and the load by the forward solution."""
    for first in range(0, SIZE, BLOCK):
        for c in range(BLOCK):
            column = first + c
            if not band[column, 0] > 0.0:
                return False
            scale = 1.0 / np.sqrt(band[column, 0])
            for k in range(BAND + 1):
                band[column, k] *= scale
                panel[c, c + k] = band[column, k]
            load[column] *= scale
            for k in range(1, BAND + 1):
                load[column + k] -= band[column, k] * load[column]
            for other in range(c + 1, BLOCK):
                factor = panel[c, other]
                for k in range(BAND + 1):
                    band[first + other, k] -= factor * panel[c, other + k]
        for k in range(BLOCK, BLOCK + BAND):
            f0, f1, f2, f3 = panel[0, k], panel[1, k], panel[2, k], panel[3, k]
            for m in range(BAND):
                band[first + k, m] -= (
                    f0 * panel[0, k + m] + f1 * panel[1, k + m] + f2 * panel[2, k + m] + f3 * panel[3, k + m]
                )
    return True


@njit(fastmath=True)
def _substitute(band, load):
    """Replace the forward solution by the solution."""
    for column in range(SIZE - 1, -1, -1):
        rest = 0.0
        for k in range(1, BAND + 1):
            rest += band[column, k] * load[column + k]
        load[column] = (load[column] - rest) / band[column, 0]


@njit(fastmath=True)
def _at_sensors(u, values):
    """Bilinear interpolation to the 13 x 13 lattice of spacing 1/14, x slowest."""
    for i in range(13):
        at_x = (i + 1) / 14 * ELEMENTS
        x = int(at_x)
        right = at_x - x
        for j in range(13):
            at_y = (j + 1) / 14 * ELEMENTS
            y = int(at_y)
            up, node = at_y - y, (x - 1) * INNER + y - 1
            values[13 * i + j] = (1 - right) * ((1 - up) * u[node] + up * u[node + 1]) + right * (
                (1 - up) * u[node + INNER] + up * u[node + INNER + 1]
            )


@njit
def _work():
    panel = np.zeros((BLOCK, 2 * (BAND + BLOCK)))
    return np.zeros((COLUMNS, STRIDE)), np.zeros(COLUMNS), panel, np.zeros(169)


@njit
def _displacement(a, band, load, panel, values):
    _assemble(a, band)
    load[:] = 0.0
    load[:SIZE] = LOAD / ELEMENTS**2
    if not _factorise(band, load, panel):
        values[:] = np.inf
        return
    load[SIZE:] = 0.0
    _substitute(band, load)
    _at_sensors(load, values)


@njit
def displacement(a):
    """Return the 169 displacements for coefficients ``(64,)``, number 8 row + column."""
    band, load, panel, values = _work()
    _displacement(a, band, load, panel, values)
    return values


@njit
def walk(data, log_a, reference, step, steps, thin, rng):
    """Return draws ``(steps // thin, 64)`` of ln a, how many proposals were accepted, and the last ln a.

    `reference` is the centre ``(64,)`` and the lower Cholesky factor ``(64, 64)`` of the normal law that the
    proposal ``w <- sqrt(1 - step^2) w + step xi`` keeps; all that differs from it decides on acceptance.
    """
    centre, root = reference
    work = _work()
    w = np.linalg.solve(root, log_a - centre)
    excess = _excess(data, log_a, w, work)
    draws, accepted = np.empty((steps // thin, 64)), 0
    for number in range(steps):
        proposed = np.sqrt(1.0 - step**2) * w + step * rng.standard_normal(64)
        there = centre + root @ proposed
        other = _excess(data, there, proposed, work)
        if np.log(rng.random()) < other - excess:
            w, log_a, excess, accepted = proposed, there, other, accepted + 1
        if (number + 1) % thin == 0:
            draws[number // thin] = log_a
    return draws, accepted, log_a


@njit
def _excess(data, log_a, w, work):
    """Return the log-density of the posterior less that of the reference, both without constants."""
    band, load, panel, values = work
    _displacement(np.exp(log_a), band, load, panel, values)
    misfit, prior, reference = 0.0, 0.0, 0.0
    for i in range(169):
        misfit += (values[i] - data[i]) ** 2
    for i in range(64):
        prior += (log_a[i] - PRIOR_MEAN) ** 2
        reference += w[i] ** 2
    value = -0.5 * (misfit / SD**2 + prior / PRIOR_SD**2 - reference)
    return value if np.isfinite(value) else -np.inf


def log_likelihood(data, log_a):
    """Return the log-likelihood without its constant."""
    return -0.5 * np.sum((displacement(np.exp(log_a)) - data) ** 2) / SD**2


def laplace_reference(data, steps=60):
    """Return centre and Cholesky factor of Laplace's law, by damped Gauss-Newton steps with differences."""
    log_a, damping = np.zeros(64), 1.0
    for _ in range(steps):
        slope, precision = _normal_equations(data, log_a)
        proposed = log_a + np.linalg.solve(precision + damping * np.diag(np.diag(precision)), slope)
        better = _log_posterior(data, proposed) > _log_posterior(data, log_a)
        log_a, damping = (proposed, damping / 3) if better else (log_a, damping * 4)
    return log_a, np.linalg.cholesky(np.linalg.inv(_normal_equations(data, log_a)[1]))


def _log_posterior(data, log_a):
    return log_likelihood(data, log_a) - 0.5 * np.sum((log_a - PRIOR_MEAN) ** 2) / PRIOR_SD**2


def _normal_equations(data, log_a, h=1e-6):
    here = displacement(np.exp(log_a))
    moved = [displacement(np.exp(log_a + h * unit)) for unit in np.eye(64)]
    jacobian = (np.array(moved).T - here[:, None]) / h
    slope = jacobian.T @ (data - here) / SD**2 - (log_a - PRIOR_MEAN) / PRIOR_SD**2
    return slope, jacobian.T @ jacobian / SD**2 + np.eye(64) / PRIOR_SD**2


def tuned(data, steps, rng, pieces=40):
    """Return ln a, reference and step of a chain that learned them in `steps` steps, which are forgotten."""
    first = laplace_reference(data)
    reference, step, log_a, known = first, 0.1, first[0].copy(), []
    for _ in range(ROUNDS):
        for _ in range(pieces):
            count = steps // ROUNDS // pieces
            draws, accepted, log_a = walk(data, log_a, reference, step, count, 25, rng)
            step = float(np.clip(step * np.exp(accepted / count - WANTED_RATE), 1e-3, 0.9))
            known.append(draws)
        reference = _learned(np.concatenate(known[len(known) // 3 :]), first)
    return log_a, reference, step


def _learned(draws, first):
    """Return the law of the draws, which are far from independent, held back by the first guess of it."""
    weight = len(draws) / (len(draws) + FIRST_COUNTS)
    centre = weight * draws.mean(axis=0) + (1 - weight) * first[0]
    spread = weight * np.cov(draws, rowvar=False) + (1 - weight) * first[1] @ first[1].T
    return centre, WIDER * np.linalg.cholesky(spread)
