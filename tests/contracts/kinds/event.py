"""Event: a drug decays; the event is the time at which it falls below what still works."""

import numpy as np

from mscale_uq.core.formula import Formula
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.implicit import Implicit
from mscale_uq.core.parameter import Parameter

PARAMETERS = (
    Parameter("dose", "mg", 10.0, lower=0, meaning="dose given at time zero"),
    Parameter("clearance", "1/h", 0.3, lower=0, meaning="share cleared an hour"),
    Parameter("threshold", "mg", 2.0, lower=0, meaning="least amount that works"),
)


def amount(dose, clearance, event_time):
    return dose * np.exp(-clearance * event_time)


def above(amount, threshold):
    """Logarithm of the excess: nearly straight in time, so that Newton arrives from anywhere."""
    return np.log(amount / threshold)


def forward():
    event = Implicit(
        [Formula(amount, "amount"), Formula(above, "above")],
        unknown="event_time",
        residual="above",
        start=0.0,
        name="drug runs out",
    )
    return ForwardModel([event], PARAMETERS, outputs=["event_time"])
