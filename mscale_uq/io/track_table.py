"""Tracks from any table with one row per cell and frame: a map says which column is what.

Columns of the map: ``cell`` (the tracker's number or name), ``time`` or ``frame``, and if they are there
``parent`` (0, empty or the cell itself: none) and ``dummy`` (rows that the tracker invented to bridge a gap,
which are left out). Every other name in the map is something measured; without any, all other columns are.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.errors import DataError, explain, near_match
from mscale_uq.io.rows import MISSING, Rows, split_rows
from mscale_uq.io.table import Column
from mscale_uq.io.text import MOST_BYTES, read_text
from mscale_uq.io.tracks import Tracks, between_frames

ROLES = ("cell", "time", "frame", "parent", "dummy")
NAMED = re.compile(r"(.*?)\s*(?:\[\s*([^\[\]]*?)\s*\])?")
SWITCH = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}
# What btrack writes; ``t`` is the number of the frame. https://btrack.readthedocs.io
BTRACK = {"cell": "ID", "frame": "t", "parent": "parent", "dummy": "dummy"}
BTRACK_BOOKKEEPING = frozenset(("root", "state", "generation"))


@final
@dataclass(frozen=True)
class _Table:
    """Rows under a header: name -> position, and name -> unit, '' for none."""

    rows: Rows
    positions: Mapping[str, int]
    units: Mapping[str, str]

    def position(self, role: str, name: str) -> int:
        if name not in self.positions:
            given = f"{self.rows.label}: no column {name!r} for {role!r}{near_match(name, self.positions)}"
            raise DataError(explain(given, ", ".join(self.positions)))
        return self.positions[name]


def read_track_table(
    path: Path,
    label: str | None = None,
    *,
    columns: Mapping[str, str],
    units: Mapping[str, str] | None = None,
    frame_interval: str | None = None,
    separator: str = ",",
    most_bytes: int = MOST_BYTES,
) -> Tracks:
    """Return the tracks of a table with one line of header, ``name`` or ``name [unit]``.

    Parameters
    ----------
    path, label
        The file, and what messages call it.
    columns
        Role or name -> column, such as ``{"cell": "track_id", "time": "t", "intensity": "mean GFP"}``.
    units
        Name or role -> unit, for what the header does not say; the time needs one.
    frame_interval
        Time between frames with its unit, such as ``"5 min"``; needed where the table gives frames alone.
    separator
        Between the cells; a blank stands for any number of them.
    most_bytes
        A larger file is refused.

    Raises
    ------
    DataError
        If the file is cut or no such table, a column is not there, or the times have no unit.
    """
    label = label or path.name
    table = _table(split_rows(read_text(path, label, "a table of tracks", most_bytes), label, separator))
    return _tracks(table, columns, units or {}, frame_interval, frozenset())


def read_btrack(
    path: Path,
    label: str | None = None,
    *,
    frame_interval: str,
    columns: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    most_bytes: int = MOST_BYTES,
) -> Tracks:
    """Return the tracks of a table that btrack exports: cells between blanks, dummies left out.

    Its positions are smoothed by btrack's own Kalman filter, so they are no raw data. `columns` adds or
    replaces entries of the map; the rest, and what is raised, as for `read_track_table`.
    """
    label = label or path.name
    table = _table(split_rows(read_text(path, label, "a table of btrack", most_bytes), label, " "))
    return _tracks(table, {**BTRACK, **(columns or {})}, units or {}, frame_interval, BTRACK_BOOKKEEPING)


def _table(rows: Rows) -> _Table:
    positions: dict[str, int] = {}
    units: dict[str, str] = {}
    for position, cell in enumerate(rows.cells[0]):
        match = NAMED.fullmatch(cell.strip())
        name = match[1] if match else cell
        if name in positions or not name:
            given = f"{rows.label}: line 1: column {name!r} " + (
                "stands there twice" if name else "has no name"
            )
            raise DataError(explain(given, "different names in the first line"))
        positions[name], units[name] = position, (match[2] or "") if match else ""
    return _Table(rows.of(np.arange(1, len(rows.cells))), positions, units)


def _tracks(
    table: _Table,
    columns: Mapping[str, str],
    units: Mapping[str, str],
    frame_interval: str | None,
    bookkeeping: frozenset[str],
) -> Tracks:
    label = table.rows.label
    if "cell" not in columns or not {"time", "frame"} & set(columns):
        raise DataError(explain(f"{label}: columns = {dict(columns)}", "'cell', and 'time' or 'frame'"))
    position = {role: table.position(role, name) for role, name in columns.items()}
    dummies, rows = _without_dummies(table.rows, position.get("dummy"))
    cells = np.array(rows.text(position["cell"]), dtype=object)
    frames = rows.integers(position["frame"], columns["frame"]) if "frame" in position else None
    times, time_unit = _times(table, rows, columns, units, frames, frame_interval)
    measured = {name: column for name, column in columns.items() if name not in ROLES} or {
        name: name for name in table.positions if name not in {*columns.values(), *bookkeeping}
    }
    return Tracks(
        label,
        cells,
        times,
        time_unit,
        tuple(
            Column(
                name,
                units.get(name) or table.units[column] or None,
                rows.numbers(table.positions[column], column),
            )
            for name, column in measured.items()
        ),
        rows.lines,
        frames,
        _parents(rows, cells, position.get("parent")),
        {"rows that the tracker invented": dummies} if dummies else {},
    )


def _without_dummies(rows: Rows, position: int | None) -> tuple[int, Rows]:
    if position is None:
        return 0, rows
    switches = [SWITCH.get(cell.lower()) for cell in rows.text(position)]
    if None in switches:
        wrong = switches.index(None)
        given = f"{rows.label}: line {rows.lines[wrong]}, dummy: {rows.cells[wrong][position][:40]!r}"
        raise DataError(explain(given, "True or False"))
    kept = np.flatnonzero([not switch for switch in switches])
    return len(switches) - kept.size, rows.of(kept)


def _times(
    table: _Table,
    rows: Rows,
    columns: Mapping[str, str],
    units: Mapping[str, str],
    frames: np.ndarray | None,
    frame_interval: str | None,
) -> tuple[Array, str]:
    if frames is not None and frame_interval is not None:
        interval, unit = between_frames(frame_interval, rows.label)
        return frames * interval, unit
    if "time" not in columns:
        given = f"{rows.label}: the table gives frames, but no frame_interval"
        raise DataError(explain(given, "a time with its unit", "frame_interval = '5 min'"))
    name = columns["time"]
    unit = units.get("time") or table.units[name]
    if not unit:
        hint = f"units = {{ time = 'min' }}, or write the column as '{name} [min]'"
        raise DataError(explain(f"{rows.label}: column {name!r} has no unit", "a unit of time", hint))
    return rows.numbers(table.positions[name], name), unit


def _parents(rows: Rows, cells: np.ndarray, position: int | None) -> dict[str, str]:
    """Return daughter -> parent; every row of a cell must name the same one."""
    if position is None:
        return {}
    found: dict[str, str] = {}
    for cell, parent, line in zip(cells, rows.text(position), rows.lines, strict=True):
        first = found.setdefault(cell, parent)
        if first != parent:
            given = f"{rows.label}: line {line}: cell {cell!r} has parent {parent!r}, and {first!r} above"
            raise DataError(explain(given, "one parent"))
    none = {*MISSING, "0", "-1"}
    return {cell: parent for cell, parent in found.items() if parent.lower() not in none and parent != cell}
