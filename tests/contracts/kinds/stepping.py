"""Time stepping: a cell keeps making and losing a protein; a camera sees it. Rolled out, and filtered."""

import numpy as np

from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.core.statespace import StateSpace
from mscale_uq.core.step_formula import StepFormula
from mscale_uq.observe.laws import Gaussian

PARAMETERS = (
    Parameter("making", "1/min", 4.0, lower=0, meaning="molecules made a minute"),
    Parameter("loss", "1/min", 0.1, lower=0, meaning="chance a minute that a molecule is lost"),
)
PROTEIN = Quantity("protein", "1", "molecules in the cell")


def make_and_lose(protein, making, loss, start, stop):
    """dp = (making - loss p) dt + noise, stepped exactly."""
    return making / loss + (protein - making / loss) * np.exp(-loss * (stop - start))


def chance(making, loss, start, stop):
    return [[making / loss * (1 - np.exp(-2 * loss * (stop - start)))]]


def space():
    dynamics = StepFormula(make_and_lose, state=(PROTEIN,), noise=chance)
    camera = ObservationOperator("protein", Gaussian(sd=3.0))
    start = {"protein_initial": 10.0, "protein_initial_var": 25.0}
    return StateSpace([], dynamics, {"camera": camera}, PARAMETERS, start)
