"""`Rows`: from readings on a grid of times and sensors to the rows of a table, one reading a row."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Linearization, Named, Stage, Values


@final
class Rows(Stage):
    """Picks one entry per row of a table from an array ``(times, sensors)``.

    Parameters
    ----------
    times, sensors
        Position of each row's time and sensor, ``(rows,)`` each.
    source, output
        Names read and made; the output is ``(rows,)``.
    """

    def __init__(self, times: ArrayLike, sensors: ArrayLike, source: str, output: str) -> None:
        self._places = np.asarray(times, dtype=int), np.asarray(sensors, dtype=int)
        self.name = f"{output} (rows)"
        self.inputs, self.outputs = (source,), (output,)

    def value(self, values: Values) -> Named:
        """Return the reading of each row."""
        return {self.outputs[0]: np.asarray(values[self.inputs[0]])[self._places]}

    def linearize(self, values: Values) -> tuple[Named, Linearization]:
        """Return the readings; the derivative picks and puts back."""
        return self.value(values), RowsLinearization(self, np.shape(values[self.inputs[0]]))

    def put_back(self, weights: Array, shape: tuple[int, ...]) -> Array:
        """Return an array of the grid's shape with each row's weight added at its place."""
        total = np.zeros(shape)
        np.add.at(total, self._places, weights)
        return total


@final
@dataclass(frozen=True)
class RowsLinearization(Linearization):
    """Derivative of `Rows`."""

    rows: Rows
    shape: tuple[int, ...]

    def jvp(self, tangents: Values) -> Named:
        """Pick the changes."""
        return self.rows.value(tangents)

    def vjp(self, cotangents: Values) -> Named:
        """Put the sensitivities back."""
        return {self.rows.inputs[0]: self.rows.put_back(cotangents[self.rows.outputs[0]], self.shape)}


def grid_of(columns: Mapping[str, ArrayLike]) -> tuple[Array, np.ndarray]:
    """Return the distinct rows of some columns ``(distinct, columns)``, and which each row is ``(rows,)``."""
    table = np.stack([np.asarray(column, dtype=float) for column in columns.values()], axis=1)
    distinct, position = np.unique(table, axis=0, return_inverse=True)
    return distinct, np.ravel(position)
