"""The periodic cell problem without a matrix: conjugate gradients, preconditioned by the homogeneous cell.

Both unit gradients are solved at once. The homogeneous cell is inverted by a Fourier transform that carries
the two residuals as real and imaginary part; it works in single precision, the conjugate gradients in
double. Their number grows with the root of the contrast.
"""

from typing import final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.solve.fourier_kernels import (
    FAST,
    bit_reversed,
    dot,
    is_power_of_two,
    multiply_spectrum,
    twiddles,
)
from mscale_uq.solve.kernel import kernel

MAX_CONTRAST = 1e3  # beyond, a factorisation is the safer and soon the faster way
MAX_ITERATIONS = 300


@final
class FourierCell:
    """Correctors and tensor of a periodic grid of ``(n1, n2)`` elements, n1 and n2 powers of two.

    Parameters
    ----------
    shape
        Number of elements along y1 and y2.
    weights
        Factors of the element modes (`mscale_uq.cell.grid`): mean gradients along y1 and y2, hourglass.
    """

    def __init__(self, shape: tuple[int, int], weights: tuple[float, float, float]) -> None:
        self.shape = shape
        self.weights = weights
        self._turns = (twiddles(shape[0]), twiddles(shape[1]))
        self._inverse = _inverse_symbol(shape, weights)

    def tensor(self, k: Array, tolerance: float) -> tuple[Array, Array] | None:
        """Return K ``(2, 2)`` and dK/dk ``(2, 2, n1, n2)``; None if the iterations do not converge.

        `tolerance` is that of the preconditioned residual norm, relative to that of correctors that vanish,
        wherever the iterations begin; the error of K is of the order of its square.
        """
        correctors, iterations = self.correctors(k, tolerance)
        return _average(k, correctors, self.weights) if iterations <= MAX_ITERATIONS else None

    def tensors(self, k: Array, tolerance: float, starts: Array) -> tuple[Array, Array] | None:
        """Return K ``(members, 2, 2)`` and dK/dk ``(members, 2, 2, n1, n2)`` of a family of cells.

        None if the iterations do not converge for one of k ``(members, n1, n2)``. Each member begins where
        `starts` says (`mscale_uq.solve.neighbours`).
        """
        correctors, iterations = self.family(k, tolerance, starts)
        return _averages(k, correctors, self.weights) if iterations.max() <= MAX_ITERATIONS else None

    def correctors(self, k: Array, tolerance: float, begin: Array | None = None) -> tuple[Array, int]:
        """Return both correctors ``(2, n1, n2)``, and after how many iterations from `begin`.

        More than `MAX_ITERATIONS` says that they did not converge.
        """
        begin = np.empty((0, *self.shape)) if begin is None else begin
        return _solve(k, begin, self.weights, self._inverse, self._turns, tolerance, MAX_ITERATIONS)

    def family(self, k: Array, tolerance: float, starts: Array) -> tuple[Array, Array]:
        """Return the correctors ``(members, 2, n1, n2)`` and iterations ``(members,)`` of a family."""
        return _family(k, starts, self.weights, self._inverse, self._turns, tolerance, MAX_ITERATIONS)


def suits(shape: tuple[int, int], k: Array) -> bool:
    """Whether this way is open and good for a grid and its conductivities."""
    return min(shape) > 1 and all(map(is_power_of_two, shape)) and bool(k.max() <= MAX_CONTRAST * k.min())


def _inverse_symbol(shape: tuple[int, int], weights: tuple[float, float, float]) -> Array:
    """Return 1 / (eigenvalue of the homogeneous cell), bit-reversed and transposed, zero for the mean."""
    sine, cosine = zip(
        *[(np.sin(a), np.cos(a)) for a in (np.pi * np.arange(n) / n for n in shape)], strict=True
    )
    along_1 = np.outer(sine[0] ** 2, cosine[1] ** 2) * 16 * weights[0] ** 2
    along_2 = np.outer(cosine[0] ** 2, sine[1] ** 2) * 16 * weights[1] ** 2
    eigenvalue = along_1 + along_2 + np.outer(sine[0] ** 2, sine[1] ** 2) * 16 * weights[2] ** 2
    # The corner frequencies of even grids are seen by the hourglass mode alone, the mean by none.
    inverse = np.divide(1.0, eigenvalue, out=np.zeros(shape), where=eigenvalue > 0) / (shape[0] * shape[1])
    order = bit_reversed(shape[0])[:, None], bit_reversed(shape[1])
    return np.ascontiguousarray(inverse[order].T).astype(np.float32)


