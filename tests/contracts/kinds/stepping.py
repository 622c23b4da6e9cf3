"""Time stepping: a cell keeps making and losing a protein; a camera sees it. Rolled out, and filtered."""

import numpy as np

from mscale_uq.core.dynamics import Dynamics
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.core.stage import MatrixLinearization
from mscale_uq.core.statespace import StateSpace
from mscale_uq.observe.laws import Gaussian

PARAMETERS = (
    Parameter("making", "1/min", 4.0, lower=0, meaning="molecules made a minute"),
    Parameter("loss", "1/min", 0.1, lower=0, meaning="chance a minute that a molecule is lost"),
)


class MakeAndLose(Dynamics):
    """dp = (making - loss p) dt + noise, stepped exactly."""

    name = "make and lose"
    inputs = ("making", "loss")
    state = (Quantity("protein", "1", "molecules in the cell"),)

    def step(self, states, start, stop, values, rng):
        kept = np.exp(-values["loss"] * (stop - start))[..., None]
        level = (values["making"] / values["loss"])[..., None]
        return level + (states - level) * kept

    def linearize_step(self, state, start, stop, values):
        making, loss, time = values["making"], values["loss"], stop - start
        kept = np.exp(-loss * time)
        excess = state - making / loss
        to_loss = -making / loss**2 * (1 - kept) - time * kept * excess
        jacobians = {
            ("state", "state"): np.array([[kept]]),
            ("state", "making"): np.array([(1 - kept) / loss]),
            ("state", "loss"): to_loss,
        }
        shapes = {"state": (1,), "making": (), "loss": ()}
        return making / loss + excess * kept, MatrixLinearization(jacobians, shapes, {"state": (1,)})

    def noise(self, start, stop, values):
        mean = values["making"] / values["loss"]
        return np.array([[mean * (1 - np.exp(-2 * values["loss"] * (stop - start)))]])


def space():
    return StateSpace(
        [],
        MakeAndLose(),
        {"camera": ObservationOperator("protein", Gaussian(sd=3.0))},
        PARAMETERS,
        constants={"protein_initial": 10.0, "protein_initial_var": 25.0},
    )
