"""Lorenz (1996): forty sites on a circle of latitude, with advection, damping and forcing: a toy weather.

Errors double in about 0.4 time units (two days), and sites far apart hardly know of each other: the usual
test of ensemble filters that are smaller than the state. States and time are without unit.

Dynamics  x_j' = (x_{j+1} - x_{j-2}) x_{j-1} - x_j + F, j on a ring
Observed  x at given sites and times, with independent normal errors
Limits    x_j = F is steady, and unstable beyond F = 8/9 at the wave numbers of its exact spectrum
          F (exp(i k) - exp(-2 i k)) - 1; advection keeps the energy sum x_j^2 / 2

Source: E. N. Lorenz, Predictability: a problem partly solved (1996), doi:10.1017/CBO9780511617652.004;
E. N. Lorenz and K. A. Emanuel, J. Atmos. Sci. 55 (1998) 399-414,
doi:10.1175/1520-0469(1998)055<0399:OSFSWO>2.0.CO;2.
"""

import numpy as np
from mscale_uq.models.reference._lorenz import Entries, Reading, adjoint96, rate96, steps96, tangent96

from mscale_uq.core.dynamics import Rollout
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.core.places import Places
from mscale_uq.core.statespace import StateSpace
from mscale_uq.core.system import Limit, Option, System
from mscale_uq.observe.laws import Gaussian
from mscale_uq.solve.runge_kutta import Field, RungeKutta

PARAMETERS = (Parameter("forcing", "1", 8.0, meaning="the same at every site"),)
TIMES, SITES = (grid.ravel() for grid in np.meshgrid([0.1, 0.2, 0.3], np.arange(0, 40, 4), indexing="ij"))


def dynamics(sites=40, longest_step=0.05):
    """Return the dynamics of one state variable, `x`, with one entry per site."""
    return RungeKutta(
        "Lorenz 1996",
        Field(rate96, tangent96, adjoint96, steps96),
        ("forcing",),
        (Quantity("x", "1", "an atmospheric quantity", shape=(sites,)),),
        longest_step,
    )


def forward(time=TIMES, site=SITES, sites=40, longest_step=0.05):
    """Return the model of readings at pairs of time and site, from the published initial state."""
    times, rows = np.unique(time, return_inverse=True)
    stages = [Rollout(dynamics(sites, longest_step), times), Reading("x", "reading", rows, site)]
    return ForwardModel(stages, PARAMETERS, ["reading"], {"x_initial": np.eye(sites)[0]})


def space(site=None, sites=40, longest_step=0.05, sd=1.0, initial_variance=0.001):
    """Return the state space whose one source, `stations`, reads x at each `site`; at every one if None."""
    here = np.arange(sites) if site is None else np.asarray(site, dtype=int)
    stage = None if site is None else Entries("x", "reading", here)
    stations = ObservationOperator("x" if site is None else "reading", Gaussian(sd=sd), stage)
    constants = {"x_initial": np.eye(sites)[0], "x_initial_var": np.full(sites, initial_variance)}
    ring = Places({"x": np.arange(sites)}, {"stations": here}, "1", period=sites)
    circle = dynamics(sites, longest_step)
    return StateSpace([], circle, {"stations": stations}, PARAMETERS, constants, places=ring)


def _rest():
    """Largest move of the state of rest in one time unit."""
    states = np.full((1, 40), 8.0)
    return np.abs(dynamics().step(states, 0.0, 1.0, {"forcing": 8.0}, None) - states).max() / 8


def _spectrum():
    """Deviation of a step's derivative at rest from the method's polynomial of the exact spectrum."""
    h, angles = 0.05, 2 * np.pi * np.arange(40) / 40
    z = h * (8.0 * (np.exp(1j * angles) - np.exp(-2j * angles)) - 1)
    exact = 1 + z + z**2 / 2 + z**3 / 6 + z**4 / 24
    step = dynamics().linearize_step(np.full(40, 8.0), 0.0, h, {"forcing": 8.0})[1]
    # On a ring the derivative is circulant: the transform of its first column is its spectrum.
    return np.abs(np.fft.fft(step.jvp({"state": np.eye(40)[0]})["state"]) - exact).max()


def _energy():
    """Deviation of the rate of energy from sum (-x^2 + F x), relative to the advection's own terms."""
    x = np.sin(np.arange(40.0))[None] * 5
    rate = rate96(x, np.array([[8.0]]))
    return abs((x * rate).sum() - (8 * x - x**2).sum()) / np.abs(x**3).sum()


LIMITS = (
    Limit("the state of rest x = F does not move", _rest, 1e-13),
    Limit("the derivative at rest has the exact spectrum", _spectrum, 1e-13),
    Limit("advection neither makes nor takes energy", _energy, 1e-14),
)

SYSTEM = System(
    name="reference/lorenz96",
    parameters=PARAMETERS,
    outputs=(Quantity("reading", "1", "x at a site", ("time", "site")),),
    coordinates=(
        Quantity("time", "1", "damping times"),
        Quantity("site", "1", "number of the site, from 0"),
    ),
    options=(
        Option("sites", 40, "1", "on the circle, at least 4", lower=3),
        Option("longest_step", 0.05, "1", "of the Runge-Kutta method", lower=0),
    ),
    smoothness="smooth",
    forward=forward,
    space=space,
    limits=LIMITS,
)