@kernel(**FAST)
def _modes(
    top: Array, bottom: Array, weights: tuple[float, float, float], f: Array, g: Array, h: Array
) -> None:
    """Write the three modes of a row of elements ``(n2,)`` from the nodes above and below it."""
    w1, w2, w3 = weights
    last = top.size - 1
    for j in range(last):
        a, b, c, d = top[j], top[j + 1], bottom[j], bottom[j + 1]
        f[j] = w1 * (c + d - a - b)
        g[j] = w2 * (b + d - a - c)
        h[j] = w3 * (a - b - c + d)
    a, b, c, d = top[last], top[0], bottom[last], bottom[0]
    f[last] = w1 * (c + d - a - b)
    g[last] = w2 * (b + d - a - c)
    h[last] = w3 * (a - b - c + d)


@kernel(**FAST)
def _scatter(
    f: Array, g: Array, h: Array, weights: tuple[float, float, float], top: Array, bottom: Array
) -> None:
    """Add the transposed modes of a row of elements to the nodes above and below it."""
    w1, w2, w3 = weights
    last = top.size - 1
    p, q, r = w1 * (f[0] + f[last]), w2 * (g[last] - g[0]), w3 * (h[0] - h[last])
    top[0] += q + r - p
    bottom[0] += p + q - r
    for j in range(1, last + 1):
        p, q, r = w1 * (f[j] + f[j - 1]), w2 * (g[j - 1] - g[j]), w3 * (h[j] - h[j - 1])
        top[j] += q + r - p
        bottom[j] += p + q - r


@kernel(**FAST)
def _apply(k: Array, u: Array, weights: tuple[float, float, float], row: Array, out: Array) -> None:
    """Write A u into out, both ``(2, n1, n2)``; `row` ``(3, n2)`` is scratch."""
    f, g, h = row[0], row[1], row[2]
    out[:] = 0.0
    for field in range(2):
        for i in range(k.shape[0]):
            below = i + 1 if i + 1 < k.shape[0] else 0
            _modes(u[field, i], u[field, below], weights, f, g, h)
            _scale(k[i], f, g, h)
            _scatter(f, g, h, weights, out[field, i], out[field, below])


@kernel(**FAST)
def _scale(k: Array, f: Array, g: Array, h: Array) -> None:
    for j in range(k.size):
        f[j] *= k[j]
        g[j] *= k[j]
        h[j] *= k[j]


@kernel(**FAST)
def _loads(k: Array, weights: tuple[float, float, float], row: Array, out: Array) -> None:
    """Write the loads of both unit gradients, minus the divergence of k, into out ``(2, n1, n2)``."""
    out[:] = 0.0
    for field in range(2):
        row[:] = 0.0
        for i in range(k.shape[0]):
            below = i + 1 if i + 1 < k.shape[0] else 0
            row[field] = -k[i]
            _scatter(row[0], row[1], row[2], weights, out[field, i], out[field, below])


@kernel(**FAST)
def _precondition(
    r: Array, inverse: Array, turns: tuple[Array, Array], z: Array, work: Array
) -> tuple[float, float]:
    """Write the homogeneous cell's solution of both residuals into z; return the squares of their norms."""
    z[:] = r
    multiply_spectrum(z[0], z[1], work[0], work[1], inverse, turns)
    return dot(r[0], z[0]), dot(r[1], z[1])


@kernel(**FAST)
def _direction(z: Array, new: tuple[float, float], old: tuple[float, float], p: Array) -> None:
    """Turn p into the next direction of both fields."""
    for field in range(2):
        keep = new[field] / old[field] if old[field] > 0.0 else 0.0
        for i in range(p.shape[1]):
            for j in range(p.shape[2]):
                p[field, i, j] = z[field, i, j] + keep * p[field, i, j]


@kernel(**FAST)
def _step(new: tuple[float, float], p: Array, q: Array, x: Array, r: Array) -> None:
    """Go along p, whose image is q, to the least energy of each field."""
    for field in range(2):
        curvature = dot(p[field], q[field])
        step = new[field] / curvature if curvature > 0.0 else 0.0
        for i in range(p.shape[1]):
            for j in range(p.shape[2]):
                x[field, i, j] += step * p[field, i, j]
                r[field, i, j] -= step * q[field, i, j]


