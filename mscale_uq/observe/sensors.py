"""Sensors that read a nodal field through its own finite-element basis: at points."""

from typing import final

import numpy as np
from numpy.typing import ArrayLike
from skfem import Basis

from mscale_uq.errors import InputError, explain
from mscale_uq.observe.linear_sensor import LinearSensor
from mscale_uq.observe.locate import values_at


@final
class PointSensors(LinearSensor):
    """The field at points, such as thermocouples.

    Parameters
    ----------
    basis
        The scikit-fem basis of the field.
    points
        ``(sensors, dimension)`` in m; ``(sensors,)`` will do in 1-D.
    field, output
        Names read and made; the reading is ``(sensors,)``.

    Raises
    ------
    InputError
        If a point lies outside the mesh.
    """

    def __init__(self, basis: Basis, points: ArrayLike, field: str = "u", output: str = "u_sensors") -> None:
        places = np.asarray(points, dtype=float)
        if basis.mesh.dim() == 1 and places.ndim == 1:
            places = places[:, None]
        if places.ndim != 2 or places.shape[1] != basis.mesh.dim() or places.size == 0:
            raise InputError(explain(f"points of shape {places.shape}", f"(sensors, {basis.mesh.dim()})"))
        self.matrix = values_at(basis, places)
        self.shape = (len(places),)
        self.name = f"{output} (points)"
        self.inputs, self.outputs = (field,), (output,)
