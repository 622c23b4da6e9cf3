"""Lorenz (1963): three amplitudes of convection in a heated fluid layer, the oldest of the chaotic systems.

Small, smooth and unpredictable beyond a few time units: the usual first test of a filter. Time is in units
of the layer's thermal diffusion, states are without unit.

Dynamics  x' = sigma (y - x), y' = x (rho - z) - y, z' = x y - beta z
Observed  each of x, y, z at given times, with independent normal errors
Limits    the steady states (+-sqrt(beta (rho - 1)), same, rho - 1); z decays as exp(-beta t) on the z axis;
          volumes of states shrink as exp(-(sigma + 1 + beta) t)

Source: E. N. Lorenz, Deterministic nonperiodic flow, J. Atmos. Sci. 20 (1963) 130-141,
doi:10.1175/1520-0469(1963)020<0130:DNF>2.0.CO;2.
"""

import numpy as np
from mscale_uq.models.reference._lorenz import Entries, Reading, adjoint63, rate63, steps63, tangent63

from mscale_uq.core.dynamics import Rollout
from mscale_uq.core.formula import Formula
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.core.statespace import StateSpace
from mscale_uq.core.system import Limit, Option, System
from mscale_uq.observe.laws import Gaussian
from mscale_uq.solve.runge_kutta import Field, RungeKutta

SIGMA, RHO, BETA, START = 10.0, 28.0, 8 / 3, (1.509, -1.531, 25.46)
PARAMETERS = (
    Parameter("sigma", "1", SIGMA, lower=0, meaning="Prandtl number"),
    Parameter("rho", "1", RHO, lower=0, meaning="Rayleigh number over its critical value"),
    Parameter("beta", "1", BETA, lower=0, meaning="geometry of the convection cells"),
    Parameter("x_initial", "1", START[0], meaning="x at time 0"),
    Parameter("y_initial", "1", START[1], meaning="y at time 0"),
    Parameter("z_initial", "1", START[2], meaning="z at time 0"),
)
VALUES = {"sigma": SIGMA, "rho": RHO, "beta": BETA}
AXES = ("x", "y", "z")
TIMES = tuple(np.arange(1, 9) * 0.125)


def begin(x_initial, y_initial, z_initial):
    """The state at time 0."""
    return np.stack([x_initial, y_initial, z_initial])


def dynamics(longest_step=0.01):
    """Return the dynamics of one state variable, `position` = (x, y, z)."""
    return RungeKutta(
        "Lorenz 1963",
        Field(rate63, tangent63, adjoint63, steps63),
        ("sigma", "rho", "beta"),
        (Quantity("position", "1", "amplitudes of flow, temperature and its profile", shape=(3,)),),
        longest_step,
    )


def forward(time=TIMES, longest_step=0.01):
    """Return the model of all three amplitudes at the given times."""
    rows = np.arange(len(time))
    readings = [Reading("position", axis, rows, np.full(len(time), i)) for i, axis in enumerate(AXES)]
    stages = [Formula(begin, "position_initial"), Rollout(dynamics(longest_step), time), *readings]
    return ForwardModel(stages, PARAMETERS, AXES)


def space(longest_step=0.01, sd=1.0, initial_variance=2.0):
    """Return the state space in which `probe` reads the whole position, and `x`, `y`, `z` an axis each."""
    law = Gaussian(sd=sd)
    sources = {"probe": ObservationOperator("position", law)}
    for column, axis in enumerate(AXES):
        sources[axis] = ObservationOperator(axis, law, Entries("position", axis, column))
    constants = {"position_initial_var": np.full(3, initial_variance)}
    return StateSpace(
        [Formula(begin, "position_initial")], dynamics(longest_step), sources, PARAMETERS, constants
    )


def _steady():
    """Largest move, in one time unit, of the two steady states that convect."""
    arm = np.sqrt(BETA * (RHO - 1))
    states = np.array([[arm, arm, RHO - 1], [-arm, -arm, RHO - 1]])
    return np.abs(dynamics().step(states, 0.0, 1.0, VALUES, None) - states).max() / RHO


def _axis():
    """Relative deviation from pure decay on the z axis."""
    model = forward(time=[1.0])
    theta = model.theta(x_initial=0.0, y_initial=0.0, z_initial=5.0)
    return np.abs(model.value(theta) - [0.0, 0.0, 5 * np.exp(-BETA)]).max() / 5


def _volume():
    """Relative deviation of the determinant of the flow from Liouville's theorem, over 0.2 time units."""
    step = dynamics().linearize_step(np.array(START), 0.0, 0.2, VALUES)[1]
    jacobian = np.stack([step.jvp({"state": unit})["state"] for unit in np.eye(3)], axis=1)
    return abs(np.linalg.det(jacobian) * np.exp(0.2 * (SIGMA + 1 + BETA)) - 1)


# The last two carry the method's error at the step h = 0.01: (lambda h)^5 / 120 a step at the rate lambda.
# On the axis lambda = beta, 1e-10 a step for 100 steps; elsewhere lambda reaches 28, 1.4e-5 a step for 20.
LIMITS = (
    Limit("the two convecting steady states do not move", _steady, 1e-12),
    Limit("on the z axis the state decays exponentially", _axis, 1.2e-8),
    Limit("a volume of states shrinks at the rate sigma + 1 + beta", _volume, 3e-4),
)

SYSTEM = System(
    name="reference/lorenz63",
    parameters=PARAMETERS,
    outputs=tuple(Quantity(axis, "1", f"amplitude {axis}", ("time",)) for axis in AXES),
    coordinates=(Quantity("time", "1", "thermal diffusion times"),),
    options=(Option("longest_step", 0.01, "1", "of the Runge-Kutta method", lower=0),),
    smoothness="smooth",
    forward=forward,
    space=space,
    limits=LIMITS,
)
