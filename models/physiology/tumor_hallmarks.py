"""Tumour under treatment: molecules switch cells, cells and vessels make tissue, and what they are drifts.

Calipers see volumes. Untreated growth tells two of the three numbers of the tissue, and hardly its plateau:
stimulation and inhibition of vessels enter through their ratio. Drugs, which act on vessels, tell their own
effect. In the whole network a meta-process moves parameters of other modules as the genome gets unstable.

Cell      effector x_E and suppressor x_p set division l and death d; inflammation I and instability G of the
          genome make independence alpha, function s and drive kappa drift: d ln alpha/dt = b_alpha G, ..
Macro     d ln V/dt = l ln(K/V) - d, d ln K/dt = b kappa V/K - d_i V^(2/3) - e_A A - e_E E, drugs
          or, in a spheroid, d ln V/dt = l phi - d, phi the share of V that oxygen reaches
Observed  volume(time), vessel_density(time) = K/V; network: marker(time) = x_E, mutations(time);
          spheroid: viable_fraction(time) = phi
Limits    tissue alone: V* = K* = (b/d_i)^(3/2); known courses of volume with and without drift; at rest
          V/K = exp(-d/l); drift b times the integral of G

Source: P. Hahnfeldt, D. Panigrahy, J. Folkman, L. Hlatky, Tumor development under angiogenic signaling,
Cancer Res. 59 (1999) 4770-4775, PMID 10519381, and its analysis by A. d'Onofrio, A. Gandolfi, Math. Biosci.
191 (2004) 159-184, doi:10.1016/j.mbs.2004.06.003; the hallmarks: D. Hanahan, R. A. Weinberg, Cell 144 (2011)
646-674, doi:10.1016/j.cell.2011.02.013. The network around the tissue is this project's own.
"""

from functools import partial

import numpy as np
from mscale_uq.models.physiology._biopsy import LAWS, READINGS
from mscale_uq.models.physiology._hallmarks import (
    HALLMARKS,
    MODELS,
    MODULES,
    SHARED,
    TISSUE,
    by_chance,
    cellular,
)
from mscale_uq.models.physiology._spheroid import OXYGEN

from mscale_uq.core.formula import Formula, PointwiseFormula
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.known import known, off
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.options import takes
from mscale_uq.core.parameter import Quantity
from mscale_uq.core.statespace import StateSpace
from mscale_uq.core.system import Limit, Option, System
from mscale_uq.macro.doses import Doses
from mscale_uq.macro.ode import Ode, OdePath
from mscale_uq.macro.ode_dynamics import OdeDynamics
from mscale_uq.macro.sde_dynamics import Chance, SdeDynamics
from mscale_uq.macro.steps import Steps
from mscale_uq.solve.stiff import Tolerances

OPTIONS = (
    Option("model", "tissue", meaning="tissue alone, the network as it is, its parameters drifting, or in"
           " them a spheroid without vessels for the tissue", choices=tuple(MODELS)),
    Option("angiostatin", 0.0, "kg/kg", "dose, per weight of the body"),
    Option("endostatin", 0.0, "kg/kg", "dose, per weight of the body"),
    Option("interval", 1.0, "day", "from dose to dose", lower=0),
    Option("treatment_end", 25.0, "day", "no more doses from then on", lower=0),
    Option("max_step", 0.0, "day", "of time steps that are the same whatever the parameters; zero: chosen"
           " for an error of 1e-9"),
    Option("chance", 0.0, "1/day^0.5", "of what drifts, times the instability", filters_only=True),
)  # fmt: skip
AT_ZERO = ("angiostatin", "endostatin", "inflammation", "instability", "independence_shift", "function_shift",
           "drive_shift", "mutations_expected")  # fmt: skip
# How sure a filter is of the state at first.
UNSURE = {"log_volume_initial_var": 0.04, "log_capacity_initial_var": 0.1, "effector_initial_var": 0.005,
          "suppressor_initial_var": 0.01}  # fmt: skip


def logarithm(volume_initial):
    """Of what is positive."""
    return np.log(volume_initial)


def logarithms(volume_initial, capacity_initial):
    """Of what is positive."""
    return np.log(volume_initial), np.log(capacity_initial)


def plateau(stimulation, inhibition):
    """Return the volume at which the tissue alone comes to rest without drugs."""
    return (stimulation / inhibition) ** 1.5


def ode(o):
    """Return the equations of a model under a treatment that begins at once."""
    drugs, model = {"angiostatin": o.angiostatin, "endostatin": o.endostatin}, MODELS[o.model]
    treated = any(drugs.values()) and o.model != "spheroid"  # which has no vessels for drugs to act on
    times = np.arange(0.0, o.treatment_end * (1 - 1e-12), o.interval) if treated else ()
    small = (1e-11, 1e-11, 1e-17, 1e-17, *(1e-11,) * (len(model.state) - 4))  # doses are about 1e-5
    steps = Steps(o.max_step) if o.max_step else None
    return Ode(o.model, model.rates, model.state, model.reads, Tolerances(1e-9, small),
               doses=Doses(tuple(times), drugs), steps=steps)  # fmt: skip


