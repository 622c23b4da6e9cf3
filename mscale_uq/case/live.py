"""The section ``[stream]``: where readings come from while they are made, and how they are read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, final

import numpy as np

from mscale_uq.case.assimilate import Assimilating
from mscale_uq.case.schema import StreamSpec
from mscale_uq.case.stream import Stream
from mscale_uq.core.observation import Observation
from mscale_uq.core.parameter import Array
from mscale_uq.errors import CaseError, DataError, explain, near_match
from mscale_uq.filters.whole import WholeStream
from mscale_uq.io.mistakes import Mistakes
from mscale_uq.io.units import factor, to_unit
from mscale_uq.stream.lines import FileLines, Lines, PipeLines
from mscale_uq.stream.message import Message
from mscale_uq.stream.policy import Policy
from mscale_uq.stream.records import JsonLines
from mscale_uq.stream.source import Source
from mscale_uq.stream.table import GrowingTable

STANDARD_INPUT = "-"
TABLE = "table"  # the sender of the readings that a case brings with it
OTHERS = "others"  # the senders that a table of windows does not name


@final
@dataclass(frozen=True)
class Live:
    """A stream that a case follows.

    Attributes
    ----------
    path
        The file that grows; None is the standard input.
    format
        Of its lines.
    columns
        Our name -> heading in a CSV file.
    policy
        What becomes of late records, in the time unit of the model.
    snapshots
        The outputs that are read rarely, such as those of cells that are destroyed by it: drawn as marks, and
        no reading of another output is late for them.
    """

    path: Path | None
    format: Literal["jsonl", "csv"]
    columns: Mapping[str, str]
    policy: Policy
    snapshots: tuple[str, ...]

    def section(self) -> dict[str, Any]:
        """Return the section with everything said."""
        policy = self.policy
        history = {} if policy.history == np.inf else {"history": policy.history}
        windows = {**policy.windows, OTHERS: policy.window} if policy.windows else policy.window
        return {
            "source": STANDARD_INPUT if self.path is None else str(self.path),
            "format": self.format,
            "columns": dict(self.columns),
            "late": policy.late,
            "reorder_window": windows,
            **history,
            "checkpoint_every": policy.checkpoint_every,
            "snapshots": list(self.snapshots),
        }

    def open(self, stream: Stream) -> Source:
        """Return the source."""
        lines: Lines = PipeLines(0, "standard input") if self.path is None else FileLines(self.path)
        if self.format == "jsonl":
            return JsonLines(lines)
        outputs = tuple(output.name for output in stream.outputs.values())
        places = tuple(dict.fromkeys(c.name for one in stream.places.values() for c in one.along))
        numbered = self.path is not None
        return GrowingTable(lines, stream.time.name, outputs, places, self.columns, numbered)


@final
@dataclass(frozen=True)
class ByCase:
    """Reads messages as a case means them: units converted, places found, outputs known by name.

    Raises
    ------
    DataError, UnitError
        When called: if the message does not fit the case.
    """

    stream: Stream

    def __call__(self, message: Message) -> Observation:
        """Return the observation, in the model's units."""
        source = self._source(message)
        output, time = self.stream.outputs[source], self.stream.time
        if message.quantity not in ("", output.name):
            raise DataError(explain(f"{source}: quantity {message.quantity!r}", output.name))
        scale, offset = factor(message.units or output.unit, output.unit, f"units {message.units!r}")
        value = self._placed(message, message.value * scale + offset, "value", source)
        error = None if message.error is None else self._error(message, message.error, scale, source)
        if error is None and source in self.stream.stated:
            raise DataError(explain(f"{output.name}: no error", "the reading's standard deviation"))
        when = to_unit(message.time, time.unit, "event_time")
        own = self._brought(message, source, value.shape)
        return self.stream.screen.judge(Observation(when, source, output.name, value, error, covariates=own))

    def _source(self, message: Message) -> str:
        names = {output.name: source for source, output in self.stream.outputs.items()}
        known = {**names, **{source: source for source in self.stream.outputs}}
        if message.instrument not in known:
            hint = near_match(message.instrument, known)
            raise DataError(explain(f"type {message.instrument!r}{hint}", ", ".join(known)))
        return known[message.instrument]

    def _error(self, message: Message, error: Array, scale: float, source: str) -> Array:
        if error.ndim == 2:
            return error * scale**2
        if error.ndim == 0:
            return error * abs(scale)
        return self._placed(message, error * abs(scale), "error", source, 1.0)

    def _placed(
        self, message: Message, value: Array, key: str, source: str, elsewhere: float = np.nan
    ) -> Array:
        """Return a reading as the vector over all places of its source."""
        points = self.stream.places[source].points
        if self.stream.places[source].carried:
            return value.ravel()
        if points is None:
            if value.size != 1 or message.coordinates:
                raise DataError(explain(f"{key} of shape {value.shape}", "one number, without coordinates"))
            return value.reshape(())
        if not message.coordinates:
            if value.size != len(points):
                given = f"{key} of shape {value.shape} without coordinates"
                raise DataError(explain(given, f"{len(points)} numbers, one for each place of the case"))
            return value.reshape(len(points))
        if value.size != 1:
            raise DataError(explain(f"{key} of shape {value.shape} at one place", "one number"))
        vector = np.full(len(points), elsewhere)
        vector[self._point(message.coordinates, source)] = value.item()
        return vector

    def _brought(self, message: Message, source: str, shape: tuple[int, ...]) -> dict[str, Array]:
        """Return what a message brings along of the coordinates that its source reads."""
        places = self.stream.places[source]
        if not places.carried:
            return {}
        units = {coordinate.name: coordinate.unit for coordinate in places.along}
        given = set(message.coordinates)
        if not set(places.carried) <= given <= set(units):
            told = f"coordinates {', '.join(sorted(given)) or 'none'}"
            raise DataError(explain(told, f"{', '.join(places.carried)}, of {', '.join(units)}"))
        own = {}
        for name in places.carried:
            found = np.atleast_1d(np.asarray(message.coordinates[name], dtype=object))
            if found.size not in (1, *shape):
                raise DataError(
                    explain(f"{found.size} of {name!r} for {shape[0]} values", "one, or one for each")
                )
            own[name] = np.resize([to_unit(one, units[name], name) for one in found], shape)
        return own

    def _point(self, coordinates: Mapping[str, Any], source: str) -> int:
        along, points = self.stream.places[source].along, self.stream.places[source].points
        names = [coordinate.name for coordinate in along]
        if set(coordinates) != set(names) or points is None:
            raise DataError(explain(f"coordinates {', '.join(coordinates)}", ", ".join(names)))
        place = [to_unit(_single(coordinates[c.name], c.name), c.unit, c.name) for c in along]
        there = np.flatnonzero(np.isclose(points, place, rtol=1e-9, atol=0.0).all(axis=1))
        if not there.size:
            given = ", ".join(f"{c.name} = {x:g} {c.unit}" for c, x in zip(along, place, strict=True))
            raise DataError(explain(f"no place at {given}", "the places in the case's data"))
        return int(there[0])


