"""Names with units and meaning: `Parameter` for unknowns, `Quantity` for what a model makes or reads."""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mscale_uq.errors import ParameterError, explain

Array = NDArray[np.float64]


def all_finite(array: ArrayLike) -> bool:
    """Whether every entry is a finite number; counting takes half the time of ``.all()`` if there are few."""
    seen = np.isfinite(array)
    return int(np.count_nonzero(seen)) == seen.size


def check_name(name: str) -> None:
    """Refuse a name that could not be a Python argument, or the reserved word ``key``."""
    if not name.isidentifier() or name == "key":
        raise ParameterError(
            explain(f"name {name!r}", "a Python identifier other than 'key'", "use letters, digits and _")
        )


@dataclass(frozen=True)
class Quantity:
    """A named quantity that is not an unknown: an output, a coordinate, an option, a state.

    Attributes
    ----------
    name, unit, meaning
        Field term, unit as text (``"W/(m K)"``, ``"1"``), one line for people.
    coordinates
        Names of the coordinates an output is measured along; empty for one number.
    shape
        Shape of a state variable; unused for outputs, whose shape follows from their coordinates.
    tracked
        Whether it belongs to individuals that are followed in time: a reading that destroys what it reads
        cannot be one of it.
    carried
        Of a coordinate: whether each reading brings its own value along, so that it is no place that must be
        known before readings come. How much of a sequenced cell was captured is carried, a sensor's place is
        not.
    lineage
        Of a coordinate: whether it says where an individual comes from, its mother or the time of its birth.
        It is then no place of its own, and may become known with the individual's first reading.
    lower, upper
        Smallest and largest reading of an output or coordinate that can be, noise included; data beyond
        are refused.

    Raises
    ------
    ParameterError
        If the limits are not in order.
    """

    name: str
    unit: str
    meaning: str = ""
    coordinates: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()
    tracked: bool = False
    carried: bool = False
    lineage: bool = False
    lower: float = -math.inf
    upper: float = math.inf

    def __post_init__(self) -> None:
        check_name(self.name)
        if not self.lower < self.upper:
            raise ParameterError(
                explain(f"{self.name}: limits ({self.lower}, {self.upper})", "lower < upper")
            )

    @property
    def limits(self) -> str:
        """What a reading may be, in words; empty if it may be anything."""
        if math.isinf(self.upper):
            return "" if math.isinf(self.lower) else f"at least {self.lower:g}"
        return f"at most {self.upper:g}" if math.isinf(self.lower) else f"{self.lower:g} to {self.upper:g}"


@dataclass(frozen=True)
class Parameter:
    """An unknown that a person may want to infer.

    Attributes
    ----------
    name, unit
        Field term and unit as text; values are floats in this unit.
    default
        A typical value, scalar or of `shape`.
    lower, upper
        Physical limits, open on both ends; outside, the model does not exist.
    closed
        Whether the model exists at `lower` too, as a value that is known: no reaction, say. Unknowns are
        told by priors and stay inside.
    meaning
        One line for people.
    shape, dims
        Shape of an array parameter and the names of its axes.

    Raises
    ------
    ParameterError
        If the default does not fit the limits or the shape.
    """

    name: str
    unit: str
    default: float | tuple[float, ...]
    lower: float = -math.inf
    upper: float = math.inf
    meaning: str = ""
    shape: tuple[int, ...] = ()
    dims: tuple[str, ...] = field(default=())
    closed: bool = False

    def __post_init__(self) -> None:
        check_name(self.name)
        if not self.lower < self.upper:
            raise ParameterError(
                explain(f"{self.name}: limits ({self.lower}, {self.upper})", "lower < upper")
            )
        if not self.inside(self.default):
            raise ParameterError(
                explain(f"{self.name}: default {self.default}", f"values inside {self.limits}")
            )

    @property
    def size(self) -> int:
        """Number of scalars."""
        return math.prod(self.shape)

    @property
    def limits(self) -> str:
        """The interval in which a value must lie, as mathematics has it."""
        return f"{'[' if self.closed else '('}{self.lower:g}, {self.upper:g})"

    def broadcast(self, value: ArrayLike) -> Array:
        """Return `value` as a float array of this parameter's shape; a scalar fills an array parameter."""
        array = np.asarray(value, dtype=float)
        try:
            return np.broadcast_to(array, self.shape).copy()
        except ValueError:
            raise ParameterError(
                explain(f"{self.name}: value of shape {array.shape}", f"shape {self.shape}")
            ) from None

    def inside(self, value: ArrayLike) -> bool:
        """Whether every entry of `value` lies inside the physical limits."""
        array = np.asarray(value, dtype=float)
        if array.ndim == 0:  # several times as fast as the general way
            return self.lower < float(array) < self.upper or (self.closed and float(array) == self.lower)
        above = array >= self.lower if self.closed else array > self.lower
        return bool((above & (array < self.upper)).all())
