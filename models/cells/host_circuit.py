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
whose detailed host, with ribosomes and mRNAs, this is the smallest caricature: its numbers are not here.
"""

from functools import partial

import numpy as np
from mscale_uq.models.cells._host import FUNCTIONS, HOST, RATES, RESTS, START, STATE, SUPPLY

from mscale_uq.core.formula import Formula, PointwiseFormula
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.known import known, off
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.options import takes
from mscale_uq.core.parameter import Quantity
from mscale_uq.core.reads import read_by
from mscale_uq.core.requirement import Requirement
from mscale_uq.core.statespace import StateSpace
from mscale_uq.core.system import Limit, Option, Scale, System
from mscale_uq.macro.ode import Ode, OdePath
from mscale_uq.macro.ode_dynamics import OdeDynamics
from mscale_uq.observe.laws import Gaussian
from mscale_uq.solve.stiff import Tolerances

SEEN = {"in time": ("growth", "fluorescence"), "at rest": ("growth_at_rest", "fluorescence_at_rest"),
        "burdened": ("burdened_growth",)}  # fmt: skip
OPTIONS = (
    Option("variant", "core", meaning="how energy is supplied", choices=tuple(SUPPLY)),
    Option("seen", "in time", meaning="read in time, in the end, or in the end at given shares",
           choices=tuple(SEEN)),
)  # fmt: skip
REST = ("energy_at_rest", "protein_at_rest")
ALIVE = Requirement(REST[0], "extinct: the host spends more than it can ever be supplied", "alive at rest")
TIMES = tuple(np.linspace(0.25, 4.0, 16))


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
    return growth(energy_at_rest, growth_constant)


def fluorescence_at_rest(protein_at_rest, gain):
    """Fluorescence in the end."""
    return fluorescence(protein_at_rest, gain)


def ode(variant):
    """Return the equations."""
    supply = tuple(parameter.name for parameter in SUPPLY[variant])
    return Ode("host and circuit", FUNCTIONS[variant], STATE, (*RATES, *supply), Tolerances(1e-9, 1e-11))


@takes(OPTIONS)
def space(o, *, share=(), energy_drift=0.05, protein_drift=0.05, scatter=0.05):  # noqa: ARG001
    """Return the state space: a plate reader sees growth and fluorescence of a host that drifts."""
    dynamics = OdeDynamics(ode(o.variant), {"energy": "energy_drift", "protein": "protein_drift"})
    sources = {
        name: ObservationOperator(name, Gaussian(sd=1e-3, relative=scatter), Formula(function, name))
        for name, function in (("growth", growth), ("fluorescence", fluorescence))
    }
    constants = {"energy_drift": energy_drift, "protein_drift": protein_drift}
    constants |= {"energy_initial_var": 0.01, "protein_initial_var": 0.01}
    return StateSpace([], dynamics, sources, (*HOST, *SUPPLY[o.variant], *START), constants)


@takes(OPTIONS)
def forward(o, time=TIMES, share=(0.01, 0.05, 0.1, 0.2, 0.3)):
    """Return the model of a culture `time` (h) after inoculation, or at rest, or there at given shares."""
    given, rest = {}, RESTS[o.variant]
    if o.seen == "in time":
        readings = PointwiseFormula(growth, "growth"), PointwiseFormula(fluorescence, "fluorescence")
        stages = [Formula(burden, "burden"), OdePath(ode(o.variant), time), *readings]
    elif o.seen == "at rest":
        seen = zip((growth_at_rest, fluorescence_at_rest), SEEN[o.seen], strict=True)
        stages = [Formula(rest, REST), ALIVE, *(Formula(*one) for one in seen), Formula(burden, "burden")]
    else:
        made = PointwiseFormula(needed, "expression"), PointwiseFormula(burden, "burden")
        grown = PointwiseFormula(growth_at_rest, "burdened_growth")
        stages = [*made, PointwiseFormula(rest, REST), ALIVE, grown]
        given = {"share": share, "degradation": 0.0}
    return ForwardModel(stages, read_by(stages, SYSTEM.parameters, given)[0], SEEN[o.seen], given)


def _rest(growth_rate, **given):
    """Largest deviation of growth and protein after a long time from those at rest, relative."""
    given |= {"time": [100.0], "gain": 1.0, "degradation": 1e-12}
    return max(off(forward, "growth", growth_rate, **given), off(forward, "fluorescence", 4.0, **given))


def _supply_does_not_matter():
    """Relative change of the protein at rest, without degradation, as the supply grows tenfold."""
    few = known(forward, seen="at rest", degradation=1e-12, supply=1.0)["protein_at_rest"]
    return off(forward, "protein_at_rest", few, seen="at rest", degradation=1e-12, supply=10.0)


LIMITS = (
    Limit("the core comes to rest at growth 1.1925824036 and p* = k_t/k_g = 4",
          partial(_rest, 1.1925824036), 1e-9),
    Limit("the autocatalytic host comes to rest at growth 0.4494897428",
          partial(_rest, 0.4494897428, variant="autocatalytic"), 1e-9),
    Limit("without growth and expression, energy decays exponentially", partial(
        off, forward, "energy", 3 * np.exp(-0.7), time=[1.0], growth_constant=1e-12, expression=1e-12,
        supply=1e-12, maintenance=0.7, energy_initial=3.0), 1e-8),
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
    options=OPTIONS,
    effective=(Quantity("burden", "1/h", "share of the energy that expression takes per time"),),
    smoothness="smooth",
    forward=forward,
    space=space,
    limits=LIMITS,
    scale=Scale("cost", "burden"),
    examples=({"variant": "autocatalytic"}, {"seen": "at rest"}, {"seen": "burdened"}),
)  # fmt: skip
