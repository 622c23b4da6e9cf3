"""The spots table of TrackMate: one row per spot, under two to four lines of header.

The header holds the features' keys, names, short names and units; the second and third line are left out
where they would repeat the line above. A missing value is an empty cell or the letter ø. ``POSITION_T`` is in
the unit of the header, ``FRAME`` counts from zero. Written by TrackMate's ``CSVExporter``; see Ershov et al.
(2022), https://doi.org/10.1038/s41592-022-01507-1.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.errors import DataError, explain, near_match
from mscale_uq.io.rows import MISSING, Rows, split_rows
from mscale_uq.io.table import Column
from mscale_uq.io.text import MOST_BYTES, read_text
from mscale_uq.io.tracks import Tracks, between_frames

NEEDED = ("TRACK_ID", "POSITION_T", "FRAME")
# Columns that are no measurement: names, numbers of spots, switches and colours.
NO_MEASUREMENT = frozenset(
    "ID LABEL TRACK_ID TRACK_NAME TRACK_VISIBLE FRAME POSITION_T VISIBILITY MANUAL_SPOT_COLOR "
    "MANUAL_COLOR".split()
)
FRAME_UNITS = frozenset(("frame", "frames", "Frame", "Frames"))


def read_trackmate(
    path: Path,
    label: str | None = None,
    *,
    columns: Mapping[str, str] | None = None,
    frame_interval: str | None = None,
    most_bytes: int = MOST_BYTES,
) -> Tracks:
    """Return the tracks of a spots table; a cell is a TRACK_ID.

    Spots in no track, and tracks that were filtered out (TRACK_VISIBLE = 0), are left out and counted.

    Parameters
    ----------
    path, label
        The file, and what messages call it.
    columns
        Name -> key of a feature, such as ``{"intensity": "MEAN_INTENSITY_CH1"}``; without it every feature
        under its own key.
    frame_interval
        Time between frames with its unit, such as ``"5 min"``: replaces POSITION_T by FRAME times this, for a
        movie whose time scale was not set.
    most_bytes
        A larger file is refused.

    Raises
    ------
    DataError
        If the file is cut, is no such table, or its times have no unit; the message gives line and key.
    """
    label = label or path.name
    rows = split_rows(read_text(path, label, "a TrackMate spots table", most_bytes, western=True), label)
    keys, units = _header(rows)
    depth = _depth(rows)
    left_out, body = _tracked(rows.of(np.arange(depth, len(rows.cells))), keys)
    frames = body.integers(keys["FRAME"], "FRAME")
    times, time_unit = _times(body, keys, units, frames, frame_interval)
    return Tracks(
        label,
        np.array(body.text(keys["TRACK_ID"]), dtype=object),
        times,
        time_unit,
        tuple(
            Column(name, units[key] or None, body.numbers(keys[key], key))
            for name, key in _wanted(keys, columns, label).items()
        ),
        body.lines,
        frames,
        left_out=left_out,
    )


def _depth(rows: Rows) -> int:
    """Return the number of header lines: the last of them holds nothing but units in parentheses."""
    for depth in (2, 3, 4):
        if depth <= len(rows.cells) and all(_is_unit(cell) for cell in rows.cells[depth - 1]):
            return depth
    given = f"{rows.label}: lines 2 to 4 hold no line of units"
    hint = "a table with one line of names is read by the reader 'csv' with columns and units"
    raise DataError(explain(given, "two to four header lines, the last with units in parentheses", hint))


def _is_unit(cell: str) -> bool:
    cell = cell.strip()
    return not cell or (cell.startswith("(") and cell.endswith(")"))


def _header(rows: Rows) -> tuple[dict[str, int], dict[str, str]]:
    """Return key -> position and key -> unit, '' for none."""
    names = [cell.strip() for cell in rows.cells[0]]
    keys = {name: position for position, name in enumerate(names)}
    if len(keys) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(explain(f"{rows.label}: line 1: key {twice!r} stands there twice", "different keys"))
    for needed in NEEDED:
        if needed not in keys:
            given = f"{rows.label}: line 1 has no key {needed!r}{near_match(needed, keys)}"
            hint = "export the table of spots, not that of edges or tracks"
            raise DataError(explain(given, "a TrackMate spots table", hint))
    last = rows.cells[_depth(rows) - 1]
    return keys, {key: last[position].strip()[1:-1].strip() for key, position in keys.items()}


def _tracked(body: Rows, keys: Mapping[str, int]) -> tuple[dict[str, int], Rows]:
    """Return why and how many spots are left out, and the rows of the others."""
    ids = [text.lower() not in MISSING for text in body.text(keys["TRACK_ID"])]
    in_track = np.flatnonzero(ids)
    outside = len(ids) - in_track.size
    left_out = {"spots in no track": outside} if outside else {}
    body = body.of(in_track)
    body.integers(keys["TRACK_ID"], "TRACK_ID")
    if "TRACK_VISIBLE" in keys and body.cells:
        visible = body.integers(keys["TRACK_VISIBLE"], "TRACK_VISIBLE") != 0
        if not visible.all():
            left_out["tracks filtered out"] = int((~visible).sum())
            body = body.of(np.flatnonzero(visible))
    return left_out, body


def _times(
    body: Rows,
    keys: Mapping[str, int],
    units: Mapping[str, str],
    frames: np.ndarray,
    frame_interval: str | None,
) -> tuple[Array, str]:
    if frame_interval is not None:
        interval, unit = between_frames(frame_interval, body.label)
        return frames * interval, unit
    unit = units["POSITION_T"]
    if not unit or unit in FRAME_UNITS:
        given = f"{body.label}: POSITION_T is in {unit or 'no unit'}"
        hint = "give frame_interval, such as '5 min'; or set the time scale of the movie and export again"
        raise DataError(explain(given, "a unit of time", hint))
    return body.numbers(keys["POSITION_T"], "POSITION_T"), unit


def _wanted(keys: Mapping[str, int], columns: Mapping[str, str] | None, label: str) -> Mapping[str, str]:
    if columns is None:
        return {key: key for key in keys if key not in NO_MEASUREMENT}
    for name, key in columns.items():
        if key not in keys:
            given = f"{label}: no key {key!r} for {name!r}{near_match(key, keys)}"
            raise DataError(explain(given, ", ".join(keys)))
    return columns
