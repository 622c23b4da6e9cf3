"""A packed column that carries and binds a solute: breakthrough curves tell how, a tracer how fast.

A reactive curve alone leaves velocity and partition confounded, since only the retarded velocity v/(1 + K)
shows; a tracer, which does not bind, fixes the velocity. Slow binding shows as a tail; fast binding leaves
only a lower bound of its rate.

Cell      ds/dt = k (K c - s) at the grains, or an enzyme: V c/(K_m + c) is turned over; or slabs or spheres
          with c at their surface, da/dt = D_s lap a - k a, which store and consume: R is what enters them,
          at late times beta k c tanh(phi)/phi or beta k c 3 (phi coth(phi) - 1)/phi^2, phi = depth
          sqrt(k/D_s); all are closed for the new c of every time step
Macro     dc/dt + v dc/dx = alpha v d2c/dx2 - R, step or pulse at the inlet, read at the end of the column
Observed  breakthrough(time), relative to the inlet
Limits    no binding: Ogata and Banks 1961; any rate: mean time (L/v)(1 + K) and variance
          2 D L (1 + K)^2/v^3 + 2 K L/(v k) of a pulse; bodies, in the end: exp(L (v - sqrt(v^2 + 4 D r))/2D)
          with R = r c; a pulse that is stored, not consumed, by slabs: mean (L/v)(1 + beta), variance
          2 D L (1 + beta)^2/v^3 + 2 beta L depth^2/(3 v D_s); nothing is lost in any step

Source: A. Ogata, R. B. Banks, A solution of the differential equation of longitudinal dispersion in porous
media, US Geol. Surv. Prof. Pap. 411-A (1961), doi:10.3133/pp411A.
"""

from dataclasses import replace
from functools import cache, partial

import numpy as np
from scipy.special import erfc

from mscale_uq.core.formula import Formula
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.core.statespace import StateSpace
from mscale_uq.core.system import Limit, Option, System
from mscale_uq.macro.column import Breakthrough, Column, ColumnDynamics
from mscale_uq.macro.kinetics import Kinetics
from mscale_uq.macro.pores import Pores, slab_rate, sphere_rate
from mscale_uq.macro.radial_mesh import Geometry, RadialMesh
from mscale_uq.observe.laws import Gaussian

FLOW = (
    Parameter("velocity", "m/s", 3e-5, lower=0, meaning="v, of the water in the pores"),
    Parameter("dispersivity", "m", 3e-3, lower=0, meaning="alpha, dispersion per velocity"),
)
REACTION = {
    "none": (),
    "sorption": (
        Parameter("partition", "1", 1.0, lower=0, meaning="K, bound per dissolved at equilibrium"),
        Parameter("sorption_rate", "1/s", 1.5e-4, lower=0, meaning="k, at which equilibrium is reached"),
    ),
    "enzyme": (
        Parameter("turnover", "1/s", 5e-5, lower=0, meaning="V, largest rate, relative to the inlet"),
        Parameter("half_saturation", "1", 0.3, lower=0, meaning="K_m, relative to the inlet"),
    ),
}
BODIES = (
    Parameter("phase_ratio", "1", 1.0, lower=0, meaning="beta, volume inside bodies per flowing water"),
    Parameter("pore_diffusivity", "m^2/s", 1e-10, lower=0, meaning="D_s, of the solute inside them"),
    Parameter("depth", "m", 1e-3, lower=0, meaning="half the thickness of a slab, the radius of a sphere"),
    Parameter("pore_rate", "1/s", 2e-4, lower=0, closed=True, meaning="k, of the reaction inside, if any"),
)
SHAPES: dict[str, Geometry] = {"slabs": "slab", "spheres": "sphere"}
REACTION |= dict.fromkeys(SHAPES, BODIES)
TIME = tuple(np.linspace(2e3, 2.4e4, 12))


def inert(c, s, p):  # noqa: ARG001
    """Nothing happens to a tracer."""
    return 0 * c


def sorption(c, s, p):
    """Linear kinetics towards s = K c."""
    return p[1] * (p[0] * c - s)


def enzyme(c, s, p):  # noqa: ARG001
    """Michaelis-Menten turnover; s is what has been made."""
    return p[0] * c / (p[1] + c)


LATE = {"slabs": slab_rate, "spheres": sphere_rate}
RATES = {"none": inert, "sorption": sorption, "enzyme": enzyme, **dict.fromkeys(SHAPES, sorption)}


