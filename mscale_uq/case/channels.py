"""Noise levels by channel: readings at the same place share one, ``per = ["x", "y"]`` in a law."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from mscale_uq.core.parameter import Array
from mscale_uq.core.system import System, pick
from mscale_uq.errors import CaseError, explain, near_match
from mscale_uq.io.measurements import Measurements

Place = tuple[float, ...]


@final
@dataclass(frozen=True)
class Channels:
    """The channels of one measured quantity.

    Attributes
    ----------
    along
        Coordinates whose values tell channels apart.
    places
        The channels, in the order in which they first appear.
    of_reading
        For each reading the number of its channel.
    """

    along: tuple[str, ...]
    places: tuple[Place, ...]
    of_reading: tuple[int, ...]

    def entries(self, places: Sequence[Place]) -> tuple[int, ...]:
        """Return for each reading the position of its channel in another list of channels."""
        return tuple(places.index(self.places[number]) for number in self.of_reading)


def channels_of(quantity: str, per: Sequence[str], data: Measurements, system: System) -> Channels:
    """Return the channels of a quantity's readings.

    Raises
    ------
    CaseError
        If the readings have not got such a coordinate.
    """
    along = system.output(quantity).coordinates
    for name in per:
        if name not in along:
            allowed = ", ".join(along) or f"{quantity} is one number, without coordinates"
            raise CaseError(explain(f"per = {name!r}{near_match(name, along)}", allowed))
        if name not in data.coordinates:
            given = f"{quantity} was read without {name!r}"
            raise CaseError(explain(given, ", ".join(data.coordinates), "add the column to the file"))
    rows = [tuple(map(float, row)) for row in zip(*(data.coordinates[name] for name in per), strict=True)]
    places = tuple(dict.fromkeys(rows))
    return Channels(tuple(per), places, tuple(map(places.index, rows)))


def labels(along: Sequence[str], places: Sequence[Place], system: System) -> tuple[str, ...]:
    """Return names for people: ``x = 0.006 m, y = 0.004 m``."""
    units = [pick(name, system.coordinates, "coordinate").unit for name in along]
    return tuple(
        ", ".join(
            f"{name} = {value:g} {unit}".removesuffix(" 1")
            for name, value, unit in zip(along, place, units, strict=True)
        )
        for place in places
    )


def spread(value: ArrayLike, entries: Sequence[int]) -> Array:
    """Return one level per reading from one level per channel."""
    return np.asarray(value, dtype=float)[list(entries)]
