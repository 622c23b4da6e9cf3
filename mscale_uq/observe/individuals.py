"""`Individuals`: from what is expected at each time to the readings of individuals at these times."""

from dataclasses import dataclass
from typing import final

import numpy as np

from mscale_uq.core.stage import Linearization, Named, Stage, Values


@final
class Individuals(Stage):
    """From what is expected at each time to readings of individuals, and the vector they are read through.

    Reads ``<quantity>_at`` ``(T,)``, the expected reading, and ``<quantity>_per_unit`` ``(T,)``, its change
    with the state's entry `place` of `size`; makes ``<quantity>`` ``(rows,)`` and ``<quantity>_slope``
    ``(T, size)``. `time` ``(rows,)`` says which of the T times each reading stands at.
    """

    def __init__(self, quantity: str, time: np.ndarray, place: int, size: int) -> None:
        self.name = f"readings of {quantity}"
        self.inputs = (f"{quantity}_at", f"{quantity}_per_unit")
        self.outputs = (quantity, f"{quantity}_slope")
        self._time = np.asarray(time, dtype=int)
        self._unit = np.eye(size)[place]

    def value(self, values: Values) -> Named:
        """Pick the rows and spread the slope."""
        at, per_unit = (np.asarray(values.get(name, np.zeros(self._count))) for name in self.inputs)
        return {self.outputs[0]: at[self._time], self.outputs[1]: per_unit[:, None] * self._unit}

    def linearize(self, values: Values) -> tuple[Named, Linearization]:
        """Return the same; the stage is linear."""
        return self.value(values), IndividualsLinearization(self)

    def back(self, cotangents: Values) -> Named:
        """Carry sensitivities back."""
        at = np.zeros(self._count)
        np.add.at(at, self._time, cotangents.get(self.outputs[0], np.zeros(self._time.size)))
        slope = cotangents.get(self.outputs[1], np.zeros((self._count, self._unit.size)))
        return {self.inputs[0]: at, self.inputs[1]: np.asarray(slope) @ self._unit}

    @property
    def _count(self) -> int:
        return int(self._time.max()) + 1


@final
@dataclass(frozen=True)
class IndividualsLinearization(Linearization):
    """Derivative of `Individuals`."""

    stage: Individuals

    def jvp(self, tangents: Values) -> Named:
        """Pick and spread the changes."""
        return self.stage.value(tangents)

    def vjp(self, cotangents: Values) -> Named:
        """Carry sensitivities back."""
        return self.stage.back(cotangents)