def dispersion(dispersivity, velocity):
    """Mechanical dispersion."""
    return dispersivity * velocity


def before(kinetics):
    """Return the stages from the parameters to what the column reads, and what bodies come to at rest."""
    late = [Formula(LATE[kinetics], "uptake_rate")] if kinetics in SHAPES else []
    return [Formula(dispersion, "dispersion"), *late]


def column(kinetics, length, beyond, cells, max_step, pulse, shells=12):
    """Return the column and its kinetics.

    Raises
    ------
    ParameterError
        If an option is none of its choices, or a number of another kind or outside its limits.
    """
    given = {"kinetics": kinetics, "length": length, "beyond": beyond, "cells": cells}
    SYSTEM.checked_options(given | {"max_step": max_step, "pulse": pulse, "shells": shells})
    names = tuple(parameter.name for parameter in REACTION[kinetics])
    reaction = Kinetics(RATES[kinetics], names, linear=kinetics != "enzyme")
    if kinetics in SHAPES:
        inside = Pores(RadialMesh(SHAPES[kinetics], cells=(shells,), grading=2.0))
        reaction = replace(reaction, sites=inside, count=shells)
    return Column(reaction, length, beyond, cells, max_step, pulse)


class End:
    """Reads the concentration at the end of the column."""

    __name__ = "end of the column"

    def __init__(self, weights):
        self.weights = weights

    def __call__(self, dissolved):
        """Linear between the centres of two cells."""
        return dissolved @ self.weights


def space(
    kinetics="sorption",
    length=0.3,
    beyond=0.25,
    cells=80,
    max_step=80.0,
    pulse=1e12,
    shells=12,
    reading_sd=0.02,
):
    """Return the column in time, its water read at the end."""
    made_of = column(kinetics, length, beyond, cells, max_step, pulse, shells)
    end = Formula(End(made_of.reading), "breakthrough")
    sources = {"probe": ObservationOperator("breakthrough", Gaussian(reading_sd), end)}
    empty = {"dissolved_initial": 0.0, "bound_initial": 0.0}
    parameters = (*FLOW, *REACTION[kinetics])
    return StateSpace(before(kinetics), ColumnDynamics(made_of), sources, parameters, empty)


def forward(
    time=TIME, kinetics="sorption", length=0.3, beyond=0.25, cells=80, max_step=80.0, pulse=1e12, shells=12
):
    """Return the model of a column read at `time` in s."""
    made_of = column(kinetics, length, beyond, cells, max_step, pulse, shells)
    stages = [*before(kinetics), Breakthrough(made_of, time)]
    return ForwardModel(stages, (*FLOW, *REACTION[kinetics]), ["breakthrough"])


def _ogata_banks():
    """Largest deviation of the tracer's curve from Ogata and Banks' solution."""
    L, v, alpha = 0.3, 3e-5, 3e-3
    t = np.array(TIME)
    spread = 2 * np.sqrt(alpha * v * t)
    exact = (erfc((L - v * t) / spread) + np.exp(L / alpha) * erfc((L + v * t) / spread)) / 2
    model = forward(kinetics="none", cells=200, max_step=40.0)
    return np.abs(model.value(model.theta()) - exact).max()


def _moments(order, rate):
    """Relative deviation of a pulse's mean time (order 1) or variance (order 2) from the exact one."""
    L, v, D, K, pulse = 0.3, 3e-5, 3e-3 * 3e-5, 1.0, 1000.0
    time = np.arange(300.0, 1.2e5, 300.0)
    model = forward(time, cells=150, max_step=60.0, pulse=pulse)
    curve = model.value(model.theta(sorption_rate=rate))
    mean = (curve * time).sum() / curve.sum()
    variance = (curve * (time - mean) ** 2).sum() / curve.sum()
    if order == 1:
        return abs((mean - pulse / 2) / (L / v * (1 + K)) - 1)
    exact = 2 * D * L * (1 + K) ** 2 / v**3 + 2 * K * L / (v * rate)
    return abs((variance - pulse**2 / 12) / exact - 1)


def _turned_over():
    """Relative deviation of the plateau behind a saturated enzyme from that of plug flow."""
    model = forward([4e4], kinetics="enzyme", cells=100, max_step=60.0)
    left = model.value(model.theta(half_saturation=1e-6, turnover=5e-5, dispersivity=1e-4))[0]
    return abs(left / (1 - 5e-5 * 0.3 / 3e-5) - 1)


