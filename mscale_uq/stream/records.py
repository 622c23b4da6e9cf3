"""Sources of records in JSON Lines, and of Python objects."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, final

import numpy as np

from mscale_uq.core.observation import Observation
from mscale_uq.errors import DataError, InputError, explain
from mscale_uq.stream.delivery import Delivery
from mscale_uq.stream.lines import Lines
from mscale_uq.stream.message import Message, from_record, parse
from mscale_uq.stream.row import plain
from mscale_uq.stream.source import MOST_AT_ONCE, Source

SLOW = 0.02  # seconds for an item, above which items are taken one by one
END = object()


@final
class JsonLines(Source):
    """One JSON object a line; empty lines are skipped."""

    def __init__(self, lines: Lines) -> None:
        self._lines, self.name = lines, lines.name

    @property
    def ended(self) -> bool:
        """As its lines."""
        return self._lines.ended

    def read(self, position: int) -> list[Delivery]:
        """Return the records of the next lines."""
        lines = self._lines.read(position)
        return [deliver(parse, line, text_of(line), where) for line, where in lines if line.strip()]


@final
class Objects(Source):
    """Any Python iterable of observations, of records (mappings or JSON), or of messages.

    What is taken from it depends on nothing but its items: a broker's client is an iterable, too. Items
    without a number are known by their content, so that what is sent again is not taken in again. `taken` is
    the position of the first item, if earlier ones are left out.
    """

    def __init__(self, items: Iterable[Any], name: str = "objects", taken: int = 0) -> None:
        self._items, self.name = iter(items), name
        self._ended = False
        self._taken = taken

    @property
    def ended(self) -> bool:
        """Whether the iterable is exhausted."""
        return self._ended

    def read(self, position: int) -> list[Delivery]:
        """Return the next items: a batch of them, or one if they come slowly."""
        return list(self._next())

    def _next(self) -> Iterator[Delivery]:
        for _ in range(MOST_AT_ONCE):
            before = time.monotonic()
            item = next(self._items, END)
            if item is END:
                self._ended = True
                return
            self._taken += 1
            yield deliver(as_message, item, repr(item), self._taken)
            if time.monotonic() - before > SLOW:
                return


def deliver(make: Callable[[Any], Message], given: Any, text: str, position: int) -> Delivery:
    """Return the delivery of what `make` makes of something, or of why it cannot."""
    try:
        return Delivery(make(given), text, "", position)
    except InputError as error:
        return Delivery(None, text, str(error), position)


def as_message(item: Any) -> Message:
    """Return an observation, a record or JSON text as a message.

    Raises
    ------
    DataError
        If it is none of these, or says something impossible.
    """
    if isinstance(item, Message):
        return item if item.text else from_record(_record_of(item))
    if isinstance(item, Observation):
        return from_record(_record_of_observation(item))
    if isinstance(item, Mapping):
        return from_record(dict(item))
    if isinstance(item, str | bytes):
        return parse(item)
    raise DataError(explain(f"a {type(item).__name__}", "an observation, a mapping, JSON text"))


def text_of(line: bytes) -> str:
    """Return a line as text; bytes that are none stay visible."""
    return line.decode("utf-8", "backslashreplace")


def _record_of_observation(o: Observation) -> dict[str, Any]:
    if o.mark is not None and np.any(o.mark):
        raise DataError(explain("an observation with marks", "what was read; who reads the record marks it"))
    more: dict[str, Any] = {} if o.noise is None else {"error": _lists(o.noise)}
    if o.covariates:
        more["coordinates"] = {name: _lists(array) for name, array in o.covariates.items()}
    if o.record:
        more |= {"seq": int(o.record)} if o.record.isdecimal() else {"meta": {"record": o.record}}
    return {
        "source": o.source,
        "event_time": o.time,
        "quantity": o.quantity,
        "value": _lists(o.value),
        **more,
    }


def _record_of(m: Message) -> dict[str, Any]:
    plain_parts = {"source": m.source, "seq": m.seq, "event_time": m.time, "type": m.instrument}
    error = None if m.error is None else _lists(m.error)
    rest = {"quantity": m.quantity, "units": m.units, "coordinates": dict(m.coordinates), "qc": m.qc}
    rest |= {"id": m.id} if m.id else {}
    return {**plain_parts, **rest, "value": _lists(m.value), "error": error}


def _lists(array: Any) -> Any:
    return plain([array])[0]
