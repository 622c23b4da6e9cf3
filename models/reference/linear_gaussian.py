"""A tracer in two compartments: linear in state and unknowns, so that every posterior is a normal law.

A constant inflow enters the first compartment, the tracer moves to and fro and leaves from the first; the
amount in the first is read. With normal priors on inflow and initial amounts, filters, samplers and the
batch solution must agree exactly.

Dynamics  dx = (inflow - (k_out + k_there) x + k_back y) dt + noise, dy = (k_there x - k_back y) dt + noise
Observed  amount: x at given times, with independent normal errors
Limits    at rest x = inflow / k_out, y = x k_there / k_back; without outflow the tracer adds up; the answer
          to a sum of inflows and initial amounts is the sum of the answers

Source: R. E. Kalman, A new approach to linear filtering and prediction problems, J. Basic Eng. 82 (1960)
35-45, doi:10.1115/1.3662552.
"""

import numpy as np

from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.linear_dynamics import LinearReading
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.core.statespace import StateSpace
from mscale_uq.core.system import Limit, Option, System
from mscale_uq.macro.linear_sde import LinearSDE, matrix
from mscale_uq.observe.laws import Gaussian

PARAMETERS = (
    Parameter("inflow", "mg/h", 2.0, meaning="into the first compartment"),
    Parameter("x_initial", "mg", 5.0, meaning="in the first compartment at time 0"),
    Parameter("y_initial", "mg", 1.0, meaning="in the second compartment at time 0"),
)
STATE = (
    Quantity("x", "mg", "tracer in the first compartment"),
    Quantity("y", "mg", "tracer in the second compartment"),
)
TIMES = (0.5, 1.0, 2.0, 3.5, 5.0, 8.0, 12.0)


def law(inflow, k_out, k_there, k_back, noise):
    """Exchange, outflow and inflow; both amounts diffuse alike."""
    A = matrix([[-(k_out + k_there), k_back], [k_there, -k_back]])
    return A, np.stack([inflow, 0 * inflow]), noise * np.eye(2)


def first():
    """Only the first compartment is read."""
    return np.array([[1.0, 0.0]]), np.zeros(1)


def space(k_out=0.3, k_there=0.5, k_back=0.2, noise=0.0, sd=0.5, start_sd=0.0):
    """Return the state space in which one source, `probe`, reads the first compartment.

    `noise` (mg^2/h) is the diffusion of both amounts; `start_sd` (mg) is the spread of both initial amounts.
    """
    rates = {"k_out": k_out, "k_there": k_there, "k_back": k_back, "noise": noise}
    spread = {"x_initial_var": start_sd**2, "y_initial_var": start_sd**2}
    reading = LinearReading("amount", STATE, first, shape=())
    probe = ObservationOperator("amount", Gaussian(sd=sd), reading)
    return StateSpace([], LinearSDE("tracer", STATE, law), {"probe": probe}, PARAMETERS, {**rates, **spread})


def forward(time=TIMES, k_out=0.3, k_there=0.5, k_back=0.2):
    """Return the model of the amount in the first compartment at the given times, without noise."""
    return space(k_out, k_there, k_back).forward(time)


def _rest():
    """Relative distance, after a long time, from inflow / k_out."""
    return abs(forward([800.0]).value([2.0, 5.0, 1.0])[0] / (2.0 / 0.3) - 1)


def _balance():
    """Tracer that got lost, relative, in a closed system: at rest x holds k_back / (k_back + k_there)."""
    closed = forward([200.0], k_out=0.0).value([0.0, 5.0, 1.0])[0]
    return abs(closed / (6.0 * 0.2 / 0.7) - 1)


def _sum():
    """Relative deviation from superposition."""
    model = forward()
    one, two = np.array([2.0, 5.0, 1.0]), np.array([-1.0, 3.0, 4.0])
    whole = model.value(one + two)
    return np.abs(model.value(one) + model.value(two) - whole).max() / np.abs(whole).max()


LIMITS = (
    Limit("at rest as much flows out as in", _rest, 1e-12),
    Limit("a closed system keeps its tracer", _balance, 1e-12),
    Limit("answers add up", _sum, 1e-13),
)

SYSTEM = System(
    name="reference/linear_gaussian",
    parameters=PARAMETERS,
    outputs=(Quantity("amount", "mg", "in the first compartment", ("time",)),),
    coordinates=(Quantity("time", "h", "since the tracer was given"),),
    options=(
        Option("k_out", 0.3, "1/h", "rate of leaving, from the first compartment", lower=0),
        Option("k_there", 0.5, "1/h", "rate from the first to the second compartment", lower=0),
        Option("k_back", 0.2, "1/h", "rate from the second to the first compartment", lower=0),
    ),
    smoothness="smooth",
    forward=forward,
    space=space,
    limits=LIMITS,
)
