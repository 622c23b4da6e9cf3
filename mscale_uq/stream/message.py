"""`Message`: one record of a stream, a JSON object: who sent it, when the sample was taken, what was read.

    {"source": "scope-1", "seq": 17, "event_time": 85.0, "type": "probe", "quantity": "amount", "value": 4.1}

`type` names the instrument, that is the source of the state space, and is `source` if it is not there.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.errors import DataError, explain, near_match

SCHEMA = 1
MOST_LETTERS = 200
NEEDED = ("source", "event_time", "value")
EXAMPLE = '{"source": "scope 1", "seq": 17, "event_time": 85, "value": 4.1}'
TEXTS = ("source", "type", "quantity", "units", "id")
KEYS = (
    *("schema", "source", "seq", "event_time", "arrival_time", "entity", "type", "quantity", "value"),
    *("error", "units", "coordinates", "qc", "meta", "id"),
)
NOT_CONTENT = ("arrival_time", "schema")  # a record that is sent again is the same record


@final
@dataclass(frozen=True)
class Message:
    """A record of a stream.

    Attributes
    ----------
    source, seq
        Who sent it, and its number there; None if the sender does not count. Together they are its name.
    id
        What it is known by at its sender, instead of a number; empty if that is its number or its content.
    time
        When the sample was taken: a number in the time unit of the run, or text with a unit.
    instrument
        The source of the state space that it is a reading of; key ``type``.
    quantity
        What was measured; empty if the instrument measures one thing.
    value
        Number or array; NaN is a missing entry.
    error
        Standard deviation, scalar or shaped like `value`, or covariance; None keeps the model's.
    units
        Of value and error; None means those of the model.
    coordinates
        Where it was read, if not everywhere at once; of several values that bring a coordinate along, a list.
    qc
        What the sender thinks of it: 0 is good, anything else keeps it out.
    text
        The record itself, as canonical JSON.
    """

    source: str
    seq: int | None
    time: float | str
    instrument: str
    quantity: str
    value: Array
    error: Array | None = None
    units: str | None = None
    coordinates: Mapping[str, Any] = field(default_factory=dict)
    qc: int = 0
    text: str = ""
    id: str = ""

    @property
    def digest(self) -> str:
        """Hash of what it says."""
        return digest(self.text)

    @property
    def name(self) -> str:
        """What it is known by: source and id or number, or its content."""
        if self.id:
            return f"{self.source}:{self.id}"
        return self.digest if self.seq is None else f"{self.source}:{self.seq}"


def digest(text: str) -> str:
    """Return the hash of a text."""
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()


def parse(line: str | bytes) -> Message:
    """Return the message that a line of JSON says.

    Raises
    ------
    DataError
        If it is no JSON object, lacks a key, has an unknown one, or a value of the wrong type.
    """
    try:
        record = json.loads(line, parse_constant=_no_number)
    except UnicodeDecodeError:
        raise DataError(explain("a line that is not UTF-8", "text in UTF-8")) from None
    except (json.JSONDecodeError, RecursionError, ValueError) as error:
        raise DataError(explain(f"a line that is no JSON: {error}", "one JSON object in a line")) from None
    return from_record(record)


def from_record(record: Any) -> Message:
    """Return the message that a record, a mapping of keys to plain values, says; raises like `parse`."""
    _check_keys(record)
    for key in TEXTS:
        text = record.get(key) or ""
        if not isinstance(text, str) or not text.isprintable() or len(text) > MOST_LETTERS:
            raise DataError(explain(f"{key} = {_short(text)}", f"at most {MOST_LETTERS} printable letters"))
    if not record["source"]:
        raise DataError(explain("source is empty", "who sent the record"))
    time = record["event_time"]
    if isinstance(time, bool) or not isinstance(time, int | float | str):
        raise DataError(explain(f"event_time = {_short(time)}", "a number, or text with a unit"))
    coordinates = record.get("coordinates") or {}
    if not isinstance(coordinates, dict) or not all(map(_is_numbers, coordinates.values())):
        raise DataError(explain(f"coordinates = {_short(coordinates)}", '{ "depth": 3 }'))
    error = record.get("error")
    return Message(
        source=record["source"],
        seq=_whole(record, "seq", None),
        time=time if isinstance(time, str) else _finite(time, "event_time"),
        instrument=record.get("type") or record["source"],
        quantity=record.get("quantity") or "",
        value=numbers(record["value"], "value"),
        error=None if error is None else numbers(error, "error"),
        units=record.get("units"),
        coordinates=coordinates,
        qc=_whole(record, "qc", 0) or 0,
        text=canonical(record),
        id=record.get("id") or "",
    )


def canonical(record: Mapping[str, Any]) -> str:
    """Return a record as JSON that depends on its content alone."""
    said = {key: value for key, value in record.items() if value is not None or key == "value"}
    content = {key: value for key, value in said.items() if key not in NOT_CONTENT}
    try:
        return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise DataError(explain(f"a record that is no JSON: {error}", "text, numbers, lists")) from None


def numbers(given: Any, key: str) -> Array:
    """Return a number, null, or nested lists of them as an array; null becomes NaN.

    Raises
    ------
    DataError
        If it is anything else, ragged, or not finite.
    """
    try:
        array = np.asarray(given, dtype=object)
    except ValueError:  # deeper than any array
        raise DataError(explain(f"{key} = {_short(given)}", "numbers, or lists of them")) from None
    flat = [math.nan if one is None else _finite(one, key) for one in array.ravel()]
    return np.array(flat, dtype=float).reshape(array.shape)


def _check_keys(record: Any) -> None:
    if not isinstance(record, dict):
        raise DataError(explain(f"{_short(record)}", "one JSON object in a line"))
    for key in record:
        if key not in KEYS:
            allowed = ", ".join(KEYS)
            raise DataError(
                explain(f"unknown key {key!r}{near_match(key, KEYS)}", allowed, "others: in meta")
            )
    for key in NEEDED:
        if key not in record:
            raise DataError(
                explain(f"no key {key!r}", f"a record with {', '.join(NEEDED)}", f"such as {EXAMPLE}")
            )
    if record.get("schema", SCHEMA) != SCHEMA:
        raise DataError(explain(f"schema = {_short(record['schema'])}", str(SCHEMA)))


def _whole(record: Mapping[str, Any], key: str, default: int | None) -> int | None:
    value = record.get(key, default)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise DataError(explain(f"{key} = {_short(value)}", "a whole number"))
    return value


def _is_number(given: Any) -> bool:
    return isinstance(given, int | float | str) and not isinstance(given, bool)


def _is_numbers(given: Any) -> bool:
    return all(map(_is_number, given)) if isinstance(given, list) else _is_number(given)


def _finite(given: Any, key: str) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float | np.number):
        raise DataError(explain(f"{key} = {_short(given)}", "a number"))
    try:
        number = float(given)
    except OverflowError:
        number = math.inf
    if math.isinf(number) or math.isnan(number):
        raise DataError(explain(f"{key} = {_short(given)}", "a finite number; null is missing"))
    return number


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no JSON number; null is a missing value")


def _short(given: Any) -> str:
    text = repr(given)
    return text if len(text) < 60 else f"{text[:57]}..."


def contradiction(name: str, before: str, now: str) -> str:
    """Say what two records of one name say, and what helps."""
    given = f"record {name} came before with another content: {before}, now {now}"
    hint = (
        "a correction has a seq or id of its own; a sender that counts from the beginning again, as after a"
        " restart, has a source of its own; mend or delete the later record, and the same command goes on"
    )
    return explain(given, "one of the two", hint)
