"""A host that its circuit lives on: rates of energy and protein, and where they come to rest.

Energy is supplied, spent on maintenance and expression, and buys growth, which dilutes energy and protein.
Source: the smallest caricature of the host of A. Y. Weisse, D. A. Oyarzun, V. Danos, P. S. Swain, Mechanistic
links between cellular trade-offs, gene expression, and growth, Proc. Natl. Acad. Sci. 112 (2015) E1038-E1047,
doi:10.1073/pnas.1416533112.
"""

import numpy as np

from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.solve.kernel import kernel

HOST = (
    Parameter("expression", "1/h", 2.0, lower=0, closed=True, meaning="k_t, protein made per energy, time"),
    Parameter("cost", "1", 1.0, lower=0, closed=True, meaning="c, energy spent per protein made"),
    Parameter("growth_constant", "1/h", 0.5, lower=0, meaning="k_g, growth rate per energy"),
    Parameter("maintenance", "1/h", 1.0, lower=0, meaning="k_b, share of the energy spent per time"),
    Parameter("degradation", "1/h", 0.05, lower=0, meaning="delta, of the protein"),
    Parameter("gain", "1", 100.0, lower=0, meaning="fluorescence per protein"),
)
SUPPLY = {
    "core": (Parameter("supply", "1/h", 10.0, lower=0, meaning="u, energy supplied per time"),),
    "autocatalytic": (
        Parameter("supply_max", "1/h", 10.0, lower=0, meaning="V, energy supplied per time at most"),
        Parameter("supply_half", "1", 2.0, lower=0, meaning="K, energy at which half of that is supplied"),
    ),
}
START = (
    Parameter("energy_initial", "1", 0.5, lower=0, meaning="E, per cell, at inoculation"),
    Parameter("protein_initial", "1", 0.1, lower=0, meaning="p, per cell, at inoculation"),
)
STATE = (Quantity("energy", "1", "per cell"), Quantity("protein", "1", "of the circuit, per cell"))
RATES = ("expression", "cost", "growth_constant", "maintenance", "degradation")  # then those of the supply


@kernel(error_model="python")
def spent(y, p, dy):
    """What maintenance, expression and growth take, and what becomes of the protein."""
    k_t, c, k_g, k_b, delta = p[0], p[1], p[2], p[3], p[4]
    dy[0] = -(k_b + c * k_t) * y[0] - k_g * y[0] ** 2
    dy[1] = k_t * y[0] - (k_g * y[0] + delta) * y[1]


def core(t, y, p, dy):  # noqa: ARG001  (autonomous)
    """Supply at a constant rate."""
    spent(y, p, dy)
    dy[0] += p[5]


def autocatalytic(t, y, p, dy):  # noqa: ARG001
    """Supply that itself needs energy."""
    spent(y, p, dy)
    dy[0] += p[5] * y[0] / (p[6] + y[0])


FUNCTIONS = {"core": core, "autocatalytic": autocatalytic}


def core_rest(expression, cost, growth_constant, maintenance, degradation, supply):
    """Energy and protein at which nothing changes any more."""
    a = maintenance + cost * expression
    energy = 2 * supply / (a + np.sqrt(a**2 + 4 * growth_constant * supply))
    return energy, expression * energy / (growth_constant * energy + degradation)


def autocatalytic_rest(expression, cost, growth_constant, maintenance, degradation, supply_max, supply_half):
    """The same for supply V E/(K + E): the root that is not zero."""
    a = maintenance + cost * expression
    b = a + growth_constant * supply_half
    surplus = supply_max - a * supply_half
    energy = (-b + np.sqrt(b**2 + 4 * growth_constant * surplus)) / (2 * growth_constant)
    return energy, expression * energy / (growth_constant * energy + degradation)


RESTS = {"core": core_rest, "autocatalytic": autocatalytic_rest}