def start(o):
    """Return the state at first: a stage, what begins at zero, and what stays there."""
    zero = {f"{name}_initial": 0.0 for name in AT_ZERO} | dict.fromkeys(MODELS[o.model].still, 0.0)
    if o.model == "spheroid":
        return Formula(logarithm, "log_volume_initial"), zero
    return Formula(logarithms, ("log_volume_initial", "log_capacity_initial")), zero


@takes(OPTIONS)
def forward(o, time=(4.0, 7.0, 10.0, 13.0, 16.0, 19.0)):
    """Return the model of a tumour read at `time` (day), under doses (kg/kg) every `interval` (day).

    It drifts without chance, which only filters follow.
    """
    (first, zero), model = start(o), MODELS[o.model]
    readings = [PointwiseFormula(READINGS[name], name) for name in model.seen]
    rest = [Formula(plateau, "plateau")] if o.model == "tissue" else []
    return ForwardModel([first, *rest, OdePath(ode(o), time), *readings], model.parameters, model.seen, zero)


@takes(OPTIONS)
def space(o):
    """Return the tumour in time, read by calipers and by biopsies; it may drift by chance."""
    (first, zero), model, drifts = start(o), MODELS[o.model], o.chance > 0 and o.model == "drifting"
    chance = Chance(by_chance, ("chance",), 1.0)
    dynamics = SdeDynamics(ode(o), chance) if drifts else OdeDynamics(ode(o))
    sources = {n: ObservationOperator(n, LAWS[n], Formula(READINGS[n], n)) for n in model.seen}
    constants = {**zero, **UNSURE, "chance": o.chance}
    return StateSpace([first], dynamics, sources, model.parameters, constants)


def _told(**parameters):
    """Deviation of the volume, long after, from the plateau on the way."""
    made = known(forward, time=[400.0], **parameters)
    return abs(made["volume"][0] / made["plateau"] - 1)


def _rest():
    """Deviation of V/K, long after, from exp(-death/division), where the genome is stable."""
    made = known(forward, time=[900.0], model="frozen")
    division, death = cellular.py_func(made["effector"][0], made["suppressor"][0], 1.0, 0.01, 0.04)
    return abs(made["vessel_density"][0] / np.exp(death / division) - 1)


V, DAYS = "volume", (10.0, 30.0, 60.0, 90.0)
LIMITS = (
    Limit("the tissue alone ends at V* = (b/d_i)^(3/2)", partial(
        off, forward, V, (5.85 / 0.00873) ** 1.5, time=[400.0]), 1e-8),
    Limit("... which is told on the way", partial(_told, stimulation=8.0, inhibition=0.02), 1e-8),
    Limit("... which is as much as its vessels feed", partial(
        off, forward, "vessel_density", 1.0, time=[400.0]), 1e-8),
    Limit("... and grows as independent integrators say", partial(off, forward, V, (
        792.75837, 1976.96080, 3857.33946, 6163.88851, 8526.18432, 10660.13097)), 1e-8),
    Limit("with a stable genome the network grows as independent integrators say", partial(off, forward, V, (
        3272.95396812, 13001.47024431, 14192.57948238, 14208.05708869), time=DAYS, model="frozen"), 1e-7),
    Limit("... and with parameters that drift", partial(off, forward, V, (
        3164.90028522, 13335.39061294, 29617.45606365, 81979.03960228), time=DAYS, model="drifting"), 1e-7),
    Limit("at rest V/K is exp(-death/division)", _rest, 1e-8),
)  # fmt: skip

SYSTEM = System(
    name="physiology/tumor_hallmarks",
    parameters=(*SHARED, *TISSUE, *HALLMARKS, *OXYGEN),
    outputs=(
        Quantity("volume", "mm^3", "of the tumour, by caliper", ("time",), lower=0),
        Quantity("vessel_density", "1", "K/V, relative to what the tumour needs", ("time",), lower=0),
        Quantity("viable_fraction", "1", "of a spheroid's cells, in a section", ("time",), lower=0),
        Quantity("marker", "1", "activity of the mitogenic pathway in a biopsy", ("time",), lower=0),
        Quantity("mutations", "1", "number found in a biopsy", ("time",), lower=0),
    ),
    coordinates=(Quantity("time", "day", "since the first dose, or the first reading"),),
    options=OPTIONS,
    effective=(
        Quantity("plateau", "mm^3", "volume at which the tissue alone comes to rest without drugs"),
        *MODULES,
    ),
    smoothness="smooth",
    forward=forward,
    space=space,
    limits=LIMITS,
    examples=(
        {"angiostatin": 2e-5, "endostatin": 2e-5, "time": (4.0, 10.0)},
        {"model": "frozen", "time": (10.0, 30.0)},
        {"model": "drifting", "time": (10.0, 60.0)},
        {"model": "spheroid", "time": (10.0, 60.0)},
    ),
)  # fmt: skip
