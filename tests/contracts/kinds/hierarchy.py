"""Hierarchy: two specimens from one factory, each with its own stiffness, both from one distribution."""

import numpy as np

from mscale_uq.core.formula import Formula
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.parameter import Parameter
from mscale_uq.observe.laws import Gaussian
from mscale_uq.stats.experiment import Experiment, Fixed, Shared
from mscale_uq.stats.posterior import Posterior
from mscale_uq.stats.priors import HalfNormal, LogNormal, Normal

PARAMETERS = (
    Parameter("stiffness", "N/m", 100.0, lower=0, meaning="of the specimen's springs"),
    Parameter("number", "1", 4.0, lower=0, meaning="springs in parallel"),
)


def stretch(stiffness, number, load):
    return load / (number * stiffness)


def specimen(name, index, number, readings):
    load = np.array([10.0, 20.0, 30.0])
    model = ForwardModel([Formula(stretch, "stretch")], PARAMETERS, ["stretch"], {"load": load})
    camera = {"stretch": ObservationOperator("stretch", Gaussian(sd="reading_error"))}
    bindings = {"stiffness": Shared("stiffness", index), "number": Fixed(number)}
    return Experiment(name, model, {"stretch": readings}, camera, bindings)


def posterior():
    first = specimen("thin", 0, 2.0, [0.051, 0.098, np.nan])
    second = specimen("thick", 1, 5.0, [0.019, 0.041, 0.062])
    priors = {
        "typical": Normal(4.6, 0.5),
        "spread": HalfNormal(0.3),
        "stiffness": LogNormal("typical", "spread"),
        "reading_error": HalfNormal(0.01),
    }
    return Posterior(priors, [first, second], shapes={"stiffness": (2,)})
