"""`Formula`: a stage made from one plain function, differentiated by the complex step."""

import inspect
from collections.abc import Callable, Collection, Mapping
from copy import copy
from functools import cache
from typing import Any, final

import numpy as np

from mscale_uq.core.complex_step import Direction, Plain, slopes
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import (
    Linearization,
    MatrixLinearization,
    Named,
    PointwiseStage,
    Stage,
    Values,
    columns_of,
)
from mscale_uq.errors import WiringError, explain


@final
class Formula(Stage):
    """A stage whose value is one plain NumPy function, written once, as in the paper.

    Parameters
    ----------
    function
        Its argument names are the stage's inputs. It returns one array, or a tuple in the order of `outputs`.
    outputs
        The names made; one name may be given as a plain string.

    Raises
    ------
    NoGradient
        By `linearize`, naming the function's operation that is not analytic.

    Examples
    --------
    >>> def series(D_cluster, D_matrix, cluster_fraction):
    ...     return 1 / (cluster_fraction / D_cluster + (1 - cluster_fraction) / D_matrix)
    >>> stage = Formula(series, "D_eff")
    >>> float(stage.value({"D_cluster": 0.2, "D_matrix": 1.2, "cluster_fraction": 0.6})["D_eff"])
    0.3
    """

    def __init__(
        self, function: Callable[..., Any], outputs: str | tuple[str, ...], name: str | None = None
    ) -> None:
        self.inputs = arguments(function)
        self.outputs = (outputs,) if isinstance(outputs, str) else tuple(outputs)
        self.name = name or function.__name__
        self._plain = Plain(self.name, function, self.outputs)
        self._moved = self.inputs

    def moved_by(self, names: Collection[str]) -> "Formula":
        """Return the formula differentiated along these inputs alone; each entry of an input costs a call."""
        here = copy(self)
        here._moved = tuple(name for name in self.inputs if name in names)
        return here

    def value(self, values: Values) -> Named:
        """Return the function's result by name."""
        return self._plain([np.asarray(values[name], dtype=float) for name in self.inputs])

    def linearize(self, values: Values) -> tuple[Named, Linearization]:
        """Return the result and its exact derivative, one complex evaluation per scalar input."""
        point = {name: np.asarray(values[name], dtype=float) for name in self.inputs}
        made = self._plain(list(point.values()))
        directions = [(name, entry) for name in self._moved for entry in _entries(point[name].shape)]
        tables = slopes(self._plain, point, made, directions)
        shapes = {name: point[name].shape for name in self._moved}
        blocks, first = {}, 0
        for name, shape in shapes.items():
            last = first + point[name].size
            for output, value in made.items():
                rows = tables[output][first:last].reshape(last - first, value.size)
                blocks[output, name] = rows.T.reshape(value.shape + shape)
            first = last
        return made, MatrixLinearization(
            blocks, shapes, {output: made[output].shape for output in self.outputs}
        )