@kernel(**FAST)
def _solve(
    k: Array,
    begin: Array,
    weights: tuple[float, float, float],
    inverse: Array,
    turns: tuple[Array, Array],
    tolerance: float,
    max_iterations: int,
) -> tuple[Array, int]:
    """Return both correctors ``(2, n1, n2)``, and after how many iterations both residuals were small enough.

    `begin` is empty, or correctors to begin with, which are taken if they leave less than none would.
    """
    n1, n2 = k.shape
    x, r, p, q = np.zeros((2, n1, n2)), np.empty((2, n1, n2)), np.zeros((2, n1, n2)), np.empty((2, n1, n2))
    z, work = np.empty((2, n1, n2), np.float32), np.empty((2, n2, n1), np.float32)
    row = np.empty((3, n2))
    _loads(k, weights, row, r)
    first = _precondition(r, inverse, turns, z, work)
    new, old = first, (1.0, 1.0)  # the first direction is z alone: p is zero
    if begin.size:
        _apply(k, begin, weights, row, q)
        r -= q
        new = _precondition(r, inverse, turns, z, work)
        if new[0] <= first[0] and new[1] <= first[1]:
            x[:] = begin
        else:
            r += q
            new = _precondition(r, inverse, turns, z, work)
    for iteration in range(max_iterations + 1):
        if new[0] <= tolerance**2 * first[0] and new[1] <= tolerance**2 * first[1]:
            return x, iteration
        _direction(z, new, old, p)
        _apply(k, p, weights, row, q)
        _step(new, p, q, x, r)
        old, new = new, _precondition(r, inverse, turns, z, work)
    return x, max_iterations + 1


@kernel(**FAST)
def _average(k: Array, correctors: Array, weights: tuple[float, float, float]) -> tuple[Array, Array]:
    """Return K ``(2, 2)`` and dK/dk ``(2, 2, n1, n2)`` from both correctors."""
    n1, n2 = k.shape
    K, dK = np.zeros((2, 2)), np.empty((2, 2, n1, n2))
    one, two = np.empty((3, n2)), np.empty((3, n2))
    first, second = correctors[0], correctors[1]
    area = 1.0 / (n1 * n2)
    for i in range(n1):
        below = i + 1 if i + 1 < n1 else 0
        _modes(first[i], first[below], weights, one[0], one[1], one[2])
        _modes(second[i], second[below], weights, two[0], two[1], two[2])
        for j in range(n2):
            a, b, c = one[0, j] + 1.0, one[1, j], one[2, j]
            d, e, f = two[0, j], two[1, j] + 1.0, two[2, j]
            dK[0, 0, i, j] = (a * a + b * b + c * c) * area
            dK[1, 1, i, j] = (d * d + e * e + f * f) * area
            dK[0, 1, i, j] = (a * d + b * e + c * f) * area
        dK[1, 0, i] = dK[0, 1, i]
    K[0, 0], K[1, 1], K[0, 1] = dot(k, dK[0, 0]), dot(k, dK[1, 1]), dot(k, dK[0, 1])
    K[1, 0] = K[0, 1]
    return K, dK


@kernel(**FAST)
def _family(
    k: Array,
    starts: Array,
    weights: tuple[float, float, float],
    inverse: Array,
    turns: tuple[Array, Array],
    tolerance: float,
    max_iterations: int,
) -> tuple[Array, Array]:
    """Return the correctors of every k ``(members, n1, n2)``, and after how many iterations each."""
    members, n1, n2 = k.shape
    found, iterations = np.empty((members, 2, n1, n2)), np.empty(members)
    begin, nothing = np.empty((2, n1, n2)), np.empty((0, n1, n2))
    for member in range(members):
        begin[:] = 0.0
        for before in range(member):
            if starts[member, before] != 0.0:
                begin += starts[member, before] * found[before]
        found[member], iterations[member] = _solve(
            k[member], begin if member else nothing, weights, inverse, turns, tolerance, max_iterations
        )
    return found, iterations


@kernel(**FAST)
def _averages(k: Array, correctors: Array, weights: tuple[float, float, float]) -> tuple[Array, Array]:
    """Return what `_average` does, for every k ``(members, n1, n2)``."""
    members, n1, n2 = k.shape
    K, dK = np.empty((members, 2, 2)), np.empty((members, 2, 2, n1, n2))
    for member in range(members):
        K[member], dK[member] = _average(k[member], correctors[member], weights)
    return K, dK
