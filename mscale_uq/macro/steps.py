"""Step lengths that are given, not chosen: a path along them is a smooth function of all it depends on."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.errors import InputError, explain

NEAR = 1.5  # what is left to a stop is taken in one step if it is less than so many of the next


@final
@dataclass(frozen=True)
class Steps:
    """Short steps where something sudden happens, growing from there.

    Error control chooses other steps for other parameters, and so the path jumps by a tolerance here and
    there; along given steps it does not, and a loose path has derivatives as exact as a tight one.

    Attributes
    ----------
    longest
        In the unit of time.
    first
        After the start and after each dose, as a share of it.
    growth
        Of each step against the one before.

    Raises
    ------
    InputError
        If they are not positive, or steps do not grow.
    """

    longest: float
    first: float = 0.1
    growth: float = 1.5

    def __post_init__(self) -> None:
        if not (0 < self.longest < np.inf and 0 < self.first <= 1 <= self.growth):
            allowed = "a positive longest step, first in (0, 1], growth at least 1"
            raise InputError(explain(f"{self}", allowed))

    def mesh(self, start: float, stops: Iterable[float]) -> tuple[Array, Array]:
        """Return the ends ``(N+1,)`` of steps from `start` through `stops`, and which ends these are."""
        ends, places, length = [start], [], self.first * self.longest
        for stop in stops:
            while ends[-1] < stop:
                last = stop - ends[-1] < NEAR * length
                ends.append(float(stop) if last else ends[-1] + length)
                length = min(length * self.growth, self.longest)
            places.append(len(ends) - 1)
        return np.array(ends), np.array(places)