@final
class PointwiseFormula(PointwiseStage):
    """A formula that treats the first axis of its inputs as points, and never mixes points.

    All points are differentiated in one complex evaluation per input, whatever their number. Inputs are
    ``(points,)``, scalars shared by all points, or ``(points, k)``, k evaluations; outputs are ``(points,)``.
    Other arguments as in `Formula`.

    Parameters
    ----------
    choice
        The name of an input that says by 1, 2, .. which one of some inputs a point reads, and their names. Of
        these, only what some point reads is differentiated.

    Raises
    ------
    WiringError
        If what it makes is not a value for each point; at its first use, if the first point alone has another
        result than among the others, or a point depends on what it has not chosen.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        outputs: str | tuple[str, ...],
        name: str | None = None,
        choice: tuple[str, tuple[str, ...]] | None = None,
    ) -> None:
        self._choice = choice
        self.inputs = arguments(function)
        self.outputs = (outputs,) if isinstance(outputs, str) else tuple(outputs)
        self.name = name or function.__name__
        self._plain = Plain(self.name, function, self.outputs)
        self._moved = self.inputs
        self._seen_apart: list[bool] = []  # shared with copies along other inputs

    def moved_by(self, names: Collection[str]) -> "PointwiseFormula":
        """Return the formula differentiated along these inputs alone; each costs a call."""
        here = copy(self)
        here._moved = tuple(name for name in self.inputs if name in names)
        return here

    def value(self, values: Values) -> Named:
        """Return the function's result by name, ``(points,)`` each."""
        point = self._points(values)
        return self._made(point)

    def tangent(self, values: Values) -> tuple[Named, Array]:
        """Return the result and the derivatives ``(points, n_outputs, n_inputs)``."""
        point = self._points(values)
        made = self._made(point)
        places = columns_of({name: array.shape for name, array in point.items()})
        moved = self._read(point)
        directions = [direction for name in moved for direction in _directions(name, point[name])]
        found = slopes(self._plain, point, made, directions)
        columns = [column for name in moved for column in range(places[name].start, places[name].stop)]
        table = np.zeros((_count(point), len(self.outputs), max(place.stop for place in places.values())))
        for row, output in enumerate(self.outputs):
            table[:, row, columns] = found[output].T
        return made, table

    def _read(self, point: Named) -> list[str]:
        """Return which of the inputs that move matter to any point."""
        by, ones = self._choice or ("", ())
        return [name for name in self._moved if name not in ones or np.any(point[by] == 1 + ones.index(name))]

    def _points(self, values: Values) -> Named:
        point = {name: np.asarray(values[name], dtype=float) for name in self.inputs}
        count = _count(point)
        for name, array in point.items():
            if array.ndim > 2 or (array.ndim and len(array) != count):
                allowed = f"(), ({count},) or ({count}, k)"
                raise WiringError(explain(f"{self.name}: {name!r} has shape {array.shape}", allowed))
        return point

    def _made(self, point: Named) -> Named:
        made, count = self._plain(list(point.values())), _count(point)
        for name, array in made.items():
            if array.shape not in ((), (count,)):  # one value of many points would be taken for all of them
                given = f"formula {self.name!r}: {name!r} has shape {array.shape} for {count} points"
                raise WiringError(explain(given, f"({count},), a value for each point"))
        spread = {name: np.broadcast_to(array, (count,)).copy() for name, array in made.items()}
        if not self._seen_apart and count > 1:
            self._see_apart(point, spread)
        return spread

    def _see_apart(self, point: Named, among: Named) -> None:
        """Look once whether a point's result depends on the others."""
        alone = self._plain([array[:1] if array.ndim else array for array in point.values()])
        for name, array in alone.items():
            own, first = np.ravel(array)[0], among[name][0]
            if not np.isclose(own, first, rtol=1e-9, atol=0.0, equal_nan=True):
                given = f"formula {self.name!r} mixes points: {name!r} of the first is {own:g} alone"
                raise WiringError(explain(f"{given} and {first:g} among others", hint="use a Formula"))
        by, ones = self._choice or ("", ())
        for number, name in enumerate(ones, start=1):
            others = np.broadcast_to(point[by] != number, (_count(point),))
            moved = self._plain([a + 1.0 if one == name else a for one, a in point.items()])
            if not all(
                _equal(np.broadcast_to(moved[o], others.shape)[others], among[o][others]) for o in moved
            ):
                given = f"formula {self.name!r}: points depend on {name!r}, where {by!r} is not {number}"
                raise WiringError(explain(given, "what they chose"))
        self._seen_apart.append(True)


@cache
def _entries(shape: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """Return the indices of an array's entries, row by row."""
    return tuple(np.ndindex(shape))


def arguments(function: Callable[..., Any]) -> tuple[str, ...]:
    """Return a function's argument names; refuse ``*args`` and ``**options``, which name nothing."""
    parameters = inspect.signature(function).parameters.values()
    if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters):
        raise WiringError(
            explain(f"formula {function.__name__!r} takes *args or **options", "named arguments")
        )
    return tuple(p.name for p in parameters)


def _directions(name: str, array: Array) -> list[Direction]:
    """What is moved, all points at once: the input, or its columns."""
    return [(name, (slice(None), j)) for j in range(array.shape[1])] if array.ndim == 2 else [(name, None)]


def _equal(one: Array, other: Array) -> bool:
    """Whether both are the same to the last digit; a node that has diverged is the same as itself."""
    return np.array_equal(one, other, equal_nan=True)


def _count(point: Mapping[str, Array]) -> int:
    return max((array.shape[0] for array in point.values() if array.ndim), default=1)
