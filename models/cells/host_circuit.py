"""Host and circuit: a gene circuit lives on the energy of its host, and what it spends slows their growth.

Energy is supplied, spent on maintenance and on expression, and buys growth, which dilutes everything: energy
(the quadratic term) and the circuit's protein. A plate reader sees growth rate and fluorescence after the
inoculation. Growth alone sees what a construct costs, the product of cost and expression; fluorescence of
known gain tells them apart. Supply and maintenance trade off at rest, and are told apart on the way there, or
by how growth falls with the share of the proteome that the circuit takes.

Cell      dE/dt = supply - (k_b + c k_t) E - k_g E^2, dp/dt = k_t E - (k_g E + delta) p
Supply    core: u; autocatalytic: V E/(K + E), so that a host that spends too much dies out
Observed  growth(time) = k_g E, fluorescence(time) = gain p; or both at rest; or burdened_growth(share), the
          growth at rest at which dilution alone keeps p at a given share, so that k_t = k_g p
Limits    E* = (-a + sqrt(a^2 + 4 k_g u))/(2 k_g) with a = k_b + c k_t; without degradation p* = k_t/k_g,
          whatever the supply; autocatalytic: alive only if V/K > a

Source: A. Y. Weisse, D. A. Oyarzun, V. Danos, P. S. Swain, Mechanistic links between cellular trade-offs,
gene expression, and growth, Proc. Natl. Acad. Sci. 112 (2015) E1038-E1047, doi:10.1073/pnas.1416533112, of
whose detailed host this is the smallest caricature.
"""

from functools import partial

import numpy as np
from mscale_uq.models.cells._host import FUNCTIONS, RATES, RESTS

from mscale_uq.core.formula import Formula, PointwiseFormula
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.core.requirement import Requirement
from mscale_uq.core.statespace import StateSpace
from mscale_uq.core.system import Limit, Option, Scale, System
from mscale_uq.macro.ode import Ode, OdePath
from mscale_uq.macro.ode_dynamics import OdeDynamics
from mscale_uq.observe.laws import Gaussian
from mscale_uq.solve.stiff import Tolerances

HOST = (
    Parameter("expression", "1/h", 2.0, lower=0, meaning="k_t, protein made per energy and time"),
    Parameter("cost", "1", 1.0, lower=0, meaning="c, energy spent per protein made"),
    Parameter("growth_constant", "1/h", 0.5, lower=0, meaning="k_g, growth rate per energy"),
    Parameter("maintenance", "1/h", 1.0, lower=0, meaning="k_b, share of the energy spent per time"),
    Parameter("degradation", "1/h", 0.05, lower=0, meaning="delta, of the protein"),
    Parameter("gain", "1", 100.0, lower=0, meaning="fluorescence per protein"),
)
# What growth at given shares of the circuit's protein needs; how much is expressed follows from the share.
PAYING = tuple(one for one in HOST if one.name in ("cost", "growth_constant", "maintenance"))
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
TIMES = tuple(np.linspace(0.25, 4.0, 16))
SHARES = (0.01, 0.05, 0.1, 0.2, 0.3)
TIGHT = Tolerances(1e-9, 1e-11)


ALIVE = Requirement(
    "energy_at_rest", "extinct: the host spends more than it can ever be supplied", "alive at rest"
)


def burden(cost, expression):
    """What the circuit takes of the energy per time, all that growth knows of it."""
    return cost * expression


def growth(energy, growth_constant):
    """Growth rate."""
    return growth_constant * energy


def fluorescence(protein, gain):
    """What the plate reader sees of the protein, per cell."""
    return gain * protein


def needed(growth_constant, share):
    """Expression that replaces what growth dilutes, if nothing degrades the protein."""
    return growth_constant * share


def growth_at_rest(energy_at_rest, growth_constant):
    """Growth rate in the end."""
    return growth_constant * energy_at_rest


def fluorescence_at_rest(protein_at_rest, gain):
    """Fluorescence in the end."""
    return gain * protein_at_rest


def ode(variant):
    """Return the equations."""
    supply = tuple(parameter.name for parameter in SUPPLY[variant])
    return Ode("host and circuit", FUNCTIONS[variant], STATE, (*RATES, *supply), TIGHT)


def space(variant="core", energy_drift=0.05, protein_drift=0.05, scatter=0.05, share=()):  # noqa: ARG001
    """Return the state space: a plate reader sees growth and fluorescence of a host that drifts."""
    dynamics = OdeDynamics(ode(variant), {"energy": "energy_drift", "protein": "protein_drift"})
    sources = {
        name: ObservationOperator(name, Gaussian(sd=1e-3, relative=scatter), Formula(function, name))
        for name, function in (("growth", growth), ("fluorescence", fluorescence))
    }
    constants = {
        "energy_drift": energy_drift,
        "protein_drift": protein_drift,
        "energy_initial_var": 0.01,
        "protein_initial_var": 0.01,
    }
    return StateSpace([], dynamics, sources, (*HOST, *SUPPLY[variant], *START), constants)


