"""A straight line in time: linear in its unknowns, so that normal priors are conjugate."""

import numpy as np

from mscale_uq.core.formula import Formula
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.core.system import Option, System

PARAMETERS = (
    Parameter("offset", "m", 0.0, meaning="length at time zero"),
    Parameter("speed", "m/s", 1.0, meaning="growth of the length"),
    Parameter("temperature", "K", 300.0, lower=0, meaning="expands the ruler"),
    Parameter("weights", "1", (1.0, 0.0), shape=(2,), meaning="of the straight and the quadratic part"),
)


def expansion(temperature, reference):
    return temperature / reference


def length(offset, speed, weights, time, duration, stretch):
    return stretch * (offset + speed * (weights[0] * time + weights[1] * time**2 / duration))


def end(offset, speed, stretch, duration):
    return stretch * (offset + speed * duration)


def doubled(speed):
    return 2.0 * speed


def forward(time=(0.0, 1.0), duration=10.0, reference=300.0, steps=4, ruler="steel"):
    """Return the line at the given times (s)."""
    stages = [
        Formula(expansion, "stretch"),
        Formula(doubled, "doubled_speed"),
        Formula(length, "length"),
        Formula(end, "end"),
    ]
    constants = {"time": np.asarray(time), "duration": duration, "reference": reference}
    return ForwardModel(stages, PARAMETERS, ["length", "end"], constants)


SYSTEM = System(
    name="toys/line",
    parameters=PARAMETERS,
    outputs=(Quantity("length", "m", "of the line", ("time",)), Quantity("end", "m", "length at the end")),
    coordinates=(Quantity("time", "s", "since the start"),),
    options=(
        Option("duration", 10.0, "s", "until the end"),
        Option("reference", 300.0, "K", "temperature at which the ruler is right"),
        Option("steps", 4, "1", "does nothing"),
        Option("ruler", "steel", meaning="does nothing", choices=("steel", "wood")),
    ),
    effective=(Quantity("doubled_speed", "m/s", "twice the speed"),),
    smoothness="smooth",
    forward=forward,
)
