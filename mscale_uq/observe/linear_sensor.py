"""`LinearSensor`: a reading that is linear in a nodal field."""

from abc import ABC
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from scipy.sparse import csr_array

from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Linearization, Named, Stage, Values
from mscale_uq.errors import InputError, explain


class LinearSensor(Stage, ABC):
    """A reading that is linear in the field: ``matrix @ field``.

    The field is ``(n,)``, or ``(..., n)`` for many states at once; the reading has shape ``(..., *shape)``.
    """

    matrix: csr_array
    shape: tuple[int, ...]

    @final
    def value(self, values: Values) -> Named:
        """Return the reading."""
        return {self.outputs[0]: self.read(np.asarray(values[self.inputs[0]], dtype=float))}

    @final
    def linearize(self, values: Values) -> tuple[Named, Linearization]:
        """Return the reading and its derivative, which is the sensor itself."""
        return self.value(values), SensorLinearization(self)

    @final
    def read(self, field: Array) -> Array:
        """Return the reading ``(..., *shape)`` of a field ``(..., n)``.

        Raises
        ------
        InputError
            If the field has another number of nodes than the sensor's mesh.
        """
        if field.shape[-1:] != self.matrix.shape[1:]:
            raise InputError(
                explain(f"{self.name} reads a field of shape {field.shape}", f"(..., {self.matrix.shape[1]})")
            )
        rows = field.reshape(-1, field.shape[-1])
        return (self.matrix @ rows.T).T.reshape(field.shape[:-1] + self.shape)

    @final
    def spread(self, weights: Array) -> Array:
        """Carry sensitivities to the reading ``(..., *shape)`` back to the field ``(..., n)``."""
        leading = weights.shape[: weights.ndim - len(self.shape)]
        rows = weights.reshape(-1, self.matrix.shape[0])
        return (self._transposed @ rows.T).T.reshape((*leading, self.matrix.shape[1]))

    @cached_property
    def _transposed(self) -> csr_array:
        return csr_array(self.matrix.T)


@final
@dataclass(frozen=True)
class SensorLinearization(Linearization):
    """The sensor's matrix, applied from either side."""

    sensor: LinearSensor

    def jvp(self, tangents: Values) -> Named:
        """Read the change of the field."""
        return self.sensor.value(tangents)

    def vjp(self, cotangents: Values) -> Named:
        """Spread sensitivities to the reading over the nodes."""
        weights = np.asarray(cotangents[self.sensor.outputs[0]], dtype=float)
        return {self.sensor.inputs[0]: self.sensor.spread(weights)}
