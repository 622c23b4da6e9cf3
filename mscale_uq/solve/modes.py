"""Decaying modes of a symmetric tridiagonal matrix: what they do in a time, with exact derivatives.

dc/dt = -M c + b with M = V diag(rates) V'. All that a time t needs are functions of the rates; a change of M
enters through divided differences of these functions (the theorem of Daleckii and Krein).
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import eigh_tridiagonal

from mscale_uq.core.parameter import Array


class Modes(NamedTuple):
    """Rates ``(n,)`` in increasing order and vectors in the columns ``(n, n)``."""

    rates: Array
    vectors: Array


def modes(diagonal: Array, off: Array) -> Modes:
    """Return the modes of a symmetric tridiagonal matrix of positive rates."""
    return Modes(*eigh_tridiagonal(diagonal, off))


def decay(rates: Array, time: float) -> Array:
    """Return exp(-r t)."""
    return np.asarray(np.exp(-rates * time))


def rise(rates: Array, time: float) -> Array:
    """Return the integral of exp(-r s) from 0 to t."""
    return np.asarray(-np.expm1(-rates * time) / rates)


def area(rates: Array, time: float) -> Array:
    """Return the integral of `rise` from 0 to t."""
    return (time - rise(rates, time)) / rates


def decay_between(rates: Array, time: float) -> Array:
    """Return -(exp(-p t) - exp(-q t)) / (p - q) of all pairs ``(n, n)``, t exp(-p t) for equal ones."""
    half = np.abs(rates[:, None] - rates) * time / 2
    near = half < 1.0
    ratio = np.divide(
        np.sinh(np.where(near, half, 0.0)), half, out=np.ones_like(half), where=near & (half > 0)
    )
    middle = time * np.exp(-(rates[:, None] + rates) * time / 2) * ratio
    slow = time * np.exp(-np.minimum(rates[:, None], rates) * time)
    apart = np.divide(-np.expm1(-2 * half), 2 * half, out=np.ones_like(half), where=~near)
    return np.asarray(np.where(near, middle, slow * apart))


def rise_between(rates: Array, time: float) -> Array:
    """Return -(rise(p) - rise(q)) / (p - q) of all pairs ``(n, n)``: the integral of `decay_between`."""
    return (rise(rates, time) - decay_between(rates, time)) / rates[:, None]
