"""A CSV file that grows, or comes through a pipe, as records: one reading of one output a row and column.

The header is that of any table of data, ``time [min],depth [um],concentration [g/m^3]``; a column ``seq``
numbers the rows, and otherwise the lines of a file do. Cells that divide say so in the columns ``parent`` and
``born``, in the first row of a daughter or in all of them.
"""

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, final

from mscale_uq.errors import DataError, explain, near_match
from mscale_uq.io.table import HEADER, NUMBER
from mscale_uq.stream.delivery import Delivery
from mscale_uq.stream.lines import Line, Lines
from mscale_uq.stream.message import from_record
from mscale_uq.stream.records import deliver, text_of
from mscale_uq.stream.source import Source

SEQ = "seq"
Header = list[tuple[str, str | None]]


@final
class GrowingTable(Source):
    """Rows of a table as they come.

    Parameters
    ----------
    lines
        Of the table, the header first.
    time
        Name of the column that is time.
    outputs, places
        Names of the columns with readings, and of the other coordinates.
    columns
        Our name -> heading in the file (``name`` or ``name [unit]``), where they differ; columns that are
        neither ours nor named here are left alone.
    past
        Output -> names of columns that say where what is read comes from. They may be missing, or empty or
        ``nan`` for what comes from nothing.
    numbered
        Whether the lines are those of a file, so that their number names them.

    Raises
    ------
    DataError
        On reading: if the header is none, or a column is missing.
    """

    def __init__(
        self,
        lines: Lines,
        time: str,
        outputs: tuple[str, ...],
        places: tuple[str, ...] = (),
        columns: Mapping[str, str] | None = None,
        numbered: bool = True,
        past: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        self._lines, self.name = lines, lines.name
        self._time, self._outputs, self._places = time, outputs, places
        self._columns, self._numbered = dict(columns or {}), numbered
        self._past = dict(past or {})
        self._header: Header | None = None
        self._begin = 0

    @property
    def ended(self) -> bool:
        """As its lines."""
        return self._lines.ended

    def read(self, position: int) -> list[Delivery]:
        """Return the readings of the next rows."""
        if self._header is None:
            first = self._lines.read(0)
            if not first:
                return []
            self._header, self._begin = self._heading(first[0][0]), first[0][1]
            if not self._numbered:  # a pipe is never read twice
                return self._rows(first[1:])
        return self._rows(self._lines.read(max(position, self._begin)))

    def _rows(self, lines: Sequence[Line]) -> list[Delivery]:
        made: list[Delivery] = []
        for line, where in lines:
            if line.strip() and not line.lstrip().startswith(b"#"):
                made += self._row(line, where)
        return made

    def _heading(self, line: bytes) -> Header:
        header: Header = []
        ours = {_split(heading)[0]: name for name, heading in self._columns.items()}
        for cell in _cells(text_of(line).removeprefix("\ufeff"), self.name):
            name, unit = _split(cell)
            stated = self._columns.get(ours.get(name, ""))
            header.append((ours.get(name, name), unit or (_split(stated)[1] if stated else None)))
        names = [name for name, _ in header]
        for needed in (self._time, *self._places):
            if needed not in names:
                hint = f'[stream] columns = {{ {needed} = "heading in the file" }}'
                given = f"{self.name}: no column {needed!r}{near_match(needed, names)}"
                raise DataError(explain(given, ", ".join(names), hint))
        if not set(self._outputs) & set(names):
            raise DataError(explain(f"{self.name}: no measured column", ", ".join(self._outputs)))
        return header

    def _row(self, line: bytes, where: int) -> Iterator[Delivery]:
        text = text_of(line)
        try:
            cells = _cells(text, self.name)
            if self._header is None or len(cells) != len(self._header):
                given = f"a row of {len(cells)} cells"
                raise DataError(explain(given, f"{len(self._header or [])}, as in the header"))
            named = {
                name: (cell.strip(), unit) for cell, (name, unit) in zip(cells, self._header, strict=True)
            }
            records = [self._record(named, output, where) for output in self._outputs if output in named]
        except DataError as error:
            yield Delivery(None, text, str(error), where)
            return
        begin = where - len(line) - 1
        for count, record in enumerate(records, start=1):  # a row is behind us when its last reading is
            yield deliver(from_record, record, text, where if count == len(records) else begin)

    def _record(self, named: Mapping[str, tuple[str, str | None]], output: str, where: int) -> dict[str, Any]:
        reading = _number(*named[output][:1], output)
        past = [name for name in self._past.get(output, ()) if name in named]
        told = [name for name in past if not math.isnan(_number(named[name][0], name))]
        seq = _whole(named[SEQ][0]) if SEQ in named else (where if self._numbered else None)
        return {
            "source": f"{self.name} {output}",
            "type": output,
            "seq": seq,
            "event_time": _with_unit(*named[self._time], self._time),
            "value": None if math.isnan(reading) else reading,
            "units": named[output][1],
            "coordinates": {name: _with_unit(*named[name], name) for name in (*self._places, *told)},
        }


def _cells(line: str, label: str) -> list[str]:
    try:
        return next(csv.reader([line.rstrip("\r")], strict=True))
    except (csv.Error, StopIteration) as error:
        raise DataError(explain(f"{label}: {error}", "cells separated by commas")) from None


def _split(heading: str) -> tuple[str, str | None]:
    """Return name and unit of a heading; one of any other form is a name."""
    match = HEADER.fullmatch(heading)
    return (match[1], match[2]) if match else (heading.strip(), None)


def _with_unit(cell: str, unit: str | None, column: str) -> float | str:
    number = _number(cell, column)
    if math.isnan(number):
        raise DataError(explain(f"column {column!r} is empty", "a number"))
    return f"{cell} {unit}" if unit else number


def _whole(cell: str) -> int:
    if not cell.isdecimal():
        raise DataError(explain(f"column {SEQ!r}: {cell!r}", "a whole number"))
    return int(cell)


def _number(cell: str, column: str) -> float:
    if cell.lower() in ("", "nan"):
        return math.nan
    if NUMBER.fullmatch(cell) is None:
        raise DataError(explain(f"column {column!r}: {cell!r}", "a number with a decimal point"))
    return float(cell)
