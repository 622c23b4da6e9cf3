"""`LinearDynamics` and `LinearReading`: affine in the state, given by matrices and their derivatives.

From the matrices a Kalman filter is exact, and its log-likelihood has an exact gradient.
"""

from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from types import MappingProxyType
from typing import Any, final

import numpy as np

from mscale_uq.core.dynamics import Dynamics
from mscale_uq.core.formula import Formula
from mscale_uq.core.parameter import Array, Quantity
from mscale_uq.core.stage import Linearization, MatrixLinearization, Named, Stage, Values
from mscale_uq.errors import WiringError, explain

Intervals = Sequence[tuple[float, float]]
NOTHING: Values = MappingProxyType({})


@final
@dataclass(frozen=True)
class Transition:
    """State at stop = F state at start + b + noise of covariance Q; derivatives have leading axes more."""

    F: Array
    b: Array
    Q: Array


def alike(move: Transition, copies: int) -> Transition:
    """Return the move of many copies; a variable's copies lie next to each other, leading axes are kept."""
    if copies == 1:
        return move
    size = copies * move.b.shape[-1]
    shape = (*move.b.shape[:-1], size, size)
    F, Q = (np.einsum("...ab,ij->...aibj", part, np.eye(copies)).reshape(shape) for part in (move.F, move.Q))
    return Transition(F, np.repeat(move.b, copies, axis=-1), Q)


class LinearDynamics(Dynamics):
    """Dynamics whose step is affine in the state: a child gives the matrices.

    Attributes
    ----------
    shapes
        Shape of each input that is not a scalar; a value with one axis more has one row per member.
    autonomous
        Whether the matrices depend on the length of an interval only, not on when it begins.
    """

    shapes: Mapping[str, tuple[int, ...]]
    autonomous: bool

    @abstractmethod
    def transitions(self, intervals: Intervals, values: Values) -> list[Transition]:
        """Return F ``(n, n)``, b ``(n,)`` and Q ``(n, n)`` of each interval (start, stop)."""

    @abstractmethod
    def linearize_transitions(
        self, intervals: Intervals, values: Values
    ) -> list[tuple[Transition, dict[str, Transition]]]:
        """Return the matrices and, for each input, their derivatives ``(*input shape, ...)``."""

    def moved_by(self, names: Collection[str]) -> "LinearDynamics":
        """Return the dynamics where only these inputs move; it may leave the other derivatives out."""
        return self

    @final
    def transition(self, start: float, stop: float, values: Values) -> Transition:
        """Return F, b and Q from `start` to `stop`."""
        return self.transitions([(start, stop)], values)[0]

    @final
    def transition_rows(self, start: float, stop: float, values: Values, count: int) -> Transition:
        """Return F ``(count, n, n)``, b and Q for as many sets of values: some have one row per set."""
        if self.has_rows(values):
            return self.stacked(start, stop, values, count)
        one = self.transition(start, stop, values)
        return Transition(*(np.broadcast_to(part, (count, *part.shape)) for part in (one.F, one.b, one.Q)))

    def stacked(self, start: float, stop: float, values: Values, count: int) -> Transition:
        """Return what `transition_rows` does where a value has rows; a child may have a faster way."""
        sets = (self.row(values, row) for row in range(count))
        moves = [self.transition(start, stop, one) for one in sets]
        return Transition(*(np.array([getattr(move, part) for move in moves]) for part in "FbQ"))

    def blocks(self, time: float = -inf, values: Values = NOTHING) -> tuple[np.ndarray, ...]:
        """Return which parts of the state have not moved each other, nor shared noise, up to a time.

        One array ``(copies, size)`` of places in the state for each kind of part; all copies of a kind move
        alike. The whole state is one part, unless a child knows better. Later parts are those before, or
        several of them together.
        """
        return (np.arange(self.size)[None],)

    def block_rows(self, start: float, stop: float, values: Values, count: int) -> list[Transition]:
        """Return what `transition_rows` does, for the `blocks` at `stop`: F ``(count, size, size)``, b, Q."""
        return [self.transition_rows(start, stop, values, count)]

    @final
    def has_rows(self, values: Values) -> bool:
        """Return whether a value has one row per member."""
        return any(np.ndim(values[name]) > len(self.shapes.get(name, ())) for name in self.inputs)

    @final
    def row(self, values: Values, row: int) -> Named:
        """Return the values of one member."""
        return {
            name: np.asarray(values[name])[row]
            if np.ndim(values[name]) > len(self.shapes.get(name, ()))
            else np.asarray(values[name])
            for name in self.inputs
        }

    @final
    def step(
        self, states: Array, start: float, stop: float, values: Values, rng: np.random.Generator
    ) -> Array:
        """Return F states + b; what `noise` states is not drawn here."""
        if not self.has_rows(values):
            move = self.transition(start, stop, values)
            return states @ move.F.T + move.b
        rows = [
            self.step(state[None], start, stop, self.row(values, row), rng)
            for row, state in enumerate(states)
        ]
        return np.concatenate(rows)

    @final
    def linearize_step(
        self, state: Array, start: float, stop: float, values: Values
    ) -> tuple[Array, Linearization]:
        """Return the moved state ``(n,)`` and its derivative to the state and to every input."""
        move, slopes = self.linearize_transitions([(start, stop)], values)[0]
        blocks = {("state", "state"): move.F}
        for name, slope in slopes.items():
            blocks["state", name] = np.moveaxis(slope.F @ state + slope.b, -1, 0)
        shapes = {"state": state.shape, **{name: np.shape(values[name]) for name in self.inputs}}
        return move.F @ state + move.b, MatrixLinearization(blocks, shapes, {"state": state.shape})

    @final
    def noise(self, start: float, stop: float, values: Values) -> Array:
        """Return Q ``(n, n)``."""
        return self.transition(start, stop, values).Q


