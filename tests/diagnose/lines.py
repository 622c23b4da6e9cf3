"""A line read at four places."""

import numpy as np

from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.law import ObservationOperator
from mscale_uq.observe.laws import Gaussian
from mscale_uq.stats.experiment import Experiment

X = np.array([0.5, 1.0, 2.0, np.pi])


def line(stages, parameters, sd="noise"):
    model = ForwardModel(stages, parameters, ["y"], {"x": X})
    return Experiment(
        "line", model, {"y": [1.0, np.nan, 2.0, 3.0]}, {"y": ObservationOperator("y", Gaussian(sd))}
    )
