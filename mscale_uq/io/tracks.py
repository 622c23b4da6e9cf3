"""`Tracks`: cells followed through a movie, whichever program followed them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.errors import DataError, UnitError, explain, near_match
from mscale_uq.io.table import Column
from mscale_uq.io.units import NUMBER, convert, dimension


@final
@dataclass(frozen=True)
class Tracks:
    """One row for every cell and frame in which it was seen, in the order of the file.

    Attributes
    ----------
    label
        What messages call the file.
    cells
        ``(rows,)`` the tracker's name of the cell, as text.
    times
        ``(rows,)`` when the frame was taken, in `time_unit`.
    time_unit
        A unit of time.
    columns
        What was measured, with its unit as in the file; NaN is a missing value.
    lines
        ``(rows,)`` the line of the file in which each row stands; of an image, the frame from zero.
    frames
        ``(rows,)`` number of the frame, or None if the file gives times alone.
    parents
        Daughter -> the cell that it came from. One daughter is a gap in a track, two are a division.
    left_out
        Why rows of the file are not here -> how many.

    Raises
    ------
    DataError
        If there is no row, the unit is none of time, a time is missing, a cell is twice in one frame, or two
        times belong to one frame.
    """

    label: str
    cells: np.ndarray
    times: Array
    time_unit: str
    columns: tuple[Column, ...]
    lines: np.ndarray
    frames: np.ndarray | None = None
    parents: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.cells.size:
            left = "; ".join(f"{count} rows left out: {why}" for why, count in self.left_out.items())
            raise DataError(explain(f"{self.label}: no row of a tracked cell", "at least one", left))
        check_time_unit(self.time_unit, self.label)
        missing = np.flatnonzero(~np.isfinite(self.times))
        if missing.size:
            given = f"{self.label}: line {self.lines[missing[0]]} has no time"
            raise DataError(explain(given, "a time in every row"))
        self._check_frames()
        self._check_once()

    @property
    def divisions(self) -> dict[str, tuple[str, ...]]:
        """Mother -> daughters, where there are two or more."""
        daughters: dict[str, tuple[str, ...]] = {}
        for daughter, parent in self.parents.items():
            daughters[parent] = (*daughters.get(parent, ()), daughter)
        return {mother: found for mother, found in daughters.items() if len(found) > 1}

    def column(self, name: str) -> Column:
        """Return a column; raises `DataError` if there is none of this name."""
        for column in self.columns:
            if column.name == name:
                return column
        known = [column.name for column in self.columns]
        given = f"{self.label}: no column {name!r}{near_match(name, known)}"
        raise DataError(explain(given, ", ".join(known)))

    def times_in(self, unit: str) -> Array:
        """Return the times in another unit of time."""
        return convert(self.times, self.time_unit, unit, f"{self.label}: time")

    def summary(self) -> str:
        """Say in one line what was read."""
        frames, cells = np.unique(self.times), len(set(self.cells))
        parts = [
            f"{cells} cells in {frames.size} frames, {self.cells.size} rows",
            f"from {frames[0]:g} to {frames[-1]:g} {self.time_unit}",
            f"{len(self.divisions)} divisions",
            *(f"{count} rows left out ({why})" for why, count in self.left_out.items()),
        ]
        return ", ".join(parts)

    def _check_frames(self) -> None:
        """A frame has one time, and later frames have later times."""
        if self.frames is None:
            return
        order = np.lexsort((self.times, self.frames))
        frames, times = self.frames[order], self.times[order]
        same, later = np.diff(frames) == 0, np.diff(times)
        wrong = np.flatnonzero(np.where(same, later != 0, later <= 0))
        if wrong.size:
            one, two = order[wrong[0]], order[wrong[0] + 1]
            given = (
                f"{self.label}: lines {self.lines[one]} and {self.lines[two]}: frame {self.frames[one]} at "
                f"{self.times[one]:g}, frame {self.frames[two]} at {self.times[two]:g} {self.time_unit}"
            )
            raise DataError(explain(given, "one time for a frame, increasing with it"))

    def _check_once(self) -> None:
        seen: dict[tuple[str, float], int] = {}
        for cell, time, line in zip(self.cells, self.times.tolist(), self.lines, strict=True):
            first = seen.setdefault((cell, time), line)
            if first != line:
                given = f"{self.label}: lines {first} and {line}: cell {cell!r} twice at {time:g}"
                hint = (
                    "a TrackMate track holds a cell and its daughters under one number: read the XML file, "
                    "which says who divides; or split the tracks before exporting"
                )
                raise DataError(explain(given, "one row for each cell and frame", hint))


def check_time_unit(unit: str, label: str) -> None:
    """Raise `DataError` if a unit cannot be read, or is not one of time."""
    try:
        found = dimension(unit)
    except UnitError as error:
        raise DataError(f"{label}: unit of time: {error}") from None
    if found != {"[time]": 1.0}:
        raise DataError(explain(f"{label}: unit of time {unit!r}", "such as 's', 'min', 'h', 'day'"))


def between_frames(given: str, label: str) -> tuple[float, str]:
    """Return number and unit of text such as ``"5 min"``; raises `DataError` if it is no positive time."""
    match = NUMBER.fullmatch(given)
    if match is None or not match[2] or not float(match[1]) > 0:
        allowed = "a positive time with its unit, such as '5 min'"
        raise DataError(explain(f"{label}: frame_interval {given!r}", allowed))
    check_time_unit(match[2], f"{label}: frame_interval {given!r}")
    return float(match[1]), str(match[2])
