"""Problems that differ by one number: iterations for one begin at what its neighbours came to.

Who solves such a family in one evaluation runs each problem inside `Family.member`; a stage asks `start_of`
and need not know. A family lives as long as the evaluation, so that an answer does not depend on what was
asked before.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import final

import numpy as np

from mscale_uq.core.parameter import Array

NEAREST = 5  # neighbours that a start is interpolated from; of more, little is gained (measured)


@final
@dataclass
class Family:
    """The solutions of one evaluation: name -> places and solutions."""

    solved: dict[str, list[tuple[float, Array]]] = field(default_factory=dict)

    @contextmanager
    def member(self, place: float) -> Iterator[None]:
        """Solve inside what stands at a place of the family."""
        token = _MEMBER.set((self, place))
        try:
            yield
        finally:
            _MEMBER.reset(token)


_MEMBER: ContextVar[tuple[Family, float] | None] = ContextVar("member", default=None)


@final
@dataclass(frozen=True)
class Start:
    """Where a solver may begin, and where it leaves what it came to."""

    name: str
    family: Family
    place: float

    def guess(self) -> Array | None:
        """Return the polynomial through the nearest solutions, at this place; None where there are none."""
        known = self.family.solved.get(self.name, [])
        near = sorted(known, key=lambda one: abs(one[0] - self.place))[:NEAREST]
        if not near:
            return None
        weights = _lagrange(np.array([place for place, _ in near]), self.place)
        return np.tensordot(weights, np.array([solution for _, solution in near]), axes=1)

    def keep(self, solution: Array) -> None:
        """Let other members begin near this one."""
        self.family.solved.setdefault(self.name, []).append((self.place, solution))


def start_of(name: str) -> Start | None:
    """Return the start of what a stage calls `name`; None outside of a family."""
    member = _MEMBER.get()
    return None if member is None else Start(name, *member)


def _lagrange(places: Array, at: float) -> Array:
    """Return the weights with which values at the places add up to their polynomial's value."""
    apart = places[:, None] - places + np.eye(places.size)
    shares = (at - places + np.zeros_like(apart)) / apart
    np.fill_diagonal(shares, 1.0)
    return shares.prod(axis=1)
