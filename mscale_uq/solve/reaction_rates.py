"""The rates of reactions: among whole numbers of molecules, and as smooth functions of many.

Reaction r happens at the rate a_r = c prod_j binom(x_j, o_j) h, with h a Hill factor or one; among many
molecules binom(x, o) becomes x^o / o!. A network is arrays, so that one compiled kernel serves all of them.
"""

from typing import NamedTuple

import numpy as np

from mscale_uq.solve.kernel import kernel


class Structure(NamedTuple):
    """A network as arrays; R reactions, entries that are not used have order or step zero.

    Attributes
    ----------
    constant
        Place of each rate constant among the parameters ``(R,)``.
    taken, order
        Species that the rate depends on, and how many of them meet ``(R, K)``.
    hill
        Of the Hill factor ``(R, 4)``: species or -1, places of its two parameters, +1 or -1 if it represses.
    moved, step
        Species that a reaction changes, and by how much ``(R, L)``.
    first, heard
        Reaction r changes the rates of ``heard[first[r]:first[r + 1]]``.
    """

    constant: np.ndarray
    taken: np.ndarray
    order: np.ndarray
    hill: np.ndarray
    moved: np.ndarray
    step: np.ndarray
    first: np.ndarray
    heard: np.ndarray


def packed(s: Structure, species: int) -> tuple[float, ...]:
    """Return a network as numbers that parameters may go on with; `unpacked` finds them at the end."""
    parts = [np.ravel(part) for part in s]
    sizes = [species, s.constant.size, s.order.shape[1], s.step.shape[1], s.heard.size]
    return tuple(float(number) for number in np.concatenate([*parts, sizes]))


@kernel
def whole(z):
    """Return the whole number that a number holds."""
    return int(np.floor(z.real + 0.5))


@kernel
def table(p, place, rows, columns):
    """Return whole numbers ``(rows, columns)`` from a place of p on."""
    made = np.empty((rows, columns), np.int64)
    for i in range(rows):
        for j in range(columns):
            made[i, j] = whole(p[place + i * columns + j])
    return made


@kernel
def unpacked(p):
    """Return the network that p ends with, and the number of its species."""
    n, R, K, L, H = whole(p[-5]), whole(p[-4]), whole(p[-3]), whole(p[-2]), whole(p[-1])
    at = p.size - 5 - (R * (6 + 2 * K + 2 * L) + 1 + H)
    ends = at + R * (5 + 2 * K + 2 * L)
    return Structure(
        table(p, at, 1, R)[0], table(p, at + R, R, K), table(p, at + R + R * K, R, K),
        table(p, at + R + 2 * R * K, R, 4),
        table(p, at + 5 * R + 2 * R * K, R, L), table(p, at + 5 * R + 2 * R * K + R * L, R, L),
        table(p, ends, 1, R + 1)[0], table(p, ends + R + 1, 1, H)[0],
    ), n  # fmt: skip


@kernel
def hill_factor(number, half, steepness, sign):
    """Return the Hill factor and its derivative to the regulator's number."""
    u, w = number**steepness, half**steepness
    share = u / (w + u) if sign > 0 else w / (w + u)
    return share, sign * steepness * number ** (steepness - 1) * w / (w + u) ** 2


@kernel(inline="always")
def chance(constant, taken, order, hill, r, x, p):
    """Return the rate of a reaction among whole numbers x of molecules; see `Structure`.

    Arrays come one by one: taken out of a tuple in a loop, each would cost more than the rate itself.
    """
    a = p[constant[r]]
    for k in range(order.shape[1]):
        if order[r, k] > 0:
            number = x[taken[r, k]]
            a *= number
            for i in range(1, order[r, k]):
                a *= (number - i) / (i + 1)
    if hill[r, 0] >= 0:
        a *= hill_factor(x[hill[r, 0]], p[hill[r, 1]], p[hill[r, 2]], hill[r, 3])[0]
    return a


@kernel
def power(x, order):
    """Return x^order / order!, what the number of combinations becomes among many."""
    made = 1.0 + 0 * x
    for i in range(order):
        made = made * x / (i + 1)
    return made


@kernel
def smooth_rate(s, r, x, p, without):
    """Return the rate of a reaction among many molecules; with derivative in place of factor `without`.

    The factors are the species taken, in order, then the Hill factor (number K); -1: the rate itself.
    """
    a, K = p[s.constant[r]] + 0 * x[0], s.order.shape[1]
    for k in range(K):
        o = s.order[r, k]
        if o > 0:
            number = x[s.taken[r, k]]
            a = a * (power(number, o - 1) if k == without else power(number, o))
    if s.hill[r, 0] >= 0:
        value, slope = hill_factor(x[s.hill[r, 0]], p[s.hill[r, 1]], p[s.hill[r, 2]], s.hill[r, 3])
        a = a * (slope if without == K else value)
    return a


@kernel
def drift(s, x, p, dx):
    """Fill dx = S a(x): the equation of the mean among many molecules."""
    dx[:] = 0
    for r in range(s.constant.size):
        a = smooth_rate(s, r, x, p, -1)
        for k in range(s.step.shape[1]):
            dx[s.moved[r, k]] += s.step[r, k] * a


@kernel
def add_slope(s, r, species, slope, C, dC):
    """Add to dC what a reaction's rate does by its slope to one species: S_r slope C' and its mirror."""
    for k in range(s.step.shape[1]):
        i = s.moved[r, k]
        for j in range(C.shape[0]):
            gain = s.step[r, k] * slope * C[species, j]
            dC[i, j] += gain
            dC[j, i] += gain


@kernel
def spread(s, x, C, p, dC):
    """Fill dC = J C + C J' + S diag(a) S' with J the derivative of the drift: linear noise."""
    dC[:] = 0
    for r in range(s.constant.size):
        for k in range(s.order.shape[1]):
            if s.order[r, k] > 0:
                add_slope(s, r, s.taken[r, k], smooth_rate(s, r, x, p, k), C, dC)
        if s.hill[r, 0] >= 0:
            add_slope(s, r, s.hill[r, 0], smooth_rate(s, r, x, p, s.order.shape[1]), C, dC)
        a = smooth_rate(s, r, x, p, -1)
        for k in range(s.step.shape[1]):
            for m in range(s.step.shape[1]):
                dC[s.moved[r, k], s.moved[r, m]] += s.step[r, k] * s.step[r, m] * a


@kernel
def drift_and_spread(s, n, z, p, dz):
    """Fill the rate of z = (mean, lower triangle of the covariance row by row), with n means."""
    C, dC = np.empty((n, n), z.dtype), np.empty((n, n), z.dtype)
    place = n
    for i in range(n):
        for j in range(i + 1):
            C[i, j] = C[j, i] = z[place]
            place += 1
    drift(s, z[:n], p, dz[:n])
    spread(s, z[:n], C, p, dC)
    place = n
    for i in range(n):
        for j in range(i + 1):
            dz[place] = dC[i, j]
            place += 1


# What `Rate` compiles.


def mean_rate(t, x, p, dx):  # noqa: ARG001
    """Fill the rate of the means, whatever the network: p ends with it."""
    drift(unpacked(p)[0], x, p, dx)


def moment_rate(t, z, p, dz):  # noqa: ARG001
    """Fill the rate of means and covariances."""
    structure, n = unpacked(p)
    drift_and_spread(structure, n, z, p, dz)
