"""Files of other programs as tables of a case: ``reader = { format = "trackmate", columns = { .. } }``.

A row of tracks is a cell in a frame, a row of counts is a cell that was sequenced. The time takes the name of
the system's coordinate with a unit of time; the coordinates ``cell`` (number of the cell in the file, from 0)
and ``size_factor`` are filled in where a system has them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mscale_uq.case.schema import ReaderSpec
from mscale_uq.core.parameter import Array
from mscale_uq.core.system import System
from mscale_uq.errors import CaseError, DataError, explain
from mscale_uq.io.cell_counts import CellCounts
from mscale_uq.io.ome_tiff import read_ome_tiff
from mscale_uq.io.table import Column, Table
from mscale_uq.io.track_table import read_btrack, read_track_table
from mscale_uq.io.trackmate import read_trackmate
from mscale_uq.io.trackmate_xml import read_trackmate_xml
from mscale_uq.io.tracks import Tracks
from mscale_uq.io.units import dimension

TRACKS: dict[str, Any] = {
    "trackmate": read_trackmate,
    "trackmate xml": read_trackmate_xml,
    "btrack": read_btrack,
    "csv": read_track_table,
}
# Which keys a format reads, beside `columns` and `cells`.
KEYS = {
    "trackmate": {"frame_interval", "most_bytes"},
    "trackmate xml": {"frame_interval", "most_bytes"},
    "ome-tiff": {"channel", "frame_interval", "most_pixels"},
    "btrack": {"frame_interval", "units", "most_bytes"},
    "csv": {"frame_interval", "units", "separator", "most_bytes"},
    "h5ad": {"time", "time_unit", "times", "layer", "size_factors", "batch", "most_entries"},
}
NEEDED = {"btrack": {"frame_interval"}, "h5ad": {"time_unit"}}


def read_with(reader: ReaderSpec, files: Mapping[str, Path], system: System) -> list[tuple[Table, str]]:
    """Return files as tables with the names of the system, each with one line on what was read.

    Parameters
    ----------
    reader
        As the case has it.
    files
        Name in messages -> file; of ``ome-tiff`` the movie and its labels.
    system
        Whose outputs and coordinates the columns are.

    Raises
    ------
    CaseError
        If a key is of no use to the format, or one is missing.
    DataError
        If a file is wrong.
    """
    given = reader.model_dump(exclude_unset=True, exclude={"format", "columns", "cells"})
    _check_keys(reader, given)
    if reader.format == "ome-tiff":
        return [_intensities(reader, files, system, given)]
    return [_one(reader, path, label, system, given) for label, path in files.items()]


def _one(
    reader: ReaderSpec, path: Path, label: str, system: System, given: dict[str, Any]
) -> tuple[Table, str]:
    if reader.format == "h5ad":
        from mscale_uq.io.h5ad import read_h5ad  # only now: h5py takes its time to import

        genes = list(dict.fromkeys(reader.columns.values()))
        counts = read_h5ad(path, label, genes=genes, **given)
        return _count_table(counts, reader, system), counts.summary()
    tracks = TRACKS[reader.format](path, label, columns=reader.columns, **given)
    return _track_table(tracks, reader.cells, system), tracks.summary()


def _intensities(
    reader: ReaderSpec, files: Mapping[str, Path], system: System, given: dict[str, Any]
) -> tuple[Table, str]:
    if len(files) != 2:
        given_files = f"data = {list(files)} for 'ome-tiff'"
        raise CaseError(explain(given_files, "two files: the movie, and the labels of its cells"))
    label, (path, labels) = next(iter(files)), files.values()
    tracks = read_ome_tiff(path, labels, label, **given)
    found = [replace(tracks.column(of), name=name) for name, of in reader.columns.items()]
    return _track_table(replace(tracks, columns=tuple(found)), reader.cells, system), tracks.summary()


def _check_keys(reader: ReaderSpec, given: dict[str, Any]) -> None:
    for key in given.keys() - KEYS[reader.format]:
        known = ", ".join(sorted({"columns", *KEYS[reader.format]}))
        raise CaseError(explain(f"reader.{key} says nothing to {reader.format!r}", known))
    for key in NEEDED.get(reader.format, set()) - given.keys():
        raise CaseError(explain(f"reader.{key} is not there", f"{reader.format!r} needs it"))
    if reader.format == "h5ad" and reader.cells is not None:
        raise CaseError(explain("reader.cells says nothing to 'h5ad'", "every cell of the file is read"))


def _track_table(tracks: Tracks, cells: Sequence[str] | None, system: System) -> Table:
    names = list(dict.fromkeys(tracks.cells))
    unknown = [cell for cell in cells or () if cell not in names]
    if unknown:
        raise DataError(explain(f"{tracks.label}: no cell {unknown[0]!r}", ", ".join(names[:12])))
    rows = np.flatnonzero(np.isin(tracks.cells, cells if cells is not None else names))
    extra = {"cell": np.array([names.index(cell) for cell in tracks.cells[rows]], dtype=float)}
    columns = [
        Column(_time(system), tracks.time_unit, tracks.times[rows]),
        *(Column(column.name, column.unit, column.values[rows]) for column in tracks.columns),
        *_filled(extra, system),
    ]
    return Table(tracks.label, tuple(columns), tuple(tracks.lines[rows].tolist()))


def _count_table(counts: CellCounts, reader: ReaderSpec, system: System) -> Table:
    number = np.arange(len(counts.cells), dtype=float)
    columns = [
        Column(_time(system), counts.time_unit, counts.times),
        *(Column(name, "count", counts.of(gene)) for name, gene in reader.columns.items()),
        *_filled({"cell": number, "size_factor": counts.size_factors}, system),
    ]
    return Table(counts.label, tuple(columns), tuple(range(1, number.size + 1)))


def _filled(values: dict[str, Array], system: System) -> list[Column]:
    known = {coordinate.name for coordinate in system.coordinates}
    return [Column(name, None, found) for name, found in values.items() if name in known]


def _time(system: System) -> str:
    """Return the one coordinate with a unit of time."""
    names = [c.name for c in system.coordinates if dimension(c.unit) == {"[time]": 1.0}]
    if len(names) != 1:
        given = f"{system.name} has the coordinates {', '.join(c.name for c in system.coordinates) or 'none'}"
        raise CaseError(explain(given, "one with a unit of time", "such files hold readings along time"))
    return names[0]