@final
class LinearReading(Stage):
    """An observation that is affine in the state: quantity = H x + d.

    Parameters
    ----------
    quantity
        The name made.
    state
        The state variables of the dynamics, in their order; x is their flattened values ``(n,)``.
    matrices
        Plain function of named values that returns H ``(m, n)`` and d ``(m,)``, as a `Formula` does.
    shape
        Shape of the quantity, if not ``(m,)``; ``()`` for one number.
    """

    def __init__(
        self,
        quantity: str,
        state: tuple[Quantity, ...],
        matrices: Callable[..., Any],
        shape: tuple[int, ...] | None = None,
    ) -> None:
        self.name = f"reading of {quantity}"
        self.shape = shape
        self.quantity = quantity
        self.read = tuple(variable.name for variable in state)
        self._state = state
        self._matrices = Formula(matrices, ("H", "d"), f"matrices of {quantity}")
        clash = {variable.name for variable in state} & set(self._matrices.inputs)
        if clash:
            raise WiringError(explain(f"{self.name}: H and d read the state {clash}", hint="use a Formula"))
        self.inputs = (*(variable.name for variable in state), *self._matrices.inputs)
        self.outputs = (quantity,)

    def matrices(self, values: Values) -> tuple[Array, Array]:
        """Return H ``(m, n)`` and d ``(m,)``."""
        made = self._matrices.value(values)
        return made["H"], made["d"]

    def linearize_matrices(self, values: Values) -> tuple[Array, Array, dict[str, tuple[Array, Array]]]:
        """Return H, d and, for each value read, their derivatives ``(*shape, m, n)`` and ``(*shape, m)``."""
        made, linear = self._matrices.linearize(values)
        slopes = {
            name: (leading(linear, "H", name, 2), leading(linear, "d", name, 1))
            for name in self._matrices.inputs
        }
        return made["H"], made["d"], slopes

    def value(self, values: Values) -> Named:
        """Return H x + d."""
        H, d = self.matrices(values)
        return {self.quantity: self._shaped(H @ self._flat(values) + d)}

    def rows(self, states: Array, values: Values) -> Array:
        """Return H x + d ``(N, m)`` of many states ``(N, n)`` at once."""
        H, d = self.matrices(values)
        return np.asarray(states @ H.T + d)

    def linearize(self, values: Values) -> tuple[Named, Linearization]:
        """Return H x + d and its derivative to the state and to the values."""
        H, d, slopes = self.linearize_matrices(values)
        x, first, blocks = self._flat(values), 0, {}
        made = {self.quantity: self._shaped(H @ x + d)}
        shape = made[self.quantity].shape
        for variable in self._state:
            last = first + int(np.prod(variable.shape))
            blocks[self.quantity, variable.name] = H[:, first:last].reshape(shape + variable.shape)
            first = last
        for name, (dH, dd) in slopes.items():
            block = np.moveaxis(dH @ x + dd, -1, 0)
            blocks[self.quantity, name] = block.reshape(shape + block.shape[1:])
        shapes = {name: np.shape(values[name]) for name in self.inputs}
        return made, MatrixLinearization(blocks, shapes, {self.quantity: shape})

    def _shaped(self, reading: Array) -> Array:
        return reading if self.shape is None else reading.reshape(self.shape)

    def _flat(self, values: Values) -> Array:
        return np.concatenate([np.ravel(values[variable.name]) for variable in self._state])


def leading(linear: Linearization, output: str, name: str, axes: int) -> Array:
    """Return a formula's derivative with the input's axes in front of the output's `axes`."""
    assert isinstance(linear, MatrixLinearization)  # what `Formula` returns
    block = linear.jacobians[output, name]
    return np.moveaxis(block, range(axes), range(block.ndim - axes, block.ndim))
