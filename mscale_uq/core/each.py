"""`Each`: a stage for one reading, run for every reading of a table.

`Rowwise` stages know a shorter way to do so, and `each` takes it where there is one.
"""

from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Linearization, Named, Stage, Values
from mscale_uq.errors import WiringError, explain


@final
class Each(Stage):
    """Runs a stage once for every row of some of its inputs and stacks what it makes.

    Parameters
    ----------
    stage
        What is run.
    over
        Inputs that have a row for each run as first axis; the others are shared.

    Raises
    ------
    WiringError
        If the stage does not read a name of `over`; by `value`, if they differ in their number of rows.
    """

    def __init__(self, stage: Stage, over: Sequence[str]) -> None:
        for name in over:
            if name not in stage.inputs:
                raise WiringError(explain(f"{stage.name} does not read {name!r}", ", ".join(stage.inputs)))
        self.stage, self.over = stage, tuple(over)
        self.name, self.inputs, self.outputs = stage.name, stage.inputs, stage.outputs

    def moved_by(self, names: Collection[str]) -> "Each":
        """Return the stage with the derivatives to these inputs alone."""
        return Each(self.stage.moved_by(names), self.over)

    def value(self, values: Values) -> Named:
        """Return every output with the rows as first axis."""
        return self._stacked([self.stage.value(row) for row in self._rows(values)])

    def linearize(self, values: Values) -> tuple[Named, Linearization]:
        """Return the outputs and the derivative, row by row."""
        pairs = [self.stage.linearize(row) for row in self._rows(values)]
        made = self._stacked([one for one, _ in pairs])
        shapes = {name: np.shape(values[name]) for name in self.inputs}
        return made, EachLinearization(self, tuple(part for _, part in pairs), shapes, made)

    def cut(self, values: Values, row: int) -> Named:
        """Return what one run reads of the values."""
        return {n: np.asarray(v)[row] if n in self.over else np.asarray(v) for n, v in values.items()}

    def _rows(self, values: Values) -> list[Named]:
        counts = {name: len(values[name]) for name in self.over}
        if len(set(counts.values())) != 1:
            raise WiringError(explain(f"{self.name}: rows {counts}", "the same number of each"))
        read = {name: values[name] for name in self.inputs}
        return [self.cut(read, row) for row in range(next(iter(counts.values())))]

    def _stacked(self, made: Sequence[Named]) -> Named:
        return {name: np.array([one[name] for one in made]) for name in self.outputs}


@final
class EachLinearization(Linearization):
    """Derivative of `Each`: block diagonal in the rows."""

    def __init__(
        self,
        each: Each,
        parts: tuple[Linearization, ...],
        shapes: Mapping[str, tuple[int, ...]],
        made: Values,
    ) -> None:
        self._each, self._parts, self._shapes = each, parts, shapes
        self._made = {name: np.shape(array)[1:] for name, array in made.items()}

    def jvp(self, tangents: Values) -> Named:
        """Carry changes of the inputs to the outputs."""
        moved = [part.jvp(self._each.cut(tangents, row)) for row, part in enumerate(self._parts)]
        return {
            name: np.array([one.get(name, np.zeros(shape)) for one in moved])
            for name, shape in self._made.items()
        }

    def vjp(self, cotangents: Values) -> Named:
        """Carry sensitivities of the outputs back to the inputs."""
        total = {name: np.zeros(shape) for name, shape in self._shapes.items()}
        for row, part in enumerate(self._parts):
            weights = {name: np.asarray(array)[row] for name, array in cotangents.items()}
            for name, weight in part.vjp(weights).items():
                if name in self._each.over:
                    total[name][row] += weight
                else:
                    total[name] = total[name] + weight
        return total


class Rowwise(Stage):
    """A stage that can be run for many rows at once."""

    @abstractmethod
    def rows(self, over: Sequence[str], places: Array) -> Stage:
        """Return what `Each` of it over the same names is, up to what iterations leave.

        The rows are states of one family: they differ by one number, whose values are `places`
        ``(rows,)``, so that a row may begin at what those before it came to.
        """


def each(stage: Stage, over: Sequence[str], places: Array) -> Stage:
    """Return a stage that is run for every row of what it reads `over`; rows as in `Rowwise.rows`."""
    return stage.rows(over, places) if isinstance(stage, Rowwise) else Each(stage, over)
