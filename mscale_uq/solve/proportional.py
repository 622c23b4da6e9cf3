"""A linear problem whose coefficients are a multiple of another's has the same solution.

In effective coordinates one evaluation of a density meets the same cell twice, its coefficients a factor
apart: where the coordinate is found, and in the likelihood. Who knows this says `noted` around the first and
`recalled` around the second; a stage asks `solved` and need not know. Nothing is kept from one evaluation to
the next, so that an answer does not depend on what was asked before.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar, final

import numpy as np

from mscale_uq.core.parameter import Array

# Largest deviation from proportion of any coefficient, relative to it: some roundings of the parameters.
ROUNDING = 1e-13

T = TypeVar("T")


@final
@dataclass(frozen=True)
class _Solution:
    problem: Hashable
    k: Array
    found: Any

    def factor(self, problem: Hashable, k: Array) -> float | None:
        """Return how many times these coefficients k is, None if it is no multiple of them."""
        if problem != self.problem or k.shape != self.k.shape:
            return None
        factor = float(k.sum() / self.k.sum())
        return factor if np.all(np.abs(k - factor * self.k) <= ROUNDING * k) else None


@final
@dataclass
class Notes:
    """The solutions of one evaluation."""

    solutions: list[_Solution] = field(default_factory=list)


_NOTED: ContextVar[Notes | None] = ContextVar("noted", default=None)
_RECALLED: ContextVar[Sequence[Notes]] = ContextVar("recalled", default=())


@contextmanager
def noted(notes: Notes) -> Iterator[None]:
    """Write what is solved inside into the notes, in the place of what they held."""
    notes.solutions = []
    token = _NOTED.set(notes)
    try:
        yield
    finally:
        _NOTED.reset(token)


@contextmanager
def recalled(notes: Sequence[Notes]) -> Iterator[None]:
    """Take solutions from the notes inside, where a problem is in proportion to one of theirs."""
    token = _RECALLED.set(notes)
    try:
        yield
    finally:
        _RECALLED.reset(token)


def solved(problem: Hashable, k: Array, solve: Callable[[Array], T]) -> tuple[T, float]:
    """Return ``solve(k)`` and 1, or what the notes hold for a multiple of k, and how many times that k is.

    What becomes of the factor is for who asks: a tensor is multiplied by it, fields stay as they are.

    Parameters
    ----------
    problem
        Everything but k that the answer depends on.
    k
        Coefficients, positive.
    solve
        Gives what every multiple of k can be answered from.
    """
    for one in (one for notes in _RECALLED.get() for one in notes.solutions):
        if (factor := one.factor(problem, k)) is not None:
            return one.found, factor
    found = solve(k)
    if (notes := _NOTED.get()) is not None:
        notes.solutions.append(_Solution(problem, k, found))
    return found, 1.0
