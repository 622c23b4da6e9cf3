"""Files of other programs as tables of a case: ``reader = { format = "trackmate", columns = { .. } }``.

A row of tracks is a cell in a frame, a row of counts is a cell that was sequenced. The time takes the name of
the system's coordinate with a unit of time. Where an output lies along them, these coordinates are filled in:
``cell`` for tracks, with ``parent`` and ``born`` where a format knows who divides; ``dish`` and
``size_factor`` for counts; `case.dishes` says what a dish is. Cells whose names
are no numbers become their places in the order of names. Files of equal columns are one table.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mscale_uq.case.births import Birth, births_of, check_founders, knows_parents
from mscale_uq.case.dishes import dishes_of
from mscale_uq.case.schema import ReaderSpec
from mscale_uq.core.parameter import Array, Quantity
from mscale_uq.core.system import System
from mscale_uq.errors import CaseError, DataError, explain
from mscale_uq.io.cell_counts import CellCounts
from mscale_uq.io.lineage import read_cell_tracking_challenge
from mscale_uq.io.ome_tiff import read_ome_tiff
from mscale_uq.io.table import Column, Table
from mscale_uq.io.track_table import ROLES, read_btrack, read_track_table
from mscale_uq.io.trackmate import read_trackmate
from mscale_uq.io.trackmate_xml import read_trackmate_xml
from mscale_uq.io.tracks import Tracks
from mscale_uq.io.units import dimension
from mscale_uq.macro.lineage import BORN, PARENT

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


def read_with(
    reader: ReaderSpec, files: Mapping[str, Path], system: System, growing: bool = False
) -> list[tuple[Table, str]]:
    """Return files as tables with the names of the system, each with one line on what was read.

    Parameters
    ----------
    reader
        As the case has it.
    files
        Name in messages -> file; of ``ome-tiff`` the movie, its labels, and if it is there the text file of
        the Cell Tracking Challenge that says whose daughter a label is.
    system
        Whose outputs and coordinates the columns are.
    growing
        Whether a cell that the reader names may come later.

    Raises
    ------
    CaseError
        If a key is of no use to the format, or one is missing.
    DataError
        If a file is wrong.
    """
    given = check_keys(reader)
    if reader.format == "h5ad":
        return _counts(reader, files, system, given, growing)
    if reader.format == "ome-tiff":
        return [_intensities(reader, files, system, given)]
    read = TRACKS[reader.format]
    found = [read(path, label, columns=reader.columns, **given) for label, path in files.items()]
    return [(_track_table(tracks, reader, system, growing), tracks.summary()) for tracks in found]


def stacked(tables: Sequence[Table]) -> list[Table]:
    """Return files of the same columns and units as one table, behind each other; others as they are."""
    heads = [[(column.name, column.unit) for column in table.columns] for table in tables]
    if any(head != heads[0] for head in heads):
        return list(tables)
    columns = tuple(
        Column(name, unit, np.concatenate([table.columns[i].values for table in tables]))
        for i, (name, unit) in enumerate(heads[0])
    )
    lines = tuple(line for table in tables for line in table.lines)
    return [Table(", ".join(table.label for table in tables), columns, lines)]


def _counts(
    reader: ReaderSpec, files: Mapping[str, Path], system: System, given: dict[str, Any], growing: bool
) -> list[tuple[Table, str]]:
    from mscale_uq.io.h5ad import read_h5ad  # only now: h5py takes its time to import

    for name in reader.columns:
        if any(output.name == name and output.tracked for output in system.outputs):
            wrong = f"reader.columns: {name!r} is read in cells that are followed, and these are gone"
            raise CaseError(explain(wrong, "an output of the population"))
    genes = list(dict.fromkeys(reader.columns.values()))
    found = [read_h5ad(path, label, genes=genes, **given) for label, path in files.items()]
    return [
        (_count_table(counts, dish, reader, system), counts.summary())
        for counts, dish in zip(found, dishes_of(found, growing), strict=True)
    ]


def _intensities(
    reader: ReaderSpec, files: Mapping[str, Path], system: System, given: dict[str, Any]
) -> tuple[Table, str]:
    if len(files) not in (2, 3) or any(one.suffix != ".txt" for one in list(files.values())[2:]):
        given_files = f"data = {list(files)} for 'ome-tiff'"
        allowed = "two files: the movie, and the labels of its cells; a third, man_track.txt, tells divisions"
        raise CaseError(explain(given_files, allowed))
    label = next(iter(files))
    path, labels, *more = files.values()
    interval = given.get("frame_interval", "1 s")  # who comes from whom is all that is read of these tracks
    lineage = [read_cell_tracking_challenge(one, one.name, frame_interval=interval) for one in more]
    tracks = read_ome_tiff(path, labels, label, lineage=lineage[0] if lineage else None, **given)
    found = [replace(tracks.column(of), name=name) for name, of in reader.columns.items()]
    return _track_table(replace(tracks, columns=tuple(found)), reader, system), tracks.summary()


def check_keys(reader: ReaderSpec) -> dict[str, Any]:
    """Return what a format is told; raises `CaseError` if a key is of no use to it, or one is missing."""
    given = reader.model_dump(exclude_unset=True, exclude={"format", "columns", "cells"})
    for key in given.keys() - KEYS[reader.format]:
        known = ", ".join(sorted({"columns", *KEYS[reader.format]}))
        raise CaseError(explain(f"reader.{key} says nothing to {reader.format!r}", known))
    for key in NEEDED.get(reader.format, set()) - given.keys():
        raise CaseError(explain(f"reader.{key} is not there", f"{reader.format!r} needs it"))
    if reader.format == "h5ad" and reader.cells is not None:
        raise CaseError(explain("reader.cells says nothing to 'h5ad'", "every cell of the file is read"))
    return given


def _track_table(tracks: Tracks, reader: ReaderSpec, system: System, growing: bool = False) -> Table:
    names = list(dict.fromkeys(tracks.cells))
    unknown = [cell for cell in reader.cells or () if cell not in names]
    if unknown and not growing:
        raise DataError(explain(f"{tracks.label}: no cell {unknown[0]!r}", ", ".join(names[:12])))
    kept = names if reader.cells is None else reader.cells
    number = dict(zip(kept, numbered(np.array(kept, dtype=object)).tolist(), strict=True))
    told = knows_parents(reader) or bool(tracks.parents)
    divides = told and any(PARENT in o.coordinates for o in _measured(reader, system))
    if not divides:
        check_founders(tracks, [cell for cell in kept if cell in tracks.parents])
    births = births_of(tracks, kept, growing) if divides else {}
    waiting = [cell for cell, birth in births.items() if birth is None]
    rows = np.flatnonzero(np.isin(tracks.cells, kept) & ~np.isin(tracks.cells, waiting))
    past = [births.get(cell) or Birth(cell, 0.0) for cell in tracks.cells[rows]]
    filled = {"cell": Column("cell", "1", np.array([number[cell] for cell in tracks.cells[rows]]))}
    if divides:
        filled[PARENT] = Column(PARENT, "1", np.array([number[birth.mother] for birth in past]))
        filled[BORN] = Column(BORN, tracks.time_unit, np.array([birth.time for birth in past]))
    columns = [
        Column(time_name(system), tracks.time_unit, tracks.times[rows]),
        *(Column(column.name, column.unit, column.values[rows]) for column in tracks.columns),
        *_filled(filled, reader, system),
    ]
    return Table(tracks.label, tuple(columns), tuple(tracks.lines[rows].tolist()))


def _count_table(counts: CellCounts, dish: Array, reader: ReaderSpec, system: System) -> Table:
    names = {} if counts.batches is None else dict(zip(dish.tolist(), counts.batches.tolist(), strict=True))
    extra = {
        "dish": Column("dish", "1", dish, names),
        "size_factor": Column("size_factor", "1", counts.size_factors),
    }
    columns = [
        Column(time_name(system), counts.time_unit, counts.times),
        *(Column(name, "count", counts.of(gene)) for name, gene in reader.columns.items()),
        *_filled(extra, reader, system),
    ]
    return Table(counts.label, tuple(columns), tuple(range(1, counts.cells.size + 1)))


def _measured(reader: ReaderSpec, system: System) -> list[Quantity]:
    return [output for output in system.outputs if output.name in reader.columns]


def _filled(columns: dict[str, Column], reader: ReaderSpec, system: System) -> list[Column]:
    needed = {name for output in _measured(reader, system) for name in output.coordinates}
    measured = set(reader.columns) - set(ROLES)  # a table of tracks says which column is the cell
    return [column for name, column in columns.items() if name in needed - measured]


def numbered(names: np.ndarray) -> Array:
    """Return names as the numbers that they are, or all as their places in the order of the names."""
    try:
        numbers = names.astype(float)
    except ValueError:
        numbers = np.full(names.shape, np.nan)
    if np.isfinite(numbers).all() and np.unique(numbers).size == np.unique(names.astype(str)).size:
        return np.asarray(numbers)  # "1.1" and "1.10" are two names
    return np.unique(names.astype(str), return_inverse=True)[1].astype(float)


def time_name(system: System) -> str:
    """Return the one coordinate with a unit of time."""
    times = [c.name for c in system.coordinates if dimension(c.unit) == {"[time]": 1.0} and not c.lineage]
    if len(times) != 1:
        given = f"{system.name} has the coordinates {', '.join(c.name for c in system.coordinates) or 'none'}"
        raise CaseError(explain(given, "one with a unit of time", "such files hold readings along time"))
    return times[0]
