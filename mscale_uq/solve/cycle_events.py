"""What is read off a limit cycle: turning points, crossings and levels, each with its change.

Every reading is that of an event on the cycle, found to round-off and differentiated as such. A level may
read the last parameter, which the equation does not: there stands a value that was itself read off the cycle,
such as a potential half way between two others, or a time.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.errors import Infeasible
from mscale_uq.solve.limit_cycle import Cycle, find_on_cycle
from mscale_uq.solve.rate import Level
from mscale_uq.solve.stiff import Event, Tolerances

FALLING, RISING = -1, 1
Function = Callable[..., Any]  # (t, y, p) -> number, as a `Level` takes it


def clock(t, y, p):
    """Time since that in the last parameter."""
    return t - p[-1] + 0 * y[0]


@final
@dataclass(frozen=True)
class Reading:
    """A number and its changes ``(k,)``; sums, differences and shares of readings are readings."""

    value: float
    change: Array

    def __add__(self, other: "Reading") -> "Reading":
        return Reading(self.value + other.value, self.change + other.change)

    def __sub__(self, other: "Reading") -> "Reading":
        return Reading(self.value - other.value, self.change - other.change)

    def __truediv__(self, number: float) -> "Reading":
        return Reading(self.value / number, self.change / number)

    def later(self, delay: float) -> "Reading":
        """Return the reading plus a constant."""
        return Reading(self.value + delay, self.change)


@final
@dataclass(frozen=True)
class Found:
    """An event on a cycle, and the changes of parameters ``(m, k)``, time ``(k,)`` and state ``(n, k)``."""

    event: Event
    dp: Array
    dt: Array
    dy: Array

    @property
    def time(self) -> Reading:
        """When, since the start of the cycle."""
        return Reading(self.event.time, self.dt)

    def state(self, variable: int) -> Reading:
        """Return a state variable there."""
        return Reading(float(self.event.state[variable]), self.dy[variable])

    def level(self, function: Function) -> Reading:
        """Return a function of time, state and parameters there."""
        level, at = Level(function), (self.event.time, self.event.state, self.event.path.parameters)
        to_state, to_parameters, to_time = level.slopes(*at)
        return Reading(level.at(*at), to_state @ self.dy + to_parameters @ self.dp + to_time * self.dt)


@final
@dataclass(frozen=True)
class OnCycle:
    """A cycle to read, for k changes dp ``(m, k)`` of the parameters.

    `name` is what failures call it. Each method below raises `Infeasible` if the cycle has no such event.
    """

    cycle: Cycle
    dp: Array
    tolerances: Tolerances
    name: str = "limit cycle"

    @property
    def period(self) -> Reading:
        """Duration of a turn."""
        return Reading(self.cycle.period, self._moves[1])

    def lowest(self, change: Function, variable: int) -> Found:
        """Return where a variable, whose rate is `change`, is lowest."""
        return self._found(min(self._events(change, RISING), key=lambda event: event.state[variable]))

    def highest(self, change: Function, variable: int) -> Found:
        """Return where a variable, whose rate is `change`, is highest."""
        return self._found(max(self._events(change, FALLING), key=lambda event: event.state[variable]))

    def greatest(self, change: Function, function: Function) -> Found:
        """Return where a function, whose rate along the cycle is `change`, is greatest."""
        level = Level(function)

        def height(event: Event) -> float:
            return level.at(event.time, event.state, event.path.parameters)

        return self._found(max(self._events(change, FALLING), key=height))

    def first(self, function: Function, direction: int, value: Reading) -> Found:
        """Return where a function passes zero for the first time, with `value` in its last parameter."""
        return self._found(self._events(function, direction, value.value)[0], value.change)

    def at(self, time: Reading) -> Found:
        """Return the cycle at a time before its end."""
        return self.first(clock, RISING, time)

    @cached_property
    def _moves(self) -> tuple[Array, Array]:
        """Changes of the states at the steps ``(N+1, n, k)`` and of the period ``(k,)``."""
        n, k = self.cycle.path.states.shape[1], self.dp.shape[1]
        if k == 0:
            return np.zeros((len(self.cycle.path.times), n, 0)), np.zeros(0)
        return self.cycle.tangents(self.dp)

    def _events(self, function: Function, direction: int, value: float = 0.0) -> list[Event]:
        p = np.append(self.cycle.path.parameters[:-1], value)
        events = find_on_cycle(self.cycle, Level(function, direction), self.tolerances, p)
        if not events:
            raise Infeasible(self.name, {}, f"the {self.name} has no event {function.__name__!r}")
        return events

    def _found(self, event: Event, d_value: Array | None = None) -> Found:
        """Return the event with its changes; d_value ``(k,)`` is that of the last parameter."""
        states, dT = self._moves
        dp = self.dp.copy()
        dp[-1] = 0.0 if d_value is None else d_value
        dt = event.path.times[-1] / self.cycle.period * dT
        return Found(event, dp, *event.tangents_from(states[len(event.path.stages)], dp, dt))
