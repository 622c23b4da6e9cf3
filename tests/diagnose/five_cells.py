"""A rod of few cells, and the homogenised model that is used for it."""

from functools import partial

import numpy as np

from mscale_uq.core.formula import Formula
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.parameter import Parameter
from mscale_uq.core.stage import Stage
from mscale_uq.diagnose.resolved import Resolved
from mscale_uq.errors import SolveFailed
from mscale_uq.observe.laws import Gaussian
from mscale_uq.stats.experiment import Experiment
from mscale_uq.stats.posterior import Posterior
from mscale_uq.stats.priors import Normal

SENSORS = np.linspace(0.1, 0.9, 9)
TRUTH, SD = 1.1, 0.001
RESISTIVITY = (Parameter("resistivity", "m K/W", 1.0),)
PHASES = np.arange(8) * np.pi / 4


def medium(theta, x, eps, phase=0.0):
    """Temperature in the resolved medium: the flux is c - x, and u' = (c - x)/k."""
    w = 2 * np.pi / eps

    def mass(x):
        return 2 * x - 1.8 / w * (np.cos(w * x + phase) - np.cos(phase))

    def moment(x):
        wave = x * np.cos(w * x + phase) / w - (np.sin(w * x + phase) - np.sin(phase)) / w**2
        return x**2 - 1.8 * wave

    return {"u": theta["resistivity"] * (moment(1.0) / mass(1.0) * mass(x) - moment(x))}


def parabola(resistivity, x):
    return resistivity * x * (1 - x)


def homogenised(x=SENSORS):
    return ForwardModel([Formula(parabola, "u")], RESISTIVITY, ["u"], {"x": x})


def resolved(phase=0.0, eps=1 / 5, x=SENSORS):
    stage = Resolved(partial(medium, x=x, eps=eps, phase=phase), ("resistivity",), ("u",))
    return ForwardModel([stage], RESISTIVITY, ["u"])


def readings(phase=0.0, eps=1 / 5, x=SENSORS):
    return medium({"resistivity": TRUTH}, x, eps, phase)["u"]


def calibration(data, model=None, law=None):
    operators = {"u": ObservationOperator("u", law or Gaussian(SD))}
    rod = Experiment("rod", model or homogenised(), {"u": data}, operators)
    return Posterior({"resistivity": Normal(1.0, 0.3)}, [rod])


def exact(posterior):
    """Mean and sd of R: its log-density is a parabola, which three values give."""
    low, middle, high = (posterior.logpdf([R]) for R in (0.5, 1.0, 1.5))
    bend = -(low - 2 * middle + high) / 0.25
    return 1.0 + (high - low) / bend, bend**-0.5


class Fragile(Stage):
    name, inputs, outputs = "fragile", ("resistivity",), ("u",)

    def value(self, values):
        if values["resistivity"] > 1:
            raise SolveFailed(self.name, values, "too large")
        return medium(values, SENSORS, 1 / 5)
