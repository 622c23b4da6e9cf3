"""Compiled kernels of bilinear elements on a uniform rectangle, its sides held at zero, free, or exchanging.

The operator is -div(K grad u) with one symmetric tensor per element, ``(3, n1, n2)``: K11, K22, K12. On a
rectangle h1 x h2 with mean gradient g and hourglass w of the corner values, its energy is exactly

    h1 h2 (K11 g1^2 + K22 g2^2 + 2 K12 g1 g2 + (K11 / h1^2 + K22 / h2^2) w^2 / 12).

A side, in the order left, right, bottom, top, is held or has an exchange, zero where it is free: the outflow
per length and per u. Conjugate gradients are preconditioned by the mean diagonal tensor, which the modes of
both lines diagonalise: sines between held ends, cosines between free ones. Transforms are dense products in
single precision: faster than a Fourier transform at these sizes.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.linalg import eigh

from mscale_uq.core.parameter import Array
from mscale_uq.solve.fourier_kernels import FAST, dot
from mscale_uq.solve.kernel import kernel

LEAST_MODE = 1e-12  # of the largest eigenvalue: that of a line with two free ends, which is zero
LINES = 64  # whose modes are kept


class End(NamedTuple):
    """Of a line: held at zero, or with an exchange relative to the line's conductivity, 1/length."""

    held: bool
    exchange: float = 0.0


@lru_cache(LINES)
def line_modes(elements: int, step: float, first: End, last: End) -> tuple[Array, Array]:
    """Return eigenvalues of -d2/dx2 on linear elements, and eigenvectors ``(nodes, modes)``.

    The vectors are orthonormal in the mass matrix, without held nodes, in single precision.
    """
    n = elements + 1
    off = np.eye(n, k=1) + np.eye(n, k=-1)
    inner = np.diag(np.r_[1.0, np.full(n - 2, 2.0), 1.0])
    stiffness, mass = (inner - off) / step, step * (2.0 * inner + off) / 6.0
    stiffness[0, 0] += first.exchange
    stiffness[-1, -1] += last.exchange
    free = slice(int(first.held), n - int(last.held))
    values, vectors = eigh(stiffness[free, free], mass[free, free])
    return np.maximum(values, LEAST_MODE * values[-1]), np.ascontiguousarray(vectors, dtype=np.float32)


@kernel(**FAST)
def exchanged(exchange: Array, u: Array, steps: tuple[float, float], out: Array) -> None:
    """Add what leaves through the four sides to out ``(n1 + 1, n2 + 1)``."""
    n1, n2 = u.shape[0] - 1, u.shape[1] - 1
    for side in range(4):
        if exchange[side] != 0.0:
            part = exchange[side] * steps[1 if side < 2 else 0] / 6.0
            if side < 2:
                i = side * n1
                for j in range(n2):
                    out[i, j] += part * (2.0 * u[i, j] + u[i, j + 1])
                    out[i, j + 1] += part * (u[i, j] + 2.0 * u[i, j + 1])
            else:
                j = (side - 2) * n2
                for i in range(n1):
                    out[i, j] += part * (2.0 * u[i, j] + u[i + 1, j])
                    out[i + 1, j] += part * (u[i, j] + 2.0 * u[i + 1, j])


@kernel(**FAST)
def hold(held: Array, u: Array) -> None:
    """Set u to zero on the held sides."""
    if held[0]:
        u[0] = 0.0
    if held[1]:
        u[-1] = 0.0
    if held[2]:
        u[:, 0] = 0.0
    if held[3]:
        u[:, -1] = 0.0


@kernel(**FAST)
def apply(K: Array, u: Array, steps: tuple[float, float], held: Array, exchange: Array, out: Array) -> None:
    """Write A u into out, both ``(n1 + 1, n2 + 1)`` with zeros on the held sides."""
    n1, n2 = K.shape[1], K.shape[2]
    h1, h2 = steps
    out[:] = 0.0
    a, b, c = 0.25 * h2 / h1, 0.25 * h1 / h2, 0.25
    d, e = h2 / (12.0 * h1), h1 / (12.0 * h2)
    for i in range(n1):
        top, bottom, up, down = u[i], u[i + 1], out[i], out[i + 1]
        for j in range(n2):
            k11, k22, k12 = K[0, i, j], K[1, i, j], K[2, i, j]
            first = bottom[j] + bottom[j + 1] - top[j] - top[j + 1]
            second = top[j + 1] + bottom[j + 1] - top[j] - bottom[j]
            twist = top[j] - top[j + 1] - bottom[j] + bottom[j + 1]
            p = a * k11 * first + c * k12 * second
            q = b * k22 * second + c * k12 * first
            r = (d * k11 + e * k22) * twist
            up[j] += r - p - q
            up[j + 1] += q - p - r
            down[j] += p - q - r
            down[j + 1] += p + q + r
    exchanged(exchange, u, steps, out)
    hold(held, out)


