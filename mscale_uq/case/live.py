"""The section ``[stream]``: where readings come from while they are made, and how they are read."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, final

import numpy as np

from mscale_uq.case.assimilate import Assimilating
from mscale_uq.case.awaited import Awaited
from mscale_uq.case.schema import StreamSpec
from mscale_uq.case.stream import Stream
from mscale_uq.core.law import ObservationOperator
from mscale_uq.errors import CaseError, explain, near_match
from mscale_uq.filters.whole import WholeStream
from mscale_uq.io.mistakes import Mistakes
from mscale_uq.io.units import to_unit
from mscale_uq.stream.lines import FileLines, Lines, PipeLines
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
        The file of lines that grows; None is the standard input.
    format
        Of its lines; None if there is no such file.
    columns
        Our name -> heading in a CSV file.
    policy
        What becomes of late records, in the time unit of the model.
    snapshots
        The outputs that are read rarely, such as those of cells that are destroyed by it, beside others that
        are not: drawn as marks, and no reading of another output is late for them.
    awaited
        The files of experiments that are followed.
    """

    path: Path | None
    format: Literal["jsonl", "csv"] | None
    columns: Mapping[str, str]
    policy: Policy
    snapshots: tuple[str, ...]
    awaited: tuple[Awaited, ...] = ()

    def section(self) -> dict[str, Any]:
        """Return the section with everything said."""
        policy = self.policy
        history = {} if policy.history == np.inf else {"history": policy.history}
        windows = {**policy.windows, OTHERS: policy.window} if policy.windows else policy.window
        source = STANDARD_INPUT if self.path is None else str(self.path)
        return {
            **({"source": source, "format": self.format} if self.format else {}),
            "columns": dict(self.columns),
            "late": policy.late,
            "reorder_window": windows,
            **history,
            "checkpoint_every": policy.checkpoint_every,
            "snapshots": list(self.snapshots),
        }

    def open(self, stream: Stream) -> list[Source]:
        """Return the sources."""
        files = [one.source() for one in self.awaited]
        return [*files, self._lines(stream)] if self.format else [*files]

    def _lines(self, stream: Stream) -> Source:
        lines: Lines = PipeLines(0, "standard input") if self.path is None else FileLines(self.path)
        if self.format == "jsonl":
            return JsonLines(lines)
        outputs = tuple(output.name for output in stream.outputs.values())
        places = tuple(dict.fromkeys(c.name for one in stream.places.values() for c in one.along))
        past = {output.name: stream.places[source].past for source, output in stream.outputs.items()}
        numbered = self.path is not None
        return GrowingTable(lines, stream.time.name, outputs, places, self.columns, numbered, past)


def plan_live(
    spec: StreamSpec | None,
    plan: Assimilating | None,
    awaited: Sequence[Awaited],
    folder: Path,
    mistakes: Mistakes,
    source: str | None = None,
) -> Live | None:
    """Return the stream of a case, None if it has none; mistakes are noted. `source` replaces the case's."""
    if spec is None and awaited:
        given = f"{awaited[0].name!r} is followed, and there is no section [stream]"
        mistakes.add("stream", explain(given, "a case that follows a stream", "[stream] late = 'replay'"))
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
        folder = Path() if other else folder
        made.append(_live(changed, plan.stream, plan.space.observations, awaited, folder))
    return made[0] if made else None


def _live(
    spec: StreamSpec,
    stream: Stream,
    operators: Mapping[str, ObservationOperator],
    awaited: Sequence[Awaited],
    folder: Path,
) -> Live:
    unit = stream.time.unit
    windows = windows_of(spec, unit)
    history = np.inf if spec.history is None else to_unit(spec.history, unit, "history")
    if spec.source is None and not awaited:
        hint = "source = a file, or an experiment with follow = true"
        raise CaseError(explain("nothing to follow", "a source of lines, or files", hint))
    path = None if spec.source in (None, STANDARD_INPUT) else (folder / spec.source).absolute()
    form = form_of(spec)
    names = {output.name: source for source, output in stream.outputs.items()}
    for name in spec.snapshots:
        if name not in names:
            hint = near_match(name, names)
            raise CaseError(explain(f"snapshots: no output {name!r}{hint}", ", ".join(names)))
    window = windows.pop(OTHERS, 0.0)
    rare = _rare(
        spec.snapshots, [name for name, source in names.items() if operators[source].destroys], names
    )
    aside = frozenset((TABLE, *(names[name] for name in rare)))
    policy = Policy(spec.late, window, float(history), spec.checkpoint_every, windows, aside)
    columns = _columns(spec.columns, stream, form)
    return Live(path, form, columns, policy, rare, tuple(awaited))


def _rare(snapshots: Sequence[str], destroyed: Sequence[str], outputs: Collection[str]) -> tuple[str, ...]:
    """Return the outputs that say nothing of how far a stream has got.

    They are those that a case calls snapshots, and those that are destroyed by being read, as long as another
    output is left that tells the time: where all there is are counts, they do.
    """
    for rare in ((*snapshots, *destroyed), snapshots):
        if set(rare) < set(outputs):
            return tuple(dict.fromkeys(rare))
    return ()


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


def form_of(spec: StreamSpec) -> Literal["jsonl", "csv"] | None:
    """Return the format of a stream's lines, as it is said or as its name ends; None if there are none.

    Raises
    ------
    CaseError
        If neither tells, or the source can be no file.
    """
    if spec.source is None:
        return None
    form = spec.format or _form(spec.source)
    if form is None or "\0" in spec.source:
        raise CaseError(explain(f"source = {spec.source!r}", 'a file, with format = "jsonl" or "csv"'))
    return form


def _form(source: str | None) -> Literal["jsonl", "csv"] | None:
    forms: Mapping[str, Literal["jsonl", "csv"]] = {".csv": "csv", ".jsonl": "jsonl"}
    return forms.get(Path(source or "").suffix)


def _columns(columns: Mapping[str, str], stream: Stream, form: str | None) -> Mapping[str, str]:
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
