"""`CarriedError`: the error variances of what a stage reads, carried to what it makes."""

from collections.abc import Mapping, Sequence
from typing import final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Linearization, Named, PointwiseStage, Stage, Values
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
        self._moved = stage.moved_by(self.uncertain)
        self._add = add_squares_by_point if isinstance(stage, PointwiseStage) else add_squares

    def value(self, values: Values) -> Named:
        """Return the outputs and their variances."""
        made, linear = self._moved.linearize({name: values[name] for name in self.stage.inputs})
        total = {name: np.zeros(np.shape(array)) for name, array in made.items()}
        for name in self.uncertain:
            shape = np.shape(values[name])
            self._add(linear, name, np.broadcast_to(values[f"{name}_var"], shape), total)
        return {**made, **{f"{name}_var": array for name, array in total.items()}}


def add_squares(linear: Linearization, name: str, variance: Array, total: Mapping[str, Array]) -> None:
    """Add to each output's variance what the entries of one input contribute."""
    entries = np.eye(variance.size).reshape(variance.size, *variance.shape)
    for output, slopes in linear.jvps({name: entries}).items():
        for slope, own in zip(slopes, variance.ravel(), strict=True):
            total[output][...] += slope**2 * own


def add_squares_by_point(
    linear: Linearization, name: str, variance: Array, total: Mapping[str, Array]
) -> None:
    """The same where a point of each output reads only its own point of an input: all of them at once."""
    for column in np.ndindex(variance.shape[1:]):
        direction = np.zeros(variance.shape)
        direction[(..., *column)] = 1.0
        for output, slope in linear.jvp({name: direction}).items():
            total[output][...] += slope**2 * variance[(..., *column)]
