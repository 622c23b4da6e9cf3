"""`CarriedError`: the error variances of what a stage reads, carried to what it makes."""

from collections.abc import Mapping, Sequence
from typing import final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Linearization, Named, Stage, Values
from mscale_uq.errors import WiringError, explain


@final
class CarriedError(Stage):
    """A smooth stage that also makes ``<output>_var``, from ``<input>_var`` of some of its inputs.

    To first order in the errors, which are independent: the variance of an output is the sum over all entries
    of those inputs of (derivative)^2 variance. What two outputs share of an error is not kept.

    Raises
    ------
    WiringError
        If the stage does not read a name of `uncertain`.
    """

    def __init__(self, stage: Stage, uncertain: Sequence[str]) -> None:
        for name in uncertain:
            if name not in stage.inputs:
                raise WiringError(explain(f"{stage.name} does not read {name!r}", ", ".join(stage.inputs)))
        self.stage, self.uncertain = stage, tuple(uncertain)
        self.name = stage.name
        self.inputs = (*stage.inputs, *(f"{name}_var" for name in uncertain))
        self.outputs = (*stage.outputs, *(f"{name}_var" for name in stage.outputs))

    def value(self, values: Values) -> Named:
        """Return the outputs and their variances."""
        made, linear = self.stage.linearize({name: values[name] for name in self.stage.inputs})
        total = {name: np.zeros(np.shape(array)) for name, array in made.items()}
        for name in self.uncertain:
            shape = np.shape(values[name])
            add_squares(linear, name, np.broadcast_to(values[f"{name}_var"], shape), total)
        return {**made, **{f"{name}_var": array for name, array in total.items()}}


def add_squares(linear: Linearization, name: str, variance: Array, total: Mapping[str, Array]) -> None:
    """Add to each output's variance what the entries of one input contribute."""
    direction = np.zeros(variance.shape)
    for place in np.ndindex(variance.shape):
        direction[place] = 1.0
        for output, slope in linear.jvp({name: direction}).items():
            total[output][...] += slope**2 * variance[place]
        direction[place] = 0.0
