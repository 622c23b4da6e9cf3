"""What is known in closed form of a solute's passage through a column, of length L, velocity v, dispersion D.

Sources: A. Ogata, R. B. Banks, A solution of the differential equation of longitudinal dispersion in porous
media, US Geol. Surv. Prof. Pap. 411-A (1961), doi:10.3133/pp411A; moments of a pulse from the derivatives of
the transfer function exp(L (v - sqrt(v^2 + 4 D s R(s)))/2D) of a long column at s = 0.
"""

import numpy as np
from scipy.special import erfc


def ogata_banks(t, L, v, D):
    """Concentration at `t` of what does not react, at the end, relative to an inlet open since zero."""
    spread = 2 * np.sqrt(D * t)
    return (erfc((L - v * t) / spread) + np.exp(v * L / D) * erfc((L + v * t) / spread)) / 2


def sorbed_pulse(L, v, D, K, k):
    """Mean time and variance of a short pulse that binds at the rate k(K c - s)."""
    return L / v * (1 + K), 2 * D * L * (1 + K) ** 2 / v**3 + 2 * K * L / (v * k)


def stored_pulse(L, v, D, beta, depth, D_s):
    """The same where slabs, of half the thickness `depth` and a share beta of the water, store it."""
    return L / v * (1 + beta), 2 * D * L * (1 + beta) ** 2 / v**3 + 2 * beta * L * depth**2 / (3 * v * D_s)


def left_in_the_end(L, v, D, rate):
    """What passes in the end, relative to the inlet, of a solute that is used up as rate c."""
    return np.exp(L / (2 * D) * (v - np.sqrt(v**2 + 4 * D * rate)))


def pulse_of(t, curve, duration):
    """Mean time and variance of a curve at even times, less those of the inlet's rectangle."""
    mean = (curve * t).sum() / curve.sum()
    return mean - duration / 2, (curve * (t - mean) ** 2).sum() / curve.sum() - duration**2 / 12