def _bodies(kinetics):
    """Relative deviation of what passes reacting bodies in the end from the exact solution."""
    model = forward([1e5], kinetics=kinetics, cells=100, max_step=100.0, shells=32)
    v, D, rate = 3e-5, 3e-3 * 3e-5, LATE[kinetics](1.0, 1e-10, 1e-3, 2e-4)
    exact = np.exp(0.3 / (2 * D) * (v - np.sqrt(v**2 + 4 * D * rate)))
    return abs(model.value(model.theta())[0] / exact - 1)


@cache
def _stored():
    """Relative deviations of a pulse's mean time and variance, behind slabs that store and do not react."""
    L, v, D, beta, D_s, d, pulse = 0.3, 3e-5, 3e-3 * 3e-5, 1.0, 1e-10, 1e-3, 1000.0
    time = np.arange(300.0, 1.5e5, 300.0)
    model = forward(time, kinetics="slabs", cells=120, max_step=75.0, pulse=pulse, shells=20)
    curve = model.value(model.theta(pore_rate=0.0))
    mean = (curve * time).sum() / curve.sum()
    variance = (curve * (time - mean) ** 2).sum() / curve.sum()
    exact = 2 * D * L * (1 + beta) ** 2 / v**3 + 2 * beta * L * d**2 / (3 * v * D_s)
    return abs((mean - pulse / 2) / (L / v * (1 + beta)) - 1), abs((variance - pulse**2 / 12) / exact - 1)


def _nothing_is_lost():
    """Largest imbalance of any step, with and without a pulse."""
    made_of = column("sorption", 0.3, 0.25, 100, 80.0, 5000.0)
    values = {"velocity": 3e-5, "dispersion": 9e-8, "partition": 1.0, "sorption_rate": 1.5e-4}
    still = np.zeros((0, 4))
    moved = made_of.move(np.zeros(200), 0.0, 4e4, values, np.zeros((0, 200)), still)
    return max(ledger.defect for ledger in moved.ledgers)


LIMITS = (
    Limit("a tracer breaks through as Ogata and Banks say", _ogata_banks, 1e-3),
    Limit("a pulse arrives at (L/v)(1 + K) on average, however slow it binds",
          partial(_moments, 1, 1.5e-4), 2e-3),
    Limit("... and is as wide as theory says", partial(_moments, 2, 1.5e-4), 5e-3),
    Limit("... also where it binds fast", partial(_moments, 2, 1e-2), 5e-3),
    Limit("behind a saturated enzyme, its rate times the residence time is missing", _turned_over, 1e-3),
    Limit("in the end slabs let pass what Thiele's effectiveness says", partial(_bodies, "slabs"), 1e-3),
    Limit("... and so do spheres", partial(_bodies, "spheres"), 1e-3),
    Limit("what slabs store delays a pulse by their share of the water", lambda: _stored()[0], 2e-3),
    Limit("... and spreads it by the time that it takes to diffuse into them", lambda: _stored()[1], 5e-3),
    Limit("nothing is lost in any step", _nothing_is_lost, 1e-13),
)  # fmt: skip

SYSTEM = System(
    name="transport/reactive_transport",
    parameters=(*FLOW, *REACTION["sorption"], *REACTION["enzyme"], *BODIES),
    outputs=(Quantity("breakthrough", "1", "concentration relative to the inlet", ("time",)),),
    coordinates=(Quantity("time", "s", "since the inlet was opened"),),
    options=(
        Option("kinetics", "sorption", meaning="what happens on the way", choices=tuple(RATES)),
        Option("length", 0.3, "m", "from the inlet to where it is read", lower=0),
        Option("beyond", 0.25, "1", "how much further the column goes, as a share", lower=0),
        Option("cells", 80, "1", "along the column", lower=2),
        Option("max_step", 80.0, "s", "longest time step", lower=0),
        Option("pulse", 1e12, "s", "how long the inlet carries the solute", lower=0),
        Option("shells", 12, "1", "cells across a slab or sphere", lower=2),
    ),
    effective=(
        Quantity("dispersion", "m^2/s", "D = alpha v"),
        Quantity("uptake_rate", "1/s", "of slabs or spheres at rest with the water, per c"),
    ),
    smoothness="smooth",
    forward=forward,
    space=space,
    limits=LIMITS,
    examples=(
        {"kinetics": "none"},
        {"kinetics": "enzyme"},
        *({"kinetics": name, "cells": 40, "shells": 5} for name in SHAPES),
    ),
)
