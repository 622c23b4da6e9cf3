"""Dishes of cells that do not change: the first two factorial moments of their counts are the unknowns."""

import numpy as np

from mscale_uq.core.formula import Formula
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.core.statespace import StateSpace
from mscale_uq.core.system import System
from mscale_uq.macro.linear_sde import LinearSDE
from mscale_uq.observe.laws import Gaussian

PARAMETERS = (
    Parameter("first", "1", 1.0, meaning="mean count of a usual cell"),
    Parameter("second", "1", 1.0, meaning="its second factorial moment"),
)
STATE = (Quantity("idle", "1", "does nothing"),)


def nothing():
    return np.zeros((1, 1)), np.zeros(1), np.zeros((1, 1))


def umi(first, size_factor):
    return size_factor * first


def umi_pairs(first, second, size_factor, mean_weight):
    return size_factor**2 * second - mean_weight * size_factor * first


def forward(time=(1.0, 2.0), size_factor=(1.0, 1.0), mean_weight=None):
    """Return the moments of cells of given size factors."""
    of = np.asarray(size_factor, dtype=float)
    constants = {"size_factor": of, "mean_weight": 0 * of if mean_weight is None else np.asarray(mean_weight)}
    stages = [Formula(umi, "umi"), Formula(umi_pairs, "umi_pairs")]
    return ForwardModel(stages, PARAMETERS, ["umi", "umi_pairs"], constants)


def space(size_factor=1.0, mean_weight=0.0):
    """Return the same as something to be filtered."""
    sources = {
        name: ObservationOperator(name, Gaussian(1.0), Formula(formula, name), destructive=True)
        for name, formula in (("umi", umi), ("umi_pairs", umi_pairs))
    }
    constants = {"size_factor": size_factor, "mean_weight": mean_weight, "idle_initial": 0.0}
    return StateSpace([], LinearSDE("still", STATE, nothing), sources, PARAMETERS, constants)


ALONG = ("time", "size_factor")
SYSTEM = System(
    name="toys/snapshot",
    parameters=PARAMETERS,
    outputs=(
        Quantity("umi", "1", "molecules counted in a cell", ALONG),
        Quantity("umi_pairs", "1", "pairs of them", (*ALONG, "mean_weight")),
    ),
    coordinates=(
        Quantity("time", "h", "since the start"),
        Quantity("size_factor", "1", "of the cell", lower=1e-6, carried=True),
        Quantity("mean_weight", "1", "how many times the count is taken off", carried=True),
    ),
    smoothness="smooth",
    forward=forward,
    space=space,
)