@kernel(**FAST)
def contract(v: Array, u: Array, steps: tuple[float, float], out: Array) -> None:
    """Write d(v . A u)/dK into out ``(3, n1, n2)``, K12 standing for both of its places."""
    n1, n2 = out.shape[1], out.shape[2]
    h1, h2 = steps
    a, b, c = 0.25 * h2 / h1, 0.25 * h1 / h2, 0.25
    d, e = h2 / (12.0 * h1), h1 / (12.0 * h2)
    for i in range(n1):
        for j in range(n2):
            f1 = u[i + 1, j] + u[i + 1, j + 1] - u[i, j] - u[i, j + 1]
            f2 = u[i, j + 1] + u[i + 1, j + 1] - u[i, j] - u[i + 1, j]
            f3 = u[i, j] - u[i, j + 1] - u[i + 1, j] + u[i + 1, j + 1]
            g1 = v[i + 1, j] + v[i + 1, j + 1] - v[i, j] - v[i, j + 1]
            g2 = v[i, j + 1] + v[i + 1, j + 1] - v[i, j] - v[i + 1, j]
            g3 = v[i, j] - v[i, j + 1] - v[i + 1, j] + v[i + 1, j + 1]
            out[0, i, j] = a * g1 * f1 + d * g3 * f3
            out[1, i, j] = b * g2 * f2 + e * g3 * f3
            out[2, i, j] = c * (g1 * f2 + g2 * f1)


@kernel(**FAST)
def _precondition(r: Array, held: Array, inverse: Array, first: Array, second: Array, z: Array) -> None:
    """Write the homogeneous rectangle's answer to r into z, both ``(n1 + 1, n2 + 1)``."""
    n1, n2 = first.shape[0], second.shape[0]
    i0, j0 = 1 if held[0] else 0, 1 if held[2] else 0
    inner = np.empty((n1, n2), np.float32)
    for i in range(n1):
        for j in range(n2):
            inner[i, j] = r[i + i0, j + j0]
    inner = np.dot(np.dot(first.T, inner), second) * inverse
    inner = np.dot(np.dot(first, inner), second.T)
    for i in range(n1):
        for j in range(n2):
            z[i + i0, j + j0] = inner[i, j]


@kernel(**FAST)
def solve(
    K: Array,
    load: Array,
    steps: tuple[float, float],
    sides: tuple[Array, Array],
    inverse: Array,
    bases: tuple[Array, Array],
    tolerance: float,
    max_iterations: int,
) -> tuple[Array, bool]:
    """Return u of A u = load, all ``(n1 + 1, n2 + 1)``, and whether the residual came below the tolerance.

    `sides` says which are held ``(4,)``, and their exchange ``(4,)``. `inverse` holds 1 / (eigenvalue of the
    preconditioner), `bases` the vectors of `line_modes`. The tolerance is that of the preconditioned residual
    norm, relative to its start.
    """
    held, exchange = sides
    u, r = np.zeros_like(load), load.copy()
    z, p, q = np.zeros_like(load), np.zeros_like(load), np.empty_like(load)
    hold(held, r)
    start, old = 0.0, 1.0
    for iteration in range(max_iterations):
        _precondition(r, held, inverse, bases[0], bases[1], z)
        new = dot(r, z)
        if iteration == 0:
            start = new
        if new <= tolerance**2 * start:
            return u, True
        keep = new / old if iteration else 0.0
        for i in range(p.shape[0]):
            for j in range(p.shape[1]):
                p[i, j] = z[i, j] + keep * p[i, j]
        apply(K, p, steps, held, exchange, q)
        step = new / dot(p, q)
        for i in range(p.shape[0]):
            for j in range(p.shape[1]):
                u[i, j] += step * p[i, j]
                r[i, j] -= step * q[i, j]
        old = new
    return u, False


@kernel(**FAST)
def fill_band(K: Array, steps: tuple[float, float], held: Array, exchange: Array, band: Array) -> None:
    """Write the lower triangle of A into band ``(n2 + 3, nodes)``, LAPACK's; held nodes stand alone."""
    n1, n2 = K.shape[1], K.shape[2]
    m = n2 + 1
    h1, h2 = steps
    a, b, c = 0.25 * h2 / h1, 0.25 * h1 / h2, 0.25
    d, e = h2 / (12.0 * h1), h1 / (12.0 * h2)
    band[:] = 0.0
    for i in range(n1):
        for j in range(n2):
            x, y, z = a * K[0, i, j], b * K[1, i, j], c * K[2, i, j]
            r, node = d * K[0, i, j] + e * K[1, i, j], i * m + j
            corner, cross = x + y + r, 2.0 * z
            band[0, node] += corner + cross
            band[0, node + 1] += corner - cross
            band[0, node + m] += corner - cross
            band[0, node + m + 1] += corner + cross
            band[1, node] += x - y - r
            band[1, node + m] += x - y - r
            band[m, node] += y - x - r
            band[m, node + 1] += y - x - r
            band[m + 1, node] += r - x - y - cross
            band[m - 1, node + 1] += r - x - y + cross
    for side in range(4):
        if exchange[side] != 0.0:
            along, across = (1, m) if side < 2 else (m, 1)
            first = (side * n1 if side < 2 else (side - 2) * n2) * across
            part = exchange[side] * steps[1 if side < 2 else 0] / 6.0
            for k in range(n2 if side < 2 else n1):
                node = first + k * along
                band[0, node] += 2.0 * part
                band[0, node + along] += 2.0 * part
                band[along, node] += part
    for i in range(n1 + 1):
        for j in range(m):
            if (held[0] and i == 0) or (held[1] and i == n1) or (held[2] and j == 0) or (held[3] and j == n2):
                node = i * m + j
                band[:, node] = 0.0
                band[0, node] = 1.0
                for k in range(1, min(node, m + 1) + 1):
                    band[k, node - k] = 0.0
