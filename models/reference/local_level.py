"""A level that wanders as a random walk and is read with noise: the Nile at Aswan, 1871 to 1970.

Two standard deviations, of a year's reading and of the level's yearly move, say how much of a year's surprise
to believe. The log-likelihoods of this series are known to many digits.

Dynamics  d level = level_sd dW; in the first year the level is normal with `level` and `level_spread`
Observed  flow = level + N(0, reading_sd^2), each year
Paths     `forward` makes the level from standard normal moves, so that a sampler that has them as unknowns
          finds the posterior of the path; `space` is the same model for filters
Diffuse   `diffuse_space` knows nothing before the first flow: the level there is that flow with variance
          reading_sd^2, and the filter reads the years after it. Its log-likelihood does not count the first
          flow; the exact diffuse convention subtracts ln(2 pi) / 2 for it
Limits    without moves the level stays; the variance of the forecast settles at p^2 - q p - q r = 0 with
          q = level_sd^2, r = reading_sd^2

Publications count in 1e8 m^3, a tenth of a km^3: their likelihoods are of numbers ten times as large.

Source: G. W. Cobb, The problem of the Nile, Biometrika 65 (1978) 243-251, doi:10.2307/2335202.
"""

from typing import final

import numpy as np

from mscale_uq.core.formula import Formula
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.linear_dynamics import LinearReading
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.core.stage import MatrixLinearization, Stage
from mscale_uq.core.statespace import StateSpace
from mscale_uq.core.system import Limit, Option, System
from mscale_uq.macro.linear_sde import LinearSDE, matrix
from mscale_uq.observe.laws import Gaussian

COUNT = 100  # years with a flow
READING_SD = Parameter("reading_sd", "km^3", 12.288, lower=0, meaning="of a year's flow around the level")
LEVEL_SD = Parameter("level_sd", "km^3/year^0.5", 3.833, lower=0, meaning="of the level's move in a year")
MOVES = Parameter(
    "moves",
    "1",
    (0.0,) * COUNT,
    shape=(COUNT,),
    meaning="of the level, in its standard deviations",
    dims=("year",),
)
STATE = (Quantity("level", "km^3", "of the river"),)
YEARS = tuple(np.arange(1871.0, 1971.0))


def law(level_sd):
    """A random walk."""
    return np.zeros((1, 1)), np.zeros(1), matrix([[level_sd**2]])


def flow():
    """The flow is read as it is."""
    return np.ones((1, 1)), np.zeros(1)


def first_variance(reading_sd):
    """Variance of the level after the first flow, if nothing was known before."""
    return reading_sd**2


def gauge():
    """Return the one source, which reads the level with the unknown `reading_sd`."""
    reading = LinearReading("flow", STATE, flow, shape=())
    return {"gauge": ObservationOperator("flow", Gaussian(sd="reading_sd"), reading)}


def space(level=100.0, level_spread=316.22776601683796, start=1871.0):
    """Return the state space whose level in the year `start` is normal; by default hardly known."""
    constants = {"level_initial": level, "level_initial_var": level_spread**2}
    return StateSpace([], LinearSDE("random walk", STATE, law), gauge(), [LEVEL_SD], constants, start)


def diffuse_space(first_flow=112.0, start=1871.0):
    """Return the state space that starts with the first flow and knows nothing before it."""
    stages = [Formula(first_variance, "level_initial_var")]
    constants = {"level_initial": first_flow}
    walk = LinearSDE("random walk", STATE, law)
    return StateSpace(stages, walk, gauge(), [LEVEL_SD, READING_SD], constants, start)


@final
class Path(Stage):
    """The flow without reading error in the given years, from the moves of the level up to each."""

    name = "path of the level"
    inputs = ("moves", "level_sd")
    outputs = ("flow",)

    def __init__(self, places, level, level_spread, interval):
        self.places = places
        self.level = level
        self.first = level_spread * np.eye(COUNT)[0]
        self.later = interval**0.5 * (1 - np.eye(COUNT)[0])

    def value(self, values):
        """Add up the moves."""
        steps = (self.first + values["level_sd"] * self.later) * values["moves"]
        return {"flow": self.level + np.cumsum(steps)[self.places]}

    def linearize(self, values):
        """Return the flows and their derivative: a flow knows the moves before it."""
        before = np.tri(COUNT)[self.places]
        by_move = before * (self.first + values["level_sd"] * self.later)
        by_sd = before @ (self.later * values["moves"])
        blocks = {("flow", "moves"): by_move, ("flow", "level_sd"): by_sd}
        shapes = {"moves": (COUNT,), "level_sd": ()}
        return self.value(values), MatrixLinearization(blocks, shapes, {"flow": by_sd.shape})


def forward(year=YEARS, level=100.0, level_spread=316.22776601683796, start=1871.0, interval=1.0):
    """Return the flows without reading error, from the moves of the level."""
    places = np.rint((np.asarray(year) - start) / interval).astype(int)
    return ForwardModel([Path(places, level, level_spread, interval)], [LEVEL_SD, MOVES], ["flow"])


def _constant():
    """Largest relative change of the level when nothing moves after the first year."""
    moves = np.eye(COUNT)[0]
    return np.abs(forward().value([4.0, *moves]) / 416.22776601683796 - 1).max()


def _settled():
    """Relative deviation of the settled forecast variance from its equation."""
    q, r, p = 14.691, 150.99, 150.99
    walk = space().dynamics
    for year in range(200):
        p = p * r / (p + r) + walk.noise(year, year + 1, {"level_sd": np.sqrt(q)})[0, 0]
    return abs(p * p - q * p - q * r) / p**2


LIMITS = (
    Limit("without moves the level stays", _constant, 1e-14),
    Limit("the forecast variance settles at the root of p^2 - q p - q r", _settled, 1e-12),
)

SYSTEM = System(
    name="reference/local_level",
    parameters=(LEVEL_SD, MOVES),
    outputs=(Quantity("flow", "km^3", "of the river in a year", ("year",)),),
    coordinates=(Quantity("year", "year", "of the flow"),),
    options=(
        Option("level", 100.0, "km^3", "expected in the first year"),
        Option("level_spread", 316.22776601683796, "km^3", "of the level in the first year", lower=0),
        Option("start", 1871.0, "year", "the first year"),
        Option("interval", 1.0, "year", "between two levels", lower=0),
    ),
    smoothness="smooth",
    forward=forward,
    space=space,
    limits=LIMITS,
)
