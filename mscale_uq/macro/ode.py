"""Ordinary differential equations as stages: named right-hand sides, and their paths through given times."""

from collections.abc import Callable, Collection, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from mscale_uq.core.dynamics import increasing, initial_name
from mscale_uq.core.parameter import Array, Quantity
from mscale_uq.core.stage import Linearization, MatrixLinearization, Named, Stage, Values
from mscale_uq.errors import InputError, explain
from mscale_uq.macro.doses import DosedPath, Doses, cut
from mscale_uq.macro.steps import Steps
from mscale_uq.solve.rate import Rate
from mscale_uq.solve.stiff import Path, Tolerances, follow, integrate

DEFAULT = Tolerances()
NO_DOSES = Doses()


@final
@dataclass(frozen=True)
class Ode:
    """A right-hand side with names: dy/dt = ``function(t, y, p, dy)``, see `Rate`.

    Attributes
    ----------
    name
        What failures call it.
    function
        Fills `dy` ``(n,)`` from the time, y ``(n,)`` and p ``(m,)``.
    state
        The state variables; y is their values, flattened in this order.
    parameters
        Names of the values p is made of, flattened in this order.
    tolerances
        Of the integration.
    shapes
        Shapes of the parameters that are not scalars.
    doses
        What is added to the state at given times.
    steps
        Whose lengths are the same whatever the parameters; None: chosen under the tolerances.
    constants
        Numbers that p goes on with, after the parameters: the same at all values.
    """

    name: str
    function: Callable[..., None]
    state: tuple[Quantity, ...]
    parameters: tuple[str, ...]
    tolerances: Tolerances = DEFAULT
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    doses: Doses = NO_DOSES
    steps: Steps | None = None
    constants: tuple[float, ...] = ()

    @property
    def rate(self) -> Rate:
        """The right-hand side, compiled when it is first used."""
        return Rate(self.function)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the initial values, then of the parameters."""
        return (*(initial_name(variable.name) for variable in self.state), *self.parameters)

    def start(self, values: Values) -> Array:
        """Return the first state ``(n,)``; an initial value may be one number for a whole array."""
        return np.concatenate(
            [
                np.ravel(np.broadcast_to(values[initial_name(variable.name)], variable.shape))
                for variable in self.state
            ]
        ).astype(float)

    def vector(self, values: Values) -> Array:
        """Return the parameters and constants p ``(m,)``."""
        return np.concatenate([*(np.ravel(values[name]) for name in self.parameters), self.constants])

    def seeds(self, values: Values, moved: Collection[str]) -> tuple[Array, Array]:
        """Return dy ``(n, k)`` and dp ``(m, k)``: a column for each number of the moved inputs, in order."""
        sizes = [int(np.size(values[name])) for name in self.inputs]
        dy, dp = (
            np.zeros((self.start(values).size, sum(sizes))),
            np.zeros((self.vector(values).size, sum(sizes))),
        )
        row = column = 0
        for variable, size in zip(self.state, sizes, strict=False):
            width = int(np.prod(variable.shape))
            dy[row : row + width, column : column + size] = np.eye(width) if size == width else 1.0
            row, column = row + width, column + size
        dp[:, column:] = np.eye(*dp[:, column:].shape)
        kept = np.repeat([name in moved for name in self.inputs], sizes)
        return dy[:, kept], dp[:, kept]

    def path(self, state: Array, parameters: Array, start: float, stops: ArrayLike) -> DosedPath:
        """Return the path from `state` ``(n,)`` at `start` through the increasing times `stops` after it.

        Raises
        ------
        SolveFailed
            If the integration gives up.
        InputError
            If there are fewer parameters than the compiled equation reads: it would read on behind them.
        """
        if parameters.size < (least := len(self.parameters) + len(self.constants)):
            raise InputError(explain(f"{self.name}: {parameters.size} parameters and constants", f"{least}"))
        jump, pieces, kept = self.doses.jump(self.state), [], []
        times = self.doses.within(start, np.ravel(stops)[-1])
        for low, through, count in cut(start, stops, times):
            begin = state + jump if low in times else state
            pieces.append(self._piece(begin, parameters, low, through))
            kept.append(count)
            state = pieces[-1].states[-1]
        return DosedPath(tuple(pieces), tuple(kept))

    def _piece(self, state: Array, parameters: Array, start: float, stops: Array) -> Path:
        if self.steps is None:
            return integrate(self.rate, state, parameters, start, stops, self.tolerances, self.name)
        mesh, places = self.steps.mesh(start, stops)
        return replace(follow(self.rate, state, parameters, mesh, self.tolerances, self.name), stops=places)

    def split(self, states: Array) -> Named:
        """Return states ``(..., n)`` as named arrays ``(..., *shape)``."""
        named, first = {}, 0
        for variable in self.state:
            size = int(np.prod(variable.shape))
            named[variable.name] = states[..., first : first + size].reshape(
                states.shape[:-1] + variable.shape
            )
            first += size
        return named

    def blocks(self, changes: Array, values: Values, moved: Sequence[str]) -> dict[tuple[str, str], Array]:
        """Return changes ``(..., n, k)`` as one derivative per pair of state variable and moved input."""
        blocks, lead = {}, changes.shape[:-2]
        rows = np.cumsum([0, *(int(np.prod(variable.shape)) for variable in self.state)])
        columns = np.cumsum([0, *(int(np.size(values[name])) for name in moved)])
        for i, variable in enumerate(self.state):
            for j, name in enumerate(moved):
                part = changes[..., rows[i] : rows[i + 1], columns[j] : columns[j + 1]]
                blocks[variable.name, name] = part.reshape(lead + variable.shape + np.shape(values[name]))
        return blocks


@final
class OdePath(Stage):
    """Integrates once through increasing times and makes every state variable ``(times, *shape)``.

    Reads ``<variable>_initial`` for each state variable (at time `start`) and the parameters. The derivative
    is that of the steps that were taken, with their lengths held; what the choice of lengths adds is of the
    size of the tolerance's error at the end of a step, far below the tolerance.

    Raises
    ------
    SolveFailed
        By `value`, if the integration gives up.
    NoGradient
        By `linearize`, if the right-hand side is not analytic where the path begins or ends.
    """

    def __init__(self, ode: Ode, times: ArrayLike, start: float = 0.0) -> None:
        self.ode = ode
        self.start = float(start)
        self.times = increasing(times, self.start)
        self.name = ode.name
        self.inputs = ode.inputs
        self.outputs = tuple(variable.name for variable in ode.state)
        self._moved = self.inputs
        # A time may come twice, and may be the start.
        self._stops, self._rows = np.unique(self.times[self.times > self.start], return_inverse=True)

    def moved_by(self, names: Collection[str]) -> "OdePath":
        """Return the path with the derivatives to these inputs alone; each of their numbers is a column."""
        here = copy(self)
        here._moved = tuple(name for name in self.inputs if name in names)
        return here

    def value(self, values: Values) -> Named:
        """Return the path of every state variable."""
        return self.ode.split(self._states(values)[0])

    def linearize(self, values: Values) -> tuple[Named, Linearization]:
        """Return the path and its derivative to initial values and parameters."""
        ode = self.ode
        states, path = self._states(values)
        dy, dp = ode.seeds(values, self._moved)
        changes = np.broadcast_to(dy, (len(self.times), *dy.shape)).copy()
        if path is not None:
            path.check_analytic()
            changes[self.times > self.start] = path.tangents(dy, dp)[self._rows]
        made = ode.split(states)
        shapes = {name: np.shape(values[name]) for name in self._moved}
        outputs = {name: np.shape(array) for name, array in made.items()}
        return made, MatrixLinearization(ode.blocks(changes, values, self._moved), shapes, outputs)

    def _states(self, values: Values) -> tuple[Array, DosedPath | None]:
        ode, y = self.ode, self.ode.start(values)
        states = np.broadcast_to(y, (len(self.times), y.size)).copy()
        if not self._stops.size:
            return states, None
        path = ode.path(y, ode.vector(values), self.start, self._stops)
        states[self.times > self.start] = path.at_stops[self._rows]
        return states, path
