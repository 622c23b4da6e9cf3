"""`Dynamics`: a named state and its step; `Rollout`: a stage that steps it through given times."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import ArrayLike

from mscale_uq.core.parameter import Array, Quantity
from mscale_uq.core.random import generator
from mscale_uq.core.stage import Linearization, Named, Stage, Values
from mscale_uq.errors import InputError, NoGradient, SolveFailed, explain

WITHOUT_CHANCE: Any = None  # in the place of a generator


class Dynamics(ABC):
    """How a state moves from one time to another.

    States are ``(members, n)``: rows are members, columns are the state variables flattened in order. A
    value the step reads has its natural shape, or one row per member ``(members, ...)``.

    Attributes
    ----------
    name
        What failures call it.
    inputs
        Names of the values read beside the state.
    state
        The state variables, with unit and shape.
    random
        Whether `step` draws from its generator. Making one costs as much as a small step: filters spare it
        where this is False, and give None.
    """

    name: str
    inputs: tuple[str, ...]
    state: tuple[Quantity, ...]
    random: ClassVar[bool] = True

    @abstractmethod
    def step(
        self, states: Array, start: float, stop: float, values: Values, rng: np.random.Generator
    ) -> Array:
        """Return the states ``(members, n)`` at time `stop`, given those at `start`.

        Without a generator (`WITHOUT_CHANCE`) it is the path that `noise` and `noise_at` add their noise to.

        Raises
        ------
        SolveFailed, Infeasible
            If a member cannot be moved.
        """

    def linearize_step(
        self, state: Array, start: float, stop: float, values: Values
    ) -> tuple[Array, Linearization]:
        """Return the state ``(n,)`` at `stop` and the derivative of the step.

        The linearization's inputs are ``"state"`` and `inputs`; its output is ``"state"``. The derivative is
        that of the discrete step, at fixed random numbers.

        Raises
        ------
        NoGradient
            If the step has no exact derivative.
        """
        raise NoGradient(f"dynamics {self.name!r} has no derivative: use an ensemble or gradient-free method")

    def noise(self, start: float, stop: float, values: Values) -> Array:
        """Return the covariance ``(n, n)`` that the step adds to the state; zero unless stated."""
        return np.zeros((self.size, self.size))

    def noise_at(self, state: Array, start: float, stop: float, values: Values) -> Array:
        """Return the covariance ``(n, n)`` that a step from ``(n,)`` adds: `noise`, unless stated."""
        return self.noise(start, stop, values)

    def initial_covariance(self, variance: Array, values: Values) -> Array:
        """Return the covariance ``(n, n)`` that the state begins with, of entries that have `variance`."""
        return np.diag(variance)

    @property
    def size(self) -> int:
        """Number of scalars in the state."""
        return sum(prod(variable.shape) for variable in self.state)

    def split(self, states: Array) -> Named:
        """Return states ``(..., n)`` as named arrays ``(..., *shape)``."""
        named, start = {}, 0
        for variable in self.state:
            size = prod(variable.shape)
            named[variable.name] = states[..., start : start + size].reshape(
                states.shape[:-1] + variable.shape
            )
            start += size
        return named

    def pack(self, named: Values) -> Array:
        """Return named state variables ``(..., *shape)`` as states ``(..., n)``."""
        rows = []
        for variable in self.state:
            array = np.asarray(named[variable.name], dtype=float)
            lead = array.shape[: array.ndim - len(variable.shape)]
            rows.append(np.broadcast_to(array, lead + variable.shape).reshape((*lead, -1)))
        return np.concatenate(rows, axis=-1)


def initial_name(variable: str) -> str:
    """Return the name under which the initial value of a state variable is given."""
    return f"{variable}_initial"


@final
class Rollout(Stage):
    """Steps the dynamics once through increasing times and makes every state variable at each of them.

    Reads ``<variable>_initial`` for each state variable (at time `start`) and what the dynamics reads; makes
    ``<variable>`` of shape ``(times, *shape)``. Random dynamics take their numbers from ``key``, so the same
    key gives the same path.

    Raises
    ------
    InputError
        If the times do not increase from `start`.
    """

    def __init__(self, dynamics: Dynamics, times: ArrayLike, start: float = 0.0) -> None:
        self.dynamics = dynamics
        self.start = float(start)
        self.times = increasing(times, self.start)
        self.name = f"rollout of {dynamics.name}"
        self.inputs = (*(initial_name(v.name) for v in dynamics.state), *dynamics.inputs, "key")
        self.outputs = tuple(v.name for v in dynamics.state)

    def value(self, values: Values) -> Named:
        """Return the path of every state variable."""
        read, rng = self._read(values), generator(int(values["key"]))
        state, rows, now = self._begin(values), [], self.start
        for time in self.times:
            if time > now:
                state = self.dynamics.step(state[None, :], now, float(time), read, rng)[0]
            self._check(state, read)
            rows.append(state)
            now = float(time)
        return self.dynamics.split(np.array(rows))

    def linearize(self, values: Values) -> tuple[Named, "RolloutLinearization"]:
        """Return the path and its derivative, the product of the steps' derivatives."""
        read = self._read(values)
        state, rows, now = self._begin(values), [], self.start
        parts: list[Linearization | None] = []
        for time in self.times:
            part = None
            if time > now:
                state, part = self.dynamics.linearize_step(state, now, float(time), read)
            self._check(state, read)
            rows.append(state)
            parts.append(part)
            now = float(time)
        shapes = {name: np.shape(values[name]) for name in self.inputs if name != "key"}
        return self.dynamics.split(np.array(rows)), RolloutLinearization(self.dynamics, tuple(parts), shapes)

    def _read(self, values: Values) -> Named:
        return {name: np.asarray(values[name]) for name in self.dynamics.inputs}

    def _begin(self, values: Values) -> Array:
        return self.dynamics.pack({v.name: values[initial_name(v.name)] for v in self.dynamics.state})

    def _check(self, state: Array, read: Values) -> None:
        if not np.all(np.isfinite(state)):
            raise SolveFailed(self.dynamics.name, read, "the state is not finite")


