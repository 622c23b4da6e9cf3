"""From messages to the observations of a state space, and several of one source into one vector."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np

from mscale_uq.core.observation import Observation
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Named, Values
from mscale_uq.core.statespace import StateSpace
from mscale_uq.errors import DataError, explain, near_match
from mscale_uq.stream.message import Message, numbers

Read = Callable[[Message], Observation]


@final
@dataclass(frozen=True)
class Known:
    """What a message says for good.

    Attributes
    ----------
    values
        Named values in place of those that were known before.
    since
        From when on they make a difference.
    """

    values: Named
    since: float


Learn = Callable[[Message, Values], Known | None]
Absent = Callable[[Observation, Values], str]  # why what is read is not there


@final
class AsItIs:
    """Reads messages whose numbers are in the units of the state space, a whole vector each.

    Parameters
    ----------
    space, values
        The model and what `filters.loop.prepared` returned.

    Raises
    ------
    DataError
        When called: if the message does not fit the model.
    """

    def __init__(self, space: StateSpace, values: Values) -> None:
        self._space = space
        state, _ = space.initial(values)
        made = {source: space.observe(source, state, values) for source in space.observations}
        self.shapes = {
            source: np.shape(made[source][operator.quantity])
            for source, operator in space.observations.items()
        }

    def __call__(self, message: Message) -> Observation:
        """Return the observation."""
        quantity = self.quantity(message)
        own = self._own(message)
        if message.units:
            raise DataError(explain(f"units {message.units!r}", "numbers in the model's units"))
        if isinstance(message.time, str):
            raise DataError(explain(f"event_time = {message.time!r}", "a number"))
        shape = message.value.shape if own else self.shapes[message.instrument]
        if message.value.size != int(np.prod(shape)):
            raise DataError(explain(f"value of shape {message.value.shape}", f"shape {shape}"))
        value = message.value.reshape(shape)
        return Observation(message.time, message.instrument, quantity, value, message.error, covariates=own)

    def _own(self, message: Message) -> dict[str, Array]:
        """Return what the message brings along for the operator to read."""
        state = {variable.name for variable in self._space.dynamics.state}
        reads = self._space.observations[message.instrument].reads - state
        for name in message.coordinates:
            if name not in reads:
                given = f"coordinates {', '.join(message.coordinates)}"
                raise DataError(
                    explain(given, "no places; what a reading brings along is read by its source")
                )
        return {name: numbers(given, name) for name, given in message.coordinates.items()}

    def quantity(self, message: Message) -> str:
        """Return what the message's instrument measures, or refuse."""
        known = self._space.observations
        if message.instrument not in known:
            hint = near_match(message.instrument, known)
            raise DataError(explain(f"type {message.instrument!r}{hint}", ", ".join(known)))
        quantity = known[message.instrument].quantity
        if message.quantity not in ("", quantity):
            raise DataError(explain(f"{message.instrument}: quantity {message.quantity!r}", quantity))
        return quantity


def nothing_absent(observed: Observation, values: Values) -> str:  # noqa: ARG001
    """Say that all that can be read is there."""
    return ""


def in_order(messages: Iterable[Message]) -> list[Message]:
    """Return messages of one time in an order that does not depend on how they came."""
    return sorted(messages, key=lambda m: (m.instrument, m.quantity, m.source, m.seq or 0, m.digest))


def merged(observations: Iterable[Observation]) -> list[Observation]:
    """Return observations of one time with those of one source, read at different places, in one vector."""
    made: list[Observation] = []
    for one in observations:
        for position, other in enumerate(made):
            if _apart(one, other):
                made[position] = _together(one, other)
                break
        else:
            made.append(one)
    return made


def _apart(one: Observation, other: Observation) -> bool:
    """Whether two observations are of one source, of different entries, with noise of one form."""
    if one.source != other.source or (one.noise is None) != (other.noise is None):
        return False
    simple = one.noise is None or all(o.noise.shape in ((), o.value.shape) for o in (one, other))  # type: ignore[union-attr]
    if one.covariates or other.covariates:
        return simple and one.covariates.keys() == other.covariates.keys()
    return simple and not np.any(~np.isnan(one.value) & ~np.isnan(other.value))


def _together(one: Observation, other: Observation) -> Observation:
    if one.covariates:
        return _behind(other, one)
    there = ~np.isnan(one.value)
    noise = None if one.noise is None else np.where(there, one.noise, other.noise)  # type: ignore[arg-type]
    marks = [0 if o.mark is None else o.mark for o in (one, other)]
    mark = np.where(there, *marks) if np.any(marks[0]) or np.any(marks[1]) else None
    return replace(other, value=np.where(there, one.value, other.value), noise=noise, mark=mark)


def _behind(first: Observation, second: Observation) -> Observation:
    """Return the readings of two observations that bring values along, one behind the other."""
    both = (first, second)

    def joined(parts: Iterable[Any]) -> np.ndarray:
        return np.concatenate(
            [np.broadcast_to(part, o.value.shape).ravel() for part, o in zip(parts, both, strict=True)]
        )

    marks = [0 if o.mark is None else o.mark for o in both]
    return replace(
        first,
        value=joined(o.value for o in both),
        noise=None if first.noise is None else joined(o.noise for o in both),
        mark=joined(marks) if any(map(np.any, marks)) else None,
        covariates={name: joined(o.covariates[name] for o in both) for name in first.covariates},
    )