def _single(given: Any, name: str) -> float | str:
    if isinstance(given, list):
        raise DataError(explain(f"a list of {name!r}", "one place"))
    return given


def plan_live(
    spec: StreamSpec | None,
    plan: Assimilating | None,
    folder: Path,
    mistakes: Mistakes,
    source: str | None = None,
) -> Live | None:
    """Return the stream of a case, None if it has none; mistakes are noted. `source` replaces the case's."""
    if spec is None and source is not None:
        mistakes.add("stream", explain("no section [stream]", "a case that follows a stream", "no --source"))
    if spec is None or plan is None:
        if spec is not None:
            mistakes.add("stream", explain("no section [assimilate]", "a case that names a filter"))
        return None
    if isinstance(plan.filter, WholeStream):
        mistakes.add("assimilate.filter", explain("'esmda' takes a whole stream at once", "a filter"))
    if plan.smooth:
        mistakes.add("assimilate.smooth", explain("a stream has no end to look back from", "false"))
    made: list[Live] = []
    with mistakes.at("stream"):
        other = (
            {}
            if source is None
            else {"source": source, "format": _form(source) or spec.format or _form(spec.source)}
        )
        changed = spec.model_copy(update=other)
        sources = plan.space.observations
        destroyed = [o.name for source, o in plan.stream.outputs.items() if sources[source].destructive]
        made.append(_live(changed, plan.stream, destroyed, Path() if other else folder))
    return made[0] if made else None


def _live(spec: StreamSpec, stream: Stream, destroyed: Sequence[str], folder: Path) -> Live:
    unit = stream.time.unit
    windows = windows_of(spec, unit)
    history = np.inf if spec.history is None else to_unit(spec.history, unit, "history")
    path = None if spec.source == STANDARD_INPUT else (folder / spec.source).absolute()
    form = form_of(spec)
    names = {output.name: source for source, output in stream.outputs.items()}
    for name in spec.snapshots:
        if name not in names:
            hint = near_match(name, names)
            raise CaseError(explain(f"snapshots: no output {name!r}{hint}", ", ".join(names)))
    window = windows.pop(OTHERS, 0.0)
    rare = tuple(dict.fromkeys((*spec.snapshots, *destroyed)))
    aside = frozenset((TABLE, *(names[name] for name in rare)))
    policy = Policy(spec.late, window, float(history), spec.checkpoint_every, windows, aside)
    columns = _columns(spec.columns, stream, form)
    return Live(path, form, columns, policy, rare)


def windows_of(spec: StreamSpec, unit: str) -> dict[str, float]:
    """Return how long order is waited for, sender by sender; one number is that of all.

    Raises
    ------
    UnitError
        If one of them is no time.
    """
    given = spec.reorder_window
    if not isinstance(given, dict):
        return {OTHERS: to_unit(given, unit, "reorder_window")}
    return {sender: to_unit(one, unit, f"reorder_window.{sender}") for sender, one in given.items()}


def form_of(spec: StreamSpec) -> Literal["jsonl", "csv"]:
    """Return the format of a stream's lines, as it is said or as its name ends.

    Raises
    ------
    CaseError
        If neither tells, or the source can be no file.
    """
    form = spec.format or _form(spec.source)
    if form is None or "\0" in spec.source:
        raise CaseError(explain(f"source = {spec.source!r}", 'a file, with format = "jsonl" or "csv"'))
    return form


def _form(source: str) -> Literal["jsonl", "csv"] | None:
    forms: Mapping[str, Literal["jsonl", "csv"]] = {".csv": "csv", ".jsonl": "jsonl"}
    return forms.get(Path(source).suffix)


def _columns(columns: Mapping[str, str], stream: Stream, form: str) -> Mapping[str, str]:
    ours = [
        stream.time.name,
        *dict.fromkeys(c.name for one in stream.places.values() for c in one.along),
        *(o.name for o in stream.outputs.values()),
        "seq",
    ]
    for name in columns:
        if name not in ours or form != "csv":
            raise CaseError(
                explain(f"columns: {name!r}{near_match(name, ours)}", f"{', '.join(ours)}; for csv")
            )
    return columns
