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

from functools import cache, partial

import numpy as np
from mscale_uq.models.transport._passage import (
    left_in_the_end,
    ogata_banks,
    pulse_of,
    sorbed_pulse,
    stored_pulse,
)
from mscale_uq.models.transport._uptake import BODIES, LATE, REACTION, SHAPES, kinetics_of

from mscale_uq.core.formula import Formula
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.known import known, off
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.options import takes
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.core.statespace import StateSpace
from mscale_uq.core.system import Limit, Option, System
from mscale_uq.macro.column import Breakthrough, Column, ColumnDynamics
from mscale_uq.observe.laws import Gaussian

FLOW = (
    Parameter("velocity", "m/s", 3e-5, lower=0, meaning="v, of the water in the pores"),
    Parameter("dispersivity", "m", 3e-3, lower=0, meaning="alpha, dispersion per velocity"),
)
OPTIONS = (
    Option("kinetics", "sorption", meaning="what happens on the way", choices=tuple(REACTION)),
    Option("length", 0.3, "m", "from the inlet to where it is read", lower=0),
    Option("beyond", 0.25, "1", "how much further the column goes, as a share", lower=0),
    Option("cells", 80, "1", "along the column", lower=2),
    Option("max_step", 80.0, "s", "longest time step", lower=0),
    Option("pulse", 1e12, "s", "how long the inlet carries the solute; the default is for ever", lower=0),
    Option("shells", 12, "1", "cells across a slab or sphere", lower=2),
)
TIME = tuple(np.linspace(2e3, 2.4e4, 12))


def dispersion(dispersivity, velocity):
    """Mechanical dispersion."""
    return dispersivity * velocity


def end(weights, dissolved):
    """Concentration at the end, between the centres of two cells."""
    return dissolved @ weights


def before(o):
    """Return the stages from the parameters to what the column reads, and what bodies come to at rest."""
    late = [Formula(LATE[o.kinetics], "uptake_rate")] if o.kinetics in SHAPES else []
    return [Formula(dispersion, "dispersion"), *late]


def column(o):
    """Return the column and its kinetics."""
    return Column(kinetics_of(o.kinetics, o.shells), o.length, o.beyond, o.cells, o.max_step, o.pulse)


@takes(OPTIONS)
def forward(o, time=TIME):
    """Return the model of a column read at `time` in s."""
    stages = [*before(o), Breakthrough(column(o), time)]
    return ForwardModel(stages, (*FLOW, *REACTION[o.kinetics]), ["breakthrough"])


@takes(OPTIONS)
def space(o, *, reading_sd=0.02):
    """Return the column in time, its water read at the end."""
    made_of = column(o)
    seen = Formula(partial(end, made_of.reading), "breakthrough", "end of the column")
    sources = {"probe": ObservationOperator("breakthrough", Gaussian(reading_sd), seen)}
    empty, parameters = {"dissolved_initial": 0.0, "bound_initial": 0.0}, (*FLOW, *REACTION[o.kinetics])
    return StateSpace(before(o), ColumnDynamics(made_of), sources, parameters, empty)


L, V, D = 0.3, 3e-5, 3e-3 * 3e-5  # length, velocity and dispersion by default


def _tracer():
    """Largest deviation of the tracer's curve from Ogata and Banks' solution."""
    made = known(forward, kinetics="none", cells=200, max_step=40.0)["breakthrough"]
    return np.abs(made - ogata_banks(np.array(TIME), L, V, D)).max()


@cache
def _pulse(exact, until=1.2e5, **given):
    """Relative deviations of a pulse's mean time and variance from the exact ones."""
    time, pulse = np.arange(300.0, until, 300.0), 1000.0
    curve = known(forward, time=time, pulse=pulse, **given)["breakthrough"]
    return np.abs(np.divide(pulse_of(time, curve, pulse), exact) - 1)


def _sorbed(moment, rate):
    """Relative deviation of the mean time (0) or the variance (1) where it binds at that rate."""
    return _pulse(sorbed_pulse(L, V, D, 1.0, rate), sorption_rate=rate, cells=150, max_step=60.0)[moment]


def _stored(moment):
    """The same behind slabs that store and do not react."""
    finer = {"kinetics": "slabs", "cells": 120, "max_step": 75.0, "shells": 20}
    return _pulse(stored_pulse(L, V, D, 1.0, 1e-3, 1e-10), 1.5e5, pore_rate=0.0, **finer)[moment]


def _bodies(kinetics):
    """Relative deviation of what passes reacting bodies in the end from the exact solution."""
    exact = left_in_the_end(L, V, D, LATE[kinetics](1.0, 1e-10, 1e-3, 2e-4))
    finer = {"kinetics": kinetics, "cells": 100, "max_step": 100.0, "shells": 32}
    return off(forward, "breakthrough", exact, time=[1e5], **finer)


@takes(OPTIONS)
def _lost(o):
    """Largest imbalance of any step, during a pulse and after it."""
    values = {"velocity": V, "dispersion": D, "partition": 1.0, "sorption_rate": 1.5e-4}
    still, size = np.zeros((0, 4)), 2 * o.cells
    moved = column(o).move(np.zeros(size), 0.0, 4e4, values, np.zeros((0, size)), still)
    return max(ledger.defect for ledger in moved.ledgers)


LIMITS = (
    Limit("a tracer breaks through as Ogata and Banks say", _tracer, 1e-3),
    Limit("a pulse arrives at (L/v)(1 + K) on average, however slow it binds",
          partial(_sorbed, 0, 1.5e-4), 2e-3),
    Limit("... and is as wide as theory says", partial(_sorbed, 1, 1.5e-4), 5e-3),
    Limit("... also where it binds fast", partial(_sorbed, 1, 1e-2), 5e-3),
    Limit("behind a saturated enzyme, its rate times the residence time is missing", partial(
        off, forward, "breakthrough", 1 - 5e-5 * L / V, time=[4e4], kinetics="enzyme", cells=100,
        max_step=60.0, half_saturation=1e-6, turnover=5e-5, dispersivity=1e-4), 1e-3),
    Limit("in the end slabs let pass what Thiele's effectiveness says", partial(_bodies, "slabs"), 1e-3),
    Limit("... and so do spheres", partial(_bodies, "spheres"), 1e-3),
    Limit("what slabs store delays a pulse by their share of the water", partial(_stored, 0), 2e-3),
    Limit("... and spreads it by the time that it takes to diffuse into them", partial(_stored, 1), 5e-3),
    Limit("nothing is lost in any step", partial(_lost, cells=100, pulse=5000.0), 1e-13),
)  # fmt: skip

SYSTEM = System(
    name="transport/reactive_transport",
    parameters=(*FLOW, *REACTION["sorption"], *REACTION["enzyme"], *BODIES),
    outputs=(Quantity("breakthrough", "1", "concentration relative to the inlet", ("time",)),),
    coordinates=(Quantity("time", "s", "since the inlet was opened"),),
    options=OPTIONS,
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
