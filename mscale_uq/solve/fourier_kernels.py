"""Compiled 2-D Fourier transforms of power-of-two size, in single precision, for preconditioning.

A transform along axis 0 works on whole rows, so that the inner loop is contiguous; the other axis is done by
transposing. Forward is decimation in frequency (natural order in, bit-reversed out) and backward decimation
in time (bit-reversed in, natural out), so that nothing is ever reordered: what multiplies the spectrum is
stored bit-reversed instead. Two real fields travel as real and imaginary part of one complex field; a real,
even multiplier keeps them apart.
"""

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.solve.kernel import kernel

FAST = {"nogil": True, "fastmath": True}


def bit_reversed(n: int) -> np.ndarray:
    """Return the order in which the forward transform leaves the frequencies ``(n,)``."""
    bits = n.bit_length() - 1
    return np.array([int(format(i, f"0{bits}b")[::-1], 2) if bits else 0 for i in range(n)])


def twiddles(n: int) -> np.ndarray:
    """Return cosine and sine of the first half turn in n steps, ``(2, n / 2)``, single precision."""
    angle = 2 * np.pi * np.arange(max(1, n // 2)) / n
    return np.stack([np.cos(angle), np.sin(angle)]).astype(np.float32)


def is_power_of_two(n: int) -> bool:
    """Whether n is 1, 2, 4, 8, ..."""
    return n > 0 and n & (n - 1) == 0


@kernel(**FAST)
def dot(a: Array, b: Array) -> float:
    """Return the sum of the products of the entries of two matrices."""
    total = 0.0
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            total += a[i, j] * b[i, j]
    return total


@kernel(**FAST)
def _forward_rows(re: Array, im: Array, turn: Array) -> None:
    n, m = re.shape
    length = n
    while length > 1:
        half, stride = length // 2, n // length
        for start in range(0, n, length):
            for j in range(half):
                c, s = turn[0, j * stride], turn[1, j * stride]
                p, q = start + j, start + j + half
                for i in range(m):
                    a, b = re[p, i] - re[q, i], im[p, i] - im[q, i]
                    re[p, i] += re[q, i]
                    im[p, i] += im[q, i]
                    re[q, i] = a * c + b * s
                    im[q, i] = b * c - a * s
        length = half


@kernel(**FAST)
def _backward_rows(re: Array, im: Array, turn: Array) -> None:
    n, m = re.shape
    length = 2
    while length <= n:
        half, stride = length // 2, n // length
        for start in range(0, n, length):
            for j in range(half):
                c, s = turn[0, j * stride], turn[1, j * stride]
                p, q = start + j, start + j + half
                for i in range(m):
                    a, b = re[q, i] * c - im[q, i] * s, im[q, i] * c + re[q, i] * s
                    re[q, i] = re[p, i] - a
                    im[q, i] = im[p, i] - b
                    re[p, i] += a
                    im[p, i] += b
        length *= 2


@kernel(**FAST)
def _transpose(source: Array, target: Array) -> None:
    n, m = source.shape
    block = min(8, n, m)
    for i0 in range(0, n, block):
        for j0 in range(0, m, block):
            for j in range(j0, j0 + block):
                for i in range(i0, i0 + block):
                    target[j, i] = source[i, j]


@kernel(**FAST)
def multiply_spectrum(
    re: Array, im: Array, work_re: Array, work_im: Array, multiplier: Array, turns: Array
) -> None:
    """Transform both fields, multiply by a real even spectrum, transform back, in place.

    Parameters
    ----------
    re, im
        The fields ``(n1, n2)``, single precision.
    work_re, work_im
        Scratch ``(n2, n1)``.
    multiplier
        ``(n2, n1)``, both axes in bit-reversed order, with the 1 / (n1 n2) of the backward transform in it.
    turns
        `twiddles` of n1 and n2.
    """
    turn_1, turn_2 = turns
    _forward_rows(re, im, turn_1)
    _transpose(re, work_re)
    _transpose(im, work_im)
    _forward_rows(work_re, work_im, turn_2)
    work_re *= multiplier
    work_im *= multiplier
    _backward_rows(work_re, work_im, turn_2)
    _transpose(work_re, re)
    _transpose(work_im, im)
    _backward_rows(re, im, turn_1)
