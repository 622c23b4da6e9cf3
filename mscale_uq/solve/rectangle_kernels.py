"""Compiled kernels of bilinear elements on a uniform rectangle, held at zero on its boundary.

The operator is -div(K grad u) with one symmetric tensor per element, ``(3, n1, n2)``: K11, K22, K12. On a
rectangle h1 x h2 with mean gradient g and hourglass w of the corner values, its energy is exactly

    h1 h2 (K11 g1^2 + K22 g2^2 + 2 K12 g1 g2 + (K11 / h1^2 + K22 / h2^2) w^2 / 12).

Conjugate gradients are preconditioned by the mean diagonal tensor, which sine transforms diagonalise, since
sines are the eigenvectors of the one-dimensional stiffness and mass matrices alike. Transforms are dense
products in single precision: faster than a Fourier transform at these sizes.
"""

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.solve.fourier_kernels import FAST, dot
from mscale_uq.solve.kernel import kernel


def sines(elements: int) -> Array:
    """Return the orthonormal sine vectors ``(n - 1, n - 1)`` of n elements, single precision."""
    k = np.arange(1, elements)
    return (np.sqrt(2.0 / elements) * np.sin(np.pi * np.outer(k, k) / elements)).astype(np.float32)


def line_eigenvalues(elements: int, step: float) -> tuple[Array, Array]:
    """Return the eigenvalues of the linear elements' stiffness and mass matrix to `sines`, ``(n - 1,)``."""
    turn = np.cos(np.pi * np.arange(1, elements) / elements)
    return 2.0 * (1.0 - turn) / step, step * (2.0 + turn) / 3.0


@kernel(**FAST)
def apply(K: Array, u: Array, steps: tuple[float, float], out: Array) -> None:
    """Write A u into out, both ``(n1 + 1, n2 + 1)`` with zeros on the boundary."""
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
    out[0] = 0.0
    out[n1] = 0.0
    out[:, 0] = 0.0
    out[:, n2] = 0.0


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
def _precondition(r: Array, inverse: Array, first: Array, second: Array, z: Array) -> None:
    """Write the homogeneous rectangle's answer to r into z, both ``(n1 + 1, n2 + 1)``."""
    n1, n2 = r.shape[0] - 2, r.shape[1] - 2
    inner = np.empty((n1, n2), np.float32)
    for i in range(n1):
        for j in range(n2):
            inner[i, j] = r[i + 1, j + 1]
    inner = np.dot(np.dot(first, inner), second) * inverse
    inner = np.dot(np.dot(first, inner), second)
    for i in range(n1):
        for j in range(n2):
            z[i + 1, j + 1] = inner[i, j]


@kernel(**FAST)
def solve(
    K: Array,
    load: Array,
    steps: tuple[float, float],
    inverse: Array,
    bases: tuple[Array, Array],
    tolerance: float,
    max_iterations: int,
) -> tuple[Array, bool]:
    """Return u of A u = load, all ``(n1 + 1, n2 + 1)``, and whether the residual came below the tolerance.

    `inverse` ``(n1 - 1, n2 - 1)`` holds 1 / (eigenvalue of the preconditioner), `bases` the `sines`.
    The tolerance is that of the preconditioned residual norm, relative to its start.
    """
    u, r = np.zeros_like(load), load.copy()
    z, p, q = np.zeros_like(load), np.zeros_like(load), np.empty_like(load)
    r[0], r[-1] = 0.0, 0.0
    r[:, 0], r[:, -1] = 0.0, 0.0
    start, old = 0.0, 1.0
    for iteration in range(max_iterations):
        _precondition(r, inverse, bases[0], bases[1], z)
        new = dot(r, z)
        if iteration == 0:
            start = new
        if new <= tolerance**2 * start:
            return u, True
        keep = new / old if iteration else 0.0
        for i in range(p.shape[0]):
            for j in range(p.shape[1]):
                p[i, j] = z[i, j] + keep * p[i, j]
        apply(K, p, steps, q)
        step = new / dot(p, q)
        for i in range(p.shape[0]):
            for j in range(p.shape[1]):
                u[i, j] += step * p[i, j]
                r[i, j] -= step * q[i, j]
        old = new
    return u, False
