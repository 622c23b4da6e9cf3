"""Feedback: a slab heats itself, and conducts current the better the hotter it is."""

import numpy as np

from mscale_uq.core.formula import Formula
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.implicit import Implicit
from mscale_uq.core.parameter import Parameter

PARAMETERS = (Parameter("heating", "1", 0.2, lower=0, meaning="heat made over heat lost, when cold"),)


def conductivity(temperature):
    return np.exp(temperature)


def disagreement(heating, conductivity, temperature):
    """Heat balance: the temperature that the current makes, minus the one it was computed with."""
    return heating * conductivity - temperature


def forward():
    loop = Implicit(
        [Formula(conductivity, "conductivity"), Formula(disagreement, "disagreement")],
        unknown="temperature",
        residual="disagreement",
        start=0.0,
        name="self-heating",
    )
    return ForwardModel([loop], PARAMETERS, outputs=["temperature", "conductivity"])
