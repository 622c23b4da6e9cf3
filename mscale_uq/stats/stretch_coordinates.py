"""From what a stretch reads to the coordinates of a polynomial, and back: its scale is taken out.

With the first scaled name p (of a tensor, the mean of its diagonal) and the others r that are scaled with it,

    made(p, r, ..) = p ** degree  made(1, r / p, ..):

one direction less for the polynomial. Coordinates are log(r / p); the entries of a tensor over the mean of
its diagonal, of which the last diagonal one follows from the others; tanh(x / 2) of a logit, which is all of
a bounded interval; and everything else as it is.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Named, Values
from mscale_uq.core.stretch import Stretch
from mscale_uq.errors import WiringError, explain
from mscale_uq.solve.stretch_kernels import LOGIT, PLAIN, RATIO, place


@final
@dataclass(frozen=True)
class Place:
    """Where the polynomial is asked, and how that depends on what is read.

    Attributes
    ----------
    x, slope
        Coordinates ``(d,)`` and their derivative to the flattened reads ``(d, n)``.
    log_scale, log_slope
        Logarithm of the scale, and its derivative ``(n,)``. NaN if something scaled is not positive.
    """

    x: Array
    slope: Array
    log_scale: float
    log_slope: Array


@final
class StretchCoordinates:
    """The coordinates of one stretch.

    Parameters
    ----------
    stretch
        What is read.
    shapes
        Name read -> its shape.

    Attributes
    ----------
    head
        Number of entries of the scale: 0 if there is none, 1, or those of a tensor.
    kinds
        How each number after it becomes a coordinate.

    Raises
    ------
    WiringError
        If anything but the first scaled name is an array, or that is no square matrix.
    """

    def __init__(self, stretch: Stretch, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self.stretch = stretch
        self.shapes = {name: tuple(shapes[name]) for name in stretch.reads}
        tensor = self.shapes[stretch.scaled[0]] if stretch.scaled else ()
        square = len(tensor) == 2 and tensor[0] == tensor[1]
        arrays = [name for name in stretch.reads if self.shapes[name] != ()]
        if arrays and not (square and arrays == [stretch.scaled[0]]):
            given = f"a stretch to {stretch.made!r} that reads arrays: {', '.join(arrays)}"
            raise WiringError(explain(given, "numbers, and one square tensor as its scale"))
        self.rows = tensor[0] if tensor else min(1, len(stretch.scaled))
        self.head = self.rows**2
        self.entries = max(0, self.rows * (self.rows + 1) // 2 - 1)
        kinds = {**dict.fromkeys(stretch.scaled, RATIO), **dict.fromkeys(stretch.logit, LOGIT)}
        self._after = stretch.reads[min(1, len(stretch.scaled)) :]
        self.kinds = np.array([kinds.get(name, PLAIN) for name in self._after], dtype=np.int64)

    @property
    def periods(self) -> list[float | None]:
        """Of every coordinate; None where it does not come back."""
        return [*[None] * self.entries, *(self.stretch.periods.get(name) for name in self._after)]

    @property
    def bounded(self) -> list[bool]:
        """Whether a coordinate is that of a logit, between -1 and 1."""
        return [*[False] * self.entries, *(kind == LOGIT for kind in self.kinds)]

    def flat(self, values: Values) -> Array:
        """Return what is read as one vector ``(n,)``."""
        return np.concatenate([np.ravel(values[name]) for name in self.stretch.reads]).astype(float)

    def place(self, flat: Array) -> Place:
        """Return coordinates and scale at what is read ``(n,)``."""
        return Place(*place(flat, self.rows, self.kinds))

    def values(self, x: Array) -> Named:
        """Return what is read at coordinates ``(d,)`` inside the box, of scale one."""
        made: Named = {}
        if self.stretch.scaled:
            tensor = self.shapes[self.stretch.scaled[0]] != ()
            made[self.stretch.scaled[0]] = self._unit_tensor(x) if tensor else np.asarray(1.0)
        for name, kind, value in zip(self._after, self.kinds, x[self.entries :], strict=True):
            if kind == RATIO:
                value = math.exp(value)
            elif kind == LOGIT:
                value = 2.0 * math.atanh(value)
            made[name] = np.asarray(value)
        return made

    def _unit_tensor(self, x: Array) -> Array:
        """Return the symmetric tensor of these entries whose diagonal has the mean one."""
        tensor, upper = np.zeros((self.rows, self.rows)), np.triu_indices(self.rows)
        tensor[upper] = [*x[: self.entries], 0.0]
        tensor = tensor + np.triu(tensor, 1).T
        tensor[-1, -1] = self.rows - np.trace(tensor)
        return tensor
