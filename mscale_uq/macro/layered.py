"""Exact steady diffusion with uptake through a stack of plane layers, every layer in its place.

The twin of the homogenised model: it knows the layers one by one. In layer i, u'' = m_i^2 u with
m_i = sqrt(k/D_i). Going up from the closed bottom, the flow per concentration (the admittance Y) is passed
on by

    Y_top = D m (Y_bottom + D m tanh(m h)) / (D m + Y_bottom tanh(m h)),

and going down from the top, where u = 1, the concentration is u_bottom = u_top / (cosh(m h) +
Y_bottom/(D m) sinh(m h)). Both are written with decaying exponentials, so that thick layers do not overflow.
"""

import numpy as np
from numpy.typing import ArrayLike

from mscale_uq.core.parameter import Array
from mscale_uq.errors import InputError, explain


def layered_profile(
    depth: ArrayLike, heights: ArrayLike, diffusivities: ArrayLike, rate: float
) -> tuple[Array, float]:
    """Return concentration at `depth` ``(points,)`` and inflow at the top, for unit concentration there.

    Parameters
    ----------
    depth
        Below the top, in m; ``(points,)``.
    heights, diffusivities
        Of the layers from the top, in m and m^2/s; ``(layers,)`` each.
    rate
        First-order uptake in 1/s, positive, the same in all layers.

    Raises
    ------
    InputError
        If a height, diffusivity or the rate is not positive, or a depth lies outside the stack.
    """
    depth, h, D = (np.asarray(array, dtype=float) for array in (depth, heights, diffusivities))
    if not (h.min() > 0 and D.min() > 0 and rate > 0):
        raise InputError(explain("a height, diffusivity or rate that is not positive", "positive numbers"))
    edges = np.concatenate([[0.0], np.cumsum(h)])
    if np.any((depth < 0) | (depth > edges[-1] * (1 + 1e-12))):
        raise InputError(explain(f"depths up to {depth.max():g} m", f"0 to {edges[-1]:g} m"))
    m = np.sqrt(rate / D)
    admittance = _admittances(h, D * m, m)
    top = _tops(h, D * m, m, admittance)
    layer = np.clip(np.searchsorted(edges, depth, side="right") - 1, 0, h.size - 1)
    inside = [
        _down(z, h[i], D[i] * m[i], m[i], admittance[i + 1])
        for z, i in zip(depth - edges[layer], layer, strict=True)
    ]
    return top[layer] * np.array(inside), float(admittance[0])


def _admittances(h: Array, conductance: Array, m: Array) -> Array:
    """Return the admittance at every interface from the top ``(layers + 1,)``; the last one is zero."""
    Y = np.zeros(h.size + 1)
    for i in reversed(range(h.size)):
        t = np.tanh(m[i] * h[i])
        Y[i] = conductance[i] * (Y[i + 1] + conductance[i] * t) / (conductance[i] + Y[i + 1] * t)
    return Y


def _tops(h: Array, conductance: Array, m: Array, Y: Array) -> Array:
    """Return the concentration on top of every layer ``(layers,)``."""
    u = np.ones(h.size)
    for i in range(h.size - 1):
        u[i + 1] = u[i] * _down(h[i], h[i], conductance[i], m[i], Y[i + 1])
    return u


def _down(z: float, h: float, conductance: float, m: float, Y: float) -> float:
    """Return u(z)/u(0) in one layer with admittance Y at its bottom."""
    share = Y / conductance
    far, near = np.exp(-m * z), np.exp(-m * (2 * h - z))
    return float(((1 + share) * far + (1 - share) * near) / ((1 + share) + (1 - share) * np.exp(-2 * m * h)))
