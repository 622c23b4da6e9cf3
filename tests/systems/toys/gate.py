"""A straight line through readings, whose solver gives up, or worse, where the level is above a limit."""

import os
from pathlib import Path

import numpy as np

from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.core.stage import MatrixLinearization, Stage
from mscale_uq.core.system import Option, System
from mscale_uq.errors import Infeasible, SolveFailed

COUNTER = "TOY_GATE_COUNTER"  # environment: a file that gets a byte for each evaluation above the limit
CHOICES = ("give_up", "not_a_number", "absent", "bug")
PARAMETERS = (
    Parameter("level", "m", 0.5, meaning="reading at place zero"),
    Parameter("slope", "1", 0.5, meaning="of the line"),
)


class Gate(Stage):
    """reading = level + slope place, unless the level is above the limit."""

    name = "gate"
    inputs = ("level", "slope")
    outputs = ("reading",)

    def __init__(self, place, limit, above):
        self.place, self.limit, self.above = place, limit, above

    def value(self, values):
        reading = values["level"] + values["slope"] * self.place
        if values["level"] <= self.limit:
            return {"reading": reading}
        with Path(os.environ[COUNTER]).open("ab") as counter:
            counter.write(b"x")
        return getattr(self, self.above)(values, reading)

    def give_up(self, values, reading):
        raise SolveFailed("gate", values, "no convergence")

    def not_a_number(self, values, reading):
        return {"reading": np.where(self.place > 0, np.nan, reading)}

    def absent(self, values, reading):
        raise Infeasible("gate", values, "there is no line up here")

    def bug(self, values, reading):
        return {"reading": reading + "one"}  # the bug

    def linearize(self, values):
        size = self.place.size
        blocks = {("reading", "level"): np.ones(size), ("reading", "slope"): self.place}
        shapes = {"level": (), "slope": ()}, {"reading": (size,)}
        return self.value(values), MatrixLinearization(blocks, *shapes)


def forward(place=(0.0, 1.0), limit=1e9, above="give_up"):
    """Return the line at the given places (m)."""
    stage = Gate(np.asarray(place, dtype=float), limit, above)
    return ForwardModel([stage], PARAMETERS, ["reading"])


SYSTEM = System(
    name="toys/gate",
    parameters=PARAMETERS,
    outputs=(Quantity("reading", "m", "of the line", ("place",)),),
    coordinates=(Quantity("place", "m", "along the line"),),
    options=(
        Option("limit", 1e9, "m", "of the level"),
        Option(
            "above",
            "give_up",
            meaning="what happens there",
            choices=("give_up", "not_a_number", "absent", "bug"),
        ),
    ),
    smoothness="smooth",
    forward=forward,
)
