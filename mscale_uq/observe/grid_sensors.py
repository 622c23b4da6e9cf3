"""`GridSensors`: a field on the nodes of a uniform rectangle, read at points by bilinear interpolation."""

from typing import final

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array

from mscale_uq.errors import InputError, explain
from mscale_uq.observe.linear_sensor import LinearSensor


@final
class GridSensors(LinearSensor):
    """The field of equal bilinear elements at points.

    Parameters
    ----------
    shape, lengths
        Number of elements, and sides, along x and y.
    points
        ``(sensors, 2)``, in the unit of the sides.
    field, output
        Names read and made; the field is ``((n1 + 1) (n2 + 1),)``, x running slowly.

    Raises
    ------
    InputError
        If a point lies outside the rectangle.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        lengths: tuple[float, float],
        points: ArrayLike,
        field: str = "u",
        output: str = "u_sensors",
    ) -> None:
        places, elements = np.asarray(points, dtype=float), np.array(shape)
        scaled = places / np.asarray(lengths) * elements
        inside = ((scaled >= 0) & (scaled <= elements)).all(axis=-1)
        if places.ndim != 2 or places.shape[1:] != (2,) or not inside.all():
            raise InputError(explain("points outside the rectangle", "(sensors, 2), on it"))
        corner = np.minimum(scaled.astype(int), elements - 1)
        along = scaled - corner
        rows, columns, weights = [], [], []
        for step in np.ndindex(2, 2):
            node = corner + step
            rows.append(np.arange(len(places)))
            columns.append(node[:, 0] * (shape[1] + 1) + node[:, 1])
            weights.append(np.prod(np.where(step, along, 1.0 - along), axis=1))
        place = (np.concatenate(rows), np.concatenate(columns))
        size = (len(places), int(np.prod(elements + 1)))
        self.matrix = csr_array((np.concatenate(weights), place), shape=size)
        self.shape = (len(places),)
        self.name = f"{output} (points)"
        self.inputs, self.outputs = (field,), (output,)