@final
class RolloutLinearization(Linearization):
    """Derivative of a path: tangents run with time, cotangents against it."""

    def __init__(
        self,
        dynamics: Dynamics,
        parts: Sequence[Linearization | None],
        shapes: Mapping[str, tuple[int, ...]],
    ) -> None:
        self._dynamics = dynamics
        self._parts = tuple(parts)
        self._shapes = dict(shapes)

    def jvp(self, tangents: Values) -> Named:
        """Carry changes of initial state and values along the path."""
        state = np.zeros(self._dynamics.size)
        for name, size, first in self._slices():
            if initial_name(name) in tangents:
                state[first : first + size] = np.ravel(
                    np.broadcast_to(tangents[initial_name(name)], self._shape(name))
                )
        moved = {name: tangents[name] for name in self._dynamics.inputs if name in tangents}
        rows = []
        for part in self._parts:
            if part is not None:
                state = part.jvp({"state": state, **moved})["state"]
            rows.append(state)
        return self._dynamics.split(np.array(rows))

    def vjp(self, cotangents: Values) -> Named:
        """Carry sensitivities back to the initial state and the values."""
        weights = self._weights(cotangents)
        total = {name: np.zeros(self._shapes[name]) for name in self._dynamics.inputs}
        back = np.zeros(self._dynamics.size)
        for part, weight in zip(reversed(self._parts), weights[::-1], strict=True):
            back = back + weight
            if part is not None:
                passed = part.vjp({"state": back})
                back = passed["state"]
                for name in total:
                    total[name] = total[name] + passed[name]
        initial = {initial_name(name): weight for name, weight in self._dynamics.split(back).items()}
        return {**{name: _gathered(weight, self._shapes[name]) for name, weight in initial.items()}, **total}

    def _weights(self, cotangents: Values) -> Array:
        weights = np.zeros((len(self._parts), self._dynamics.size))
        for name, size, first in self._slices():
            if name in cotangents:
                weights[:, first : first + size] = np.reshape(cotangents[name], (len(self._parts), size))
        return weights

    def _slices(self) -> list[tuple[str, int, int]]:
        slices, first = [], 0
        for variable in self._dynamics.state:
            size = prod(variable.shape)
            slices.append((variable.name, size, first))
            first += size
        return slices

    def _shape(self, name: str) -> tuple[int, ...]:
        return next(v.shape for v in self._dynamics.state if v.name == name)


def _gathered(weight: Array, shape: tuple[int, ...]) -> Array:
    """Sum the sensitivity of a field that was filled from a smaller array (a uniform start, say)."""
    lead = weight.ndim - len(shape)
    spread = tuple(lead + axis for axis, size in enumerate(shape) if size == 1 < weight.shape[lead + axis])
    total: Array = np.sum(weight, axis=(*range(lead), *spread), keepdims=True)
    return total.reshape(shape)


def increasing(times: ArrayLike, start: float) -> Array:
    """Return `times` as an array, refusing a time before `start` or before its predecessor."""
    array = np.atleast_1d(np.asarray(times, dtype=float))
    if array.ndim != 1 or array.size == 0 or not np.all(np.diff(array, prepend=start) >= 0):
        raise InputError(
            explain(f"times {array}", f"a non-empty increasing list from {start:g} on", "sort the times")
        )
    return array
