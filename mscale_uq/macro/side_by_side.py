"""`SideBySide`: linear dynamics that do not move each other, as one."""

from collections.abc import Sequence
from math import inf
from typing import final

import numpy as np

from mscale_uq.core.linear_dynamics import NOTHING, Intervals, LinearDynamics, Transition
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Values
from mscale_uq.errors import WiringError, explain


@final
class SideBySide(LinearDynamics):
    """The states of several dynamics in their order; each reads its own values, which they may share.

    Raises
    ------
    WiringError
        If two of them have a state variable of one name, or one reads a value in another shape.
    """

    def __init__(self, parts: Sequence[LinearDynamics]) -> None:
        self.parts = tuple(parts)
        self.name = " and ".join(part.name for part in self.parts)
        self.state = tuple(variable for part in self.parts for variable in part.state)
        self.inputs = tuple(dict.fromkeys(name for part in self.parts for name in part.inputs))
        self.autonomous = all(part.autonomous for part in self.parts)
        self.shapes: dict[str, tuple[int, ...]] = {}
        names = [variable.name for variable in self.state]
        for name in names:
            if names.count(name) > 1:
                raise WiringError(explain(f"{self.name}: state variable {name!r} is there twice", "once"))
        for part in self.parts:
            for name in part.inputs:
                shape = part.shapes.get(name, ())
                if self.shapes.setdefault(name, shape) != shape:
                    raise WiringError(explain(f"{self.name}: {name!r} is read in two shapes", "one"))

    def transitions(self, intervals: Intervals, values: Values) -> list[Transition]:
        """Return the blocks of all parts, interval by interval."""
        made = [part.transitions(intervals, self._of(part, values)) for part in self.parts]
        return [_joined(blocks) for blocks in zip(*made, strict=True)]

    def stacked(self, start: float, stop: float, values: Values, count: int) -> Transition:
        """Return the blocks of all parts for many sets of values."""
        made = [part.transition_rows(start, stop, self._of(part, values), count) for part in self.parts]
        return _joined(made)

    def blocks(self, time: float = -inf, values: Values = NOTHING) -> tuple[np.ndarray, ...]:
        """Return the blocks of all parts."""
        firsts = np.cumsum([0, *(part.size for part in self.parts)])
        pairs = zip(firsts, self.parts, strict=False)
        return tuple(
            first + kind for first, part in pairs for kind in part.blocks(time, self._of(part, values))
        )

    def block_rows(self, start: float, stop: float, values: Values, count: int) -> list[Transition]:
        """Return what moves the blocks of all parts."""
        made = (part.block_rows(start, stop, self._of(part, values), count) for part in self.parts)
        return [move for moves in made for move in moves]

    def linearize_transitions(
        self, intervals: Intervals, values: Values
    ) -> list[tuple[Transition, dict[str, Transition]]]:
        """Return the blocks and their derivatives to every input."""
        made = [part.linearize_transitions(intervals, self._of(part, values)) for part in self.parts]
        shapes = {name: np.shape(values[name]) for name in self.inputs}
        result = []
        for pairs in zip(*made, strict=True):
            slopes = {
                name: _joined([_slope(pair, name, shape) for pair in pairs]) for name, shape in shapes.items()
            }
            result.append((_joined([now for now, _ in pairs]), slopes))
        return result

    @staticmethod
    def _of(part: LinearDynamics, values: Values) -> Values:
        return {name: values[name] for name in part.inputs if name in values}


def _slope(pair: tuple[Transition, dict[str, Transition]], name: str, shape: tuple[int, ...]) -> Transition:
    now, slopes = pair
    if name in slopes:
        return slopes[name]
    return Transition(*(np.zeros(shape + part.shape) for part in (now.F, now.b, now.Q)))


def _joined(blocks: Sequence[Transition]) -> Transition:
    """Return block-diagonal matrices; leading axes are kept."""
    F, Q = (_diagonal([getattr(block, part) for block in blocks]) for part in ("F", "Q"))
    return Transition(F, np.concatenate([block.b for block in blocks], axis=-1), Q)


def _diagonal(parts: Sequence[Array]) -> Array:
    lead = parts[0].shape[:-2]
    size = sum(part.shape[-1] for part in parts)
    whole, first = np.zeros((*lead, size, size)), 0
    for part in parts:
        last = first + part.shape[-1]
        whole[..., first:last, first:last] = part
        first = last
    return whole
