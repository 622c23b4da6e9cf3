"""`Requirement`: what a prediction needs to exist at all, said as a stage."""

from typing import final

import numpy as np

from mscale_uq.core.stage import Linearization, MatrixLinearization, Named, Stage, Values
from mscale_uq.errors import Infeasible


@final
class Requirement(Stage):
    """Lets positive values pass and makes nothing.

    Parameters
    ----------
    positive
        Name of the value that must be positive, entry by entry.
    reason
        What it means if it is not, for the person who reads of it.
    name
        What failures call it.

    Raises
    ------
    Infeasible
        By `value` and `linearize`, if an entry is not positive.
    """

    def __init__(self, positive: str, reason: str, name: str) -> None:
        self.inputs: tuple[str, ...] = (positive,)
        self.outputs: tuple[str, ...] = ()
        self.name = name
        self._reason = reason

    def value(self, values: Values) -> Named:
        """Return nothing, or raise."""
        if not np.all(values[self.inputs[0]] > 0):
            raise Infeasible(self.name, values, self._reason)
        return {}

    def linearize(self, values: Values) -> tuple[Named, Linearization]:
        """Return nothing, and that nothing moves."""
        shapes = {name: np.shape(values[name]) for name in self.inputs}
        return self.value(values), MatrixLinearization({}, shapes, {})
