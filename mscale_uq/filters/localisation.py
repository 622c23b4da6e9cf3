"""Localisation: readings far away tell nothing, and a small ensemble must be told so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from mscale_uq.core.observation import Observation
from mscale_uq.core.parameter import Array
from mscale_uq.core.statespace import StateSpace
from mscale_uq.errors import InputError, explain, near_match


def gaspari_cohn(distance: ArrayLike, half_width: float) -> Array:
    """Return the correlation of Gaspari and Cohn: 1 at 0, 5/24 at `half_width`, 0 from twice it on.

    Both in the same unit; shaped like `distance`. The half-width c is that of the paper's eq. (4.10), 1.83
    times (the square root of 10/3) the standard deviation of the normal curve it resembles.

    Source: G. Gaspari and S. E. Cohn, Q. J. R. Meteorol. Soc. 125 (1999) 723-757, doi:10.1002/qj.49712555417.
    """
    r = np.abs(np.asarray(distance, dtype=float)) / half_width
    near, far = np.minimum(r, 1.0), np.clip(r, 1.0, 2.0)
    inner = 1 + near**2 * (-5 / 3 + near * (5 / 8 + near * (1 / 2 - near / 4)))
    # The paper's second branch, with its fourfold zero at 2 taken out: no cancellation near the edge.
    outer = (2 - far) ** 4 * (2 * far**2 + 4 * far - 1) / (24 * far)
    return np.where(r <= 1, inner, outer)


@final
@dataclass(frozen=True)
class Localisation:
    """Where the states and the readings are, and how far a reading reaches.

    Attributes
    ----------
    half_width
        Of the Gaspari-Cohn taper: a reading has no effect from twice this distance on.
    state
        Position of each entry of the state vector: ``(n,)``, or ``(n, d)`` in d dimensions. NaN is nowhere in
        particular, as of a parameter that is learned: every reading reaches it.
    sources
        Positions of the readings of each source, in the order of its flattened value: ``(m,)`` or ``(m, d)``.
        A reading whose place is not known (NaN) is not used.
    period
        Length of a ring, or one length per dimension; infinite where space does not close.

    Raises
    ------
    InputError
        If the half-width or a period is not positive, or positions differ in dimension.
    """

    half_width: float
    state: Array
    sources: Mapping[str, Array]
    period: float | Sequence[float] = np.inf

    def __post_init__(self) -> None:
        if not (self.half_width > 0 and np.all(np.asarray(self.period) > 0)):
            given = f"localisation: half_width = {self.half_width}, period = {self.period}"
            raise InputError(explain(given, "positive lengths"))
        dimensions = {points(p).shape[1] for p in (self.state, *self.sources.values())}
        if len(dimensions) != 1:
            raise InputError(
                explain(f"localisation: positions in {sorted(dimensions)} dimensions", "one number")
            )

    @classmethod
    def of(cls, space: StateSpace, half_width: float) -> "Localisation":
        """Return the localisation by the places of a state space; what has no place is reached everywhere.

        A learned parameter that moves all states alike correlates them over any distance. A half-width that
        cuts these correlations makes the filter too sure of the parameter.

        Raises
        ------
        InputError
            If the space states no places.
        """
        places = space.places
        if places is None:
            given = f"{space.dynamics.name}: no places of states and readings"
            raise InputError(explain(given, "a state space with `places`", "filter it without localisation"))
        dimensions = points(next(iter(places.state.values()))).shape[1]
        state = [
            points(places.state[variable.name])
            if variable.name in places.state
            else np.full((prod(variable.shape), dimensions), np.nan)
            for variable in space.dynamics.state
        ]
        return cls(half_width, np.concatenate(state), places.sources, places.period)

    def readings(self, observations: Sequence[Observation]) -> Array:
        """Return the positions ``(m, d)`` of all readings of the observations, in their order.

        Raises
        ------
        InputError
            If a source has no positions, or another number of them than of readings.
        """
        for observation in observations:
            source, size = observation.source, observation.value.size
            if source not in self.sources:
                given = f"localisation: no positions of {source!r}{near_match(source, self.sources)}"
                raise InputError(explain(given, ", ".join(self.sources)))
            count = len(points(self.sources[source]))
            if count != size:
                given = f"localisation: {count} positions of {source!r}"
                raise InputError(explain(given, f"{size}, one per reading"))
        return np.concatenate([points(self.sources[o.source]) for o in observations])

    def reach(self, readings: Array) -> Array:
        """Return ``(n, m)``: how much of each reading reaches each state entry."""
        return self.taper(points(self.state), readings)

    def taper(self, here: Array, there: Array) -> Array:
        """Return the taper between two sets of positions, ``(a, d)`` and ``(b, d)``, as ``(a, b)``."""
        apart = np.abs(here[:, None, :] - there[None, :, :])
        apart = np.minimum(apart, np.abs(np.asarray(self.period) - apart))
        distance = np.sqrt((apart**2).sum(axis=-1))
        return np.where(np.isnan(distance), 1.0, gaspari_cohn(distance, self.half_width))


def points(positions: ArrayLike) -> Array:
    """Return positions as ``(count, dimensions)``."""
    array = np.asarray(positions, dtype=float)
    return array[:, None] if array.ndim == 1 else array