def forward(time=TIMES, share=SHARES, variant="core", seen="in time"):
    """Return the model of a culture `time` (h) after inoculation, or at rest, or there at given shares."""
    rest = ("energy_at_rest", "protein_at_rest")
    if seen == "burdened":
        grown = PointwiseFormula(growth_at_rest, "burdened_growth")
        made = PointwiseFormula(needed, "expression"), PointwiseFormula(burden, "burden")
        stages = [*made, PointwiseFormula(RESTS[variant], rest), ALIVE, grown]
        known = {"share": share, "degradation": 0.0}
        return ForwardModel(stages, (*PAYING, *SUPPLY[variant]), ["burdened_growth"], known)
    if seen == "at rest":
        stages = [
            Formula(RESTS[variant], rest),
            ALIVE,
            Formula(growth_at_rest, "growth_at_rest"),
            Formula(fluorescence_at_rest, "fluorescence_at_rest"),
            Formula(burden, "burden"),
        ]
        return ForwardModel(stages, (*HOST, *SUPPLY[variant]), ["growth_at_rest", "fluorescence_at_rest"])
    readings = PointwiseFormula(growth, "growth"), PointwiseFormula(fluorescence, "fluorescence")
    stages = [Formula(burden, "burden"), OdePath(ode(variant), time), *readings]
    return ForwardModel(stages, (*HOST, *SUPPLY[variant], *START), ["growth", "fluorescence"])


def _rest(variant, expected, **values):
    """Largest deviation of growth and protein after a long time from those at rest, relative."""
    model = forward(time=[100.0], variant=variant)
    growth_rate, seen = model.value(model.theta(gain=1.0, degradation=1e-12, **values))
    return max(abs(growth_rate / expected[0] - 1), abs(seen / expected[1] - 1))


def _no_growth():
    """Relative deviation from exponential decay where nothing is spent on growth or expression."""
    model = forward(time=[1.0])
    theta = model.theta(
        growth_constant=1e-12, expression=1e-12, supply=1e-12, maintenance=0.7, energy_initial=3
    )
    return abs(model.value(theta)[0] / (1e-12 * 3 * np.exp(-0.7)) - 1)


def _supply_does_not_matter():
    """Relative change of the protein at rest, without degradation, as the supply grows tenfold."""
    model = forward(seen="at rest")
    few, many = (model.value(model.theta(degradation=1e-12, supply=u))[1] for u in (1.0, 10.0))
    return abs(few / many - 1)


LIMITS = (
    Limit("the core comes to rest at growth 1.1925824036 and p* = k_t/k_g = 4",
          partial(_rest, "core", (1.1925824036, 4.0)), 1e-9),
    Limit("the autocatalytic host comes to rest at growth 0.4494897428",
          partial(_rest, "autocatalytic", (0.4494897428, 4.0)), 1e-9),
    Limit("without growth and expression, energy decays exponentially", _no_growth, 1e-8),
    Limit("without degradation, protein at rest does not depend on supply", _supply_does_not_matter, 1e-10),
)  # fmt: skip

SYSTEM = System(
    name="cells/host_circuit",
    parameters=(*HOST, *SUPPLY["core"], *SUPPLY["autocatalytic"], *START),
    outputs=(
        Quantity("growth", "1/h", "growth rate", ("time",)),
        Quantity("fluorescence", "1", "per cell", ("time",)),
        Quantity("growth_at_rest", "1/h", "growth rate in the end"),
        Quantity("fluorescence_at_rest", "1", "per cell, in the end"),
        Quantity("burdened_growth", "1/h", "growth rate in the end, at a given share", ("share",)),
    ),
    coordinates=(
        Quantity("time", "h", "since inoculation"),
        Quantity("share", "1", "p, of the circuit's protein in all protein", lower=0.0, upper=1.0),
    ),
    options=(
        Option("variant", "core", meaning="how energy is supplied", choices=("core", "autocatalytic")),
        Option("seen", "in time", meaning="read in time, in the end, or in the end at given shares",
               choices=("in time", "at rest", "burdened")),
    ),
    effective=(Quantity("burden", "1/h", "share of the energy that expression takes per time"),),
    smoothness="smooth",
    forward=forward,
    space=space,
    limits=LIMITS,
    scale=Scale("cost", "burden"),
    examples=({"variant": "autocatalytic"}, {"seen": "at rest"}, {"seen": "burdened"}),
)  # fmt: skip
