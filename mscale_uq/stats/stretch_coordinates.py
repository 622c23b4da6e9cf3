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
from mscale_uq.errors import OutOfLimits, WiringError, explain


@final
@dataclass(frozen=True)
class Place:
    """Where the polynomial is asked, and how that depends on what is read.

    Attributes
    ----------
    x, slope
        Coordinates ``(d,)`` and their derivative to the flattened reads ``(d, n)``.
    log_scale, log_slope
        Logarithm of the scale, and its derivative ``(n,)``.
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

    Raises
    ------
    WiringError
        If anything but the first scaled name is an array, or that is no square matrix.
    """

    def __init__(self, stretch: Stretch, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self.stretch = stretch
        tensor = shapes[stretch.scaled[0]] if stretch.scaled else ()
        square = len(tensor) == 2 and tensor[0] == tensor[1]
        arrays = [name for name in stretch.reads if shapes[name] != ()]
        if arrays and not (square and arrays == [stretch.scaled[0]]):
            given = f"a stretch to {stretch.made!r} that reads arrays: {', '.join(arrays)}"
            raise WiringError(explain(given, "numbers, and one square tensor as its scale"))
        self._tensor = tensor[0] if tensor else 0
        # Independent entries of a symmetric tensor of given trace: (row, column), the last diagonal one left.
        rows = range(self._tensor)
        self._entries = [(i, j) for i in rows for j in rows if i <= j][:-1]
        self._head = self._tensor**2 if self._tensor else min(1, len(stretch.scaled))

    @property
    def periods(self) -> list[float | None]:
        """Of every coordinate; None where it does not come back."""
        stretch = self.stretch
        before = len(self._entries) + max(0, len(stretch.scaled) - 1)
        after = len(stretch.logit) + len(stretch.plain)
        return [*[None] * before, *stretch.periods.values(), *[None] * after]

    def place(self, values: Values) -> Place:
        """Return coordinates and scale at what is read.

        Raises
        ------
        OutOfLimits
            If something scaled is not positive.
        """
        stretch, head = self.stretch, self._head
        size = head + len(stretch.reads) - min(1, len(stretch.scaled))
        x, slope, log_slope = np.empty(len(self.periods)), np.zeros((len(self.periods), size)), np.zeros(size)
        log_scale, at = self._scale(values, x, slope, log_slope), len(self._entries)
        for column, name in enumerate(stretch.reads[1 if stretch.scaled else 0 :], start=head):
            value = float(values[name])
            if name in stretch.scaled:
                x[at], slope[at, column] = self._log(name, value, values) - log_scale, 1.0 / value
                slope[at] -= log_slope
            elif name in stretch.logit:
                x[at] = math.tanh(0.5 * value)
                slope[at, column] = 0.5 * (1.0 - x[at] ** 2)
            else:
                x[at], slope[at, column] = value, 1.0
            at += 1
        return Place(x, slope, log_scale, log_slope)

    def values(self, x: Array) -> Named:
        """Return what is read at coordinates ``(d,)`` inside the box, of scale one."""
        stretch, made, rest = self.stretch, {}, list(x[len(self._entries) :])
        if stretch.scaled:
            made[stretch.scaled[0]] = self._unit_tensor(x) if self._tensor else np.asarray(1.0)
        for name in stretch.reads[1 if stretch.scaled else 0 :]:
            value = rest.pop(0)
            if name in stretch.scaled:
                value = math.exp(value)
            elif name in stretch.logit:
                value = 2.0 * math.atanh(value)
            made[name] = np.asarray(value)
        return made

    def _scale(self, values: Values, x: Array, slope: Array, log_slope: Array) -> float:
        """Return the log of the scale; write its slope, and the coordinates of a tensor."""
        if not self._head:
            return 0.0
        name = self.stretch.scaled[0]
        if not self._tensor:
            value = float(values[name])
            log_slope[0] = 1.0 / value
            return self._log(name, value, values)
        n, tensor = self._tensor, np.asarray(values[name])
        mean = float(np.trace(tensor)) / n
        log_slope[: n * n : n + 1] = 1.0 / (n * mean)
        for at, (i, j) in enumerate(self._entries):
            x[at] = 0.5 * (tensor[i, j] + tensor[j, i]) / mean
            slope[at] = -x[at] * log_slope
            slope[at, n * i + j] += 0.5 / mean
            slope[at, n * j + i] += 0.5 / mean
        return self._log(name, mean, values)

    def _unit_tensor(self, x: Array) -> Array:
        n = self._tensor
        tensor = np.zeros((n, n))
        for entry, (i, j) in zip(x, self._entries, strict=False):
            tensor[i, j] = tensor[j, i] = entry
        tensor[-1, -1] = n - np.trace(tensor)
        return tensor

    def _log(self, name: str, value: float, values: Values) -> float:
        if not value > 0:
            raise OutOfLimits(f"surrogate of {self.stretch.made}", values, f"{name!r} is {value:g}")
        return math.log(value)
