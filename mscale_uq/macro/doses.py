"""Doses: sudden additions to the state of an ordinary differential equation, and the path through them.

A path is integrated from dose to dose, so that no step crosses a jump and every piece keeps the method's
order. A reading at the time of a dose is taken before it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from mscale_uq.core.parameter import Array, Quantity
from mscale_uq.errors import InputError, WiringError, explain, near_match
from mscale_uq.solve.stiff import Path


@final
@dataclass(frozen=True)
class Doses:
    """The same amounts at each of several times.

    Attributes
    ----------
    times
        Increasing.
    amounts
        State variable, a scalar -> what is added to it, in its unit.

    Raises
    ------
    InputError
        If the times do not increase, or an amount is not finite.
    """

    times: tuple[float, ...] = ()
    amounts: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if np.any(np.diff(self.times) <= 0):
            raise InputError(explain(f"times of doses {list(self.times)}", "increasing times"))
        if not np.all(np.isfinite([*self.times, *self.amounts.values()])):
            raise InputError(explain(f"doses {dict(self.amounts)}", "finite times and amounts"))

    def jump(self, state: Sequence[Quantity]) -> Array:
        """Return what a dose adds to the state ``(n,)``; raises `WiringError` for an unknown variable."""
        names = [variable.name for variable in state for _ in range(int(np.prod(variable.shape)))]
        jump = np.zeros(len(names))
        for variable, amount in self.amounts.items():
            if names.count(variable) != 1:
                given = f"dose of {variable!r}{near_match(variable, names)}"
                raise WiringError(explain(given, f"a scalar state variable of {', '.join(names)}"))
            jump[names.index(variable)] = amount
        return jump

    def within(self, start: float, stop: float) -> list[float]:
        """Return the times of the doses from `start` on, before `stop`."""
        return [time for time in self.times if start <= time < stop]


@final
@dataclass(frozen=True)
class DosedPath:
    """A path in pieces, from dose to dose.

    Attributes
    ----------
    pieces
        The paths between the doses.
    kept
        How many of the stops of each piece were asked for; the last may be there for the next dose only.
    """

    pieces: tuple[Path, ...]
    kept: tuple[int, ...]

    @property
    def at_stops(self) -> Array:
        """The states ``(stops, n)`` at the times asked for."""
        return np.concatenate([p.at_stops[:k] for p, k in zip(self.pieces, self.kept, strict=True)])

    def tangents(self, dy: Array, dp: Array) -> Array:
        """Return the changes ``(stops, n, k)`` of these states; arguments as in `Path.tangents`."""
        rows = []
        for piece, kept in zip(self.pieces, self.kept, strict=True):
            changes = piece.tangents(dy, dp)  # a dose is the same whatever the state: it moves nothing
            rows.append(changes[:kept])
            dy = changes[-1]
        return np.concatenate(rows)

    def check_analytic(self) -> None:
        """Refuse a right-hand side that is not analytic where the path begins or ends; see `Rate`."""
        for piece, end in ((self.pieces[0], 0), (self.pieces[-1], -1)):
            piece.rate.check_analytic(float(piece.times[end]), piece.states[end], piece.parameters)


def cut(start: float, stops: ArrayLike, doses: Sequence[float]) -> list[tuple[float, Array, int]]:
    """Return the pieces of a path from `start` through `stops` that are cut at the doses.

    Each is where it starts, where it stops (the last of these is its end), and how many of its stops were
    asked for.
    """
    asked = np.asarray(stops, dtype=float)
    pieces = []
    for low, high in pairwise(np.unique([start, *doses, asked[-1]])):
        inside = asked[(asked > low) & (asked <= high)]
        pieces.append((float(low), np.union1d(inside, high), inside.size))
    return pieces
