"""Exact breakthrough curves of a half-infinite column: no mesh and no time step."""

import numpy as np
from scipy.special import erfc


def ogata_banks(x, v, D, t):
    """Return the curve of a solute that does not bind, at x (Ogata and Banks 1961)."""
    return (
        erfc((x - v * t) / (2 * np.sqrt(D * t)))
        + np.exp(v * x / D) * erfc((x + v * t) / (2 * np.sqrt(D * t)))
    ) / 2


def talbot(transform, times, points=32):
    """Return the function with this Laplace transform (Abate and Whitt's fixed contour)."""
    angle = np.arange(1, points) * np.pi / points
    turn = 1 / np.tan(angle)
    nodes = np.concatenate([[2 * points / 5], 2 * np.arange(1, points) * np.pi / 5 * (turn + 1j)])
    weights = np.concatenate(
        [[0.5 * np.exp(nodes[0].real)], (1 + 1j * angle * (1 + turn**2) - 1j * turn) * np.exp(nodes[1:])]
    )
    return np.array([0.4 / t * np.sum((weights * transform(nodes / t)).real) for t in times])


def exact(L, v, D, K, k, times):
    """Return the curve of a solute that binds towards K c at rate k, behind a step at the inlet."""

    def transform(p):
        return np.exp(L / (2 * D) * (v - np.sqrt(v**2 + 4 * D * p * (1 + K * k / (p + k))))) / p

    return talbot(transform, times)


def fading(L, v, D, K, k, times):
    """Return the slope of `exact` to ln k where k is large, in leading order: it fades as 1/k."""

    def transform(p):
        root = np.sqrt(v**2 + 4 * D * p * (1 + K))
        return -np.exp(L / (2 * D) * (v - root)) * L * K * p / (k * root)

    return talbot(transform, times)


def bodies(L, v, D, beta, diffusivity, depth, rate, times, shape="slabs"):
    """Return the curve behind slabs or spheres that store and consume, from an empty column.

    Of a body with c at its surface, (p + rate) <a> enters: <a>/c = tanh(q)/q or 3 (q coth q - 1)/q^2 with
    q = depth sqrt((p + rate)/diffusivity), beta of it per flowing water.
    """

    def transform(p):
        q = depth * np.sqrt((p + rate) / diffusivity)
        inside = np.tanh(q) / q if shape == "slabs" else 3 * (q / np.tanh(q) - 1) / q**2
        away = p + beta * (p + rate) * inside
        return np.exp(L / (2 * D) * (v - np.sqrt(v**2 + 4 * D * away))) / p

    return talbot(transform, times)
