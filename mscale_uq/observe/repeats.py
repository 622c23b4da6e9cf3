"""`Repeats`: one predicted number, read several times."""

from dataclasses import dataclass
from typing import final

import numpy as np

from mscale_uq.core.stage import Linearization, Named, Stage, Values
from mscale_uq.errors import InputError, explain


@final
class Repeats(Stage):
    """Repeats a number ``()`` as an array ``(count,)``, one entry for each reading, in the same unit.

    Parameters
    ----------
    count
        Number of readings.
    source, output
        Names read and made.

    Raises
    ------
    InputError
        If there is no reading.
    """

    def __init__(self, count: int, source: str, output: str) -> None:
        if count < 1:
            raise InputError(explain(f"{count} readings of {source!r}", "at least one"))
        self.count = count
        self.name = f"{output} (repeats)"
        self.inputs, self.outputs = (source,), (output,)

    def value(self, values: Values) -> Named:
        """Return the readings."""
        return {self.outputs[0]: np.full(self.count, values[self.inputs[0]], dtype=float)}

    def linearize(self, values: Values) -> tuple[Named, Linearization]:
        """Return the readings; the derivative repeats changes and adds up sensitivities."""
        return self.value(values), RepeatsLinearization(self)


@final
@dataclass(frozen=True)
class RepeatsLinearization(Linearization):
    """Derivative of `Repeats`, which is linear."""

    stage: Repeats

    def jvp(self, tangents: Values) -> Named:
        """Repeat the change."""
        return self.stage.value(tangents)

    def vjp(self, cotangents: Values) -> Named:
        """Add up the sensitivities."""
        return {self.stage.inputs[0]: np.asarray(np.sum(cotangents[self.stage.outputs[0]]))}
