"""Chance: molecules hop on a lattice; their mean squared distance gives a diffusivity, with its own error.

The random numbers hang on the key alone, so that the same key gives a smooth function of the rate, and the
stage's own error travels beside the value as ``<name>_var``.
"""

from scipy.stats import poisson

from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.parameter import Parameter
from mscale_uq.core.random import generator
from mscale_uq.core.stage import Stage

PARAMETERS = (Parameter("hop_rate", "1/s", 2.0, lower=0, meaning="hops a second, either way"),)
MOLECULES, TIME = 400, 50.0


class Hopping(Stage):
    """Mean squared displacement of independent walkers, by common random numbers."""

    name = "hopping"
    inputs = ("hop_rate", "key")
    outputs = ("diffusivity", "diffusivity_var")

    def value(self, values):
        rng = generator(int(values["key"]))
        uniform = rng.random((2, MOLECULES))
        right, left = poisson.ppf(uniform, values["hop_rate"] * TIME)
        square = (right - left) ** 2 / (2 * TIME)
        return {"diffusivity": square.mean(), "diffusivity_var": square.var(ddof=1) / MOLECULES}


def forward():
    return ForwardModel([Hopping()], PARAMETERS, outputs=["diffusivity"])
