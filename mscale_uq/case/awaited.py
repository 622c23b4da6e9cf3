"""Experiments whose files come, or grow, while their case is assimilated: ``follow = true``.

Before anything has come such an experiment has one missing reading of everything that its reader will find,
so that models, laws and priors are what they will be. Then each row of tracks is a record, and each dish.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import numpy as np

from mscale_uq.case.births import knows_parents
from mscale_uq.case.pooled import pooled_table, read_as
from mscale_uq.case.readers import TRACKS, check_keys, numbered, read_with, time_name
from mscale_uq.case.schema import ExperimentSpec, LawSpec, ReaderSpec
from mscale_uq.catalog import data_root
from mscale_uq.core.parameter import Array, Quantity
from mscale_uq.core.system import System
from mscale_uq.errors import CaseError, DataError, UnitError, explain, near_match
from mscale_uq.io.measurements import Measurements
from mscale_uq.io.table import Column, Table
from mscale_uq.io.track_table import ROLES
from mscale_uq.macro.lineage import BORN, PARENT
from mscale_uq.stream.row import plain
from mscale_uq.stream.watched import HEADER, WatchedFiles, matching

FIRST = 1.0  # where and when what is missing stands, in the system's units


@final
@dataclass(frozen=True)
class Awaited:
    """The files of an experiment that come or grow.

    Attributes
    ----------
    name
        Of the experiment, which sends the records.
    patterns
        Absolute paths, whose last part may have wild cards.
    reader, system
        How they are read, and whose outputs they hold.
    pools
        The outputs whose cells are read as a few numbers of their dish -> their laws.
    """

    name: str
    patterns: tuple[Path, ...]
    reader: ReaderSpec
    system: System
    pools: Mapping[str, LawSpec] = field(default_factory=dict)

    def section(self) -> dict[str, Any]:
        """Return what a resolved case says of them."""
        return {"data": [str(pattern) for pattern in self.patterns], "follow": True}

    def source(self) -> WatchedFiles:
        """Return the source of their records."""
        by_lines = self.reader.format in ("trackmate", "btrack", "csv")
        header = HEADER if self.reader.format == "trackmate" else 1
        return WatchedFiles(self.name, self.patterns, self._records, by_lines, header=header)

    def there(self) -> Iterator[tuple[bool, str]]:
        """Yield for each file that is there whether it can be read now, and what is in it or why not."""
        label = self.source().label
        for path in matching(self.patterns):
            try:
                for table, said in read_with(self.reader, {label(path): path}, self.system, growing=True):
                    if self.pools:
                        pooled_table(table, self.pools)  # as the run will, which refuses too few cells
                    yield True, f"{table.label}: {said}"
            except (DataError, UnitError) as error:
                yield False, str(error)

    def missing(self) -> Measurements:
        """Return one missing reading of everything that will be read.

        Raises
        ------
        CaseError
            If an output lies along what no reader fills in, or along cells that the reader does not name.
        """
        outputs = _outputs(self.reader, self.system)
        along = dict.fromkeys(name for output in outputs for name in output.coordinates)
        cells = self._cells() if "cell" in along else np.full(1, FIRST)
        brought = {c.name for c in self.system.coordinates if c.carried}
        born = {PARENT: cells, BORN: np.full(cells.size, FIRST)}  # nobody has a mother yet
        if not knows_parents(self.reader):
            past = {c.name for c in self.system.coordinates if c.lineage}
            along = {name: None for name in along if name not in past}
        filled = {time_name(self.system), "cell", *born, *brought}
        for name in along:
            if name not in filled:
                given = f"follow: readings of {outputs[0].name!r} lie along {name!r}"
                hint = "send them as lines: [stream] source"
                raise CaseError(explain(given, "time, cells and dishes", hint))
        here = {"cell": cells, **born}
        coordinates = {name: here.get(name, np.full(cells.size, FIRST)) for name in along}
        return Measurements(coordinates, {output.name: np.full(cells.size, np.nan) for output in outputs})

    def _cells(self) -> Array:
        if not self.reader.cells:
            hint = 'reader.cells = ["0", "1"], or "0..299", names those of the tracker that are followed'
            raise CaseError(explain("follow: no cell is named", "the cells that will come", hint))
        return numbered(np.array(self.reader.cells, dtype=object))

    def _records(self, path: Path, label: str) -> list[dict[str, Any]]:
        """Return the records of a file, each output's in the order of time."""
        made: list[dict[str, Any]] = []
        for table, _ in read_with(self.reader, {label: path}, self.system, growing=True):
            sds: dict[str, Array] = {}
            if self.pools:
                table, sds = pooled_table(table, self.pools)
            names = [part for name, law in self.pools.items() for part in read_as(name, law)]
            for output in map(self.system.output, names) if names else _outputs(self.reader, self.system):
                made += _rows(self.name, table, output, self.system, sds.get(output.name))
        return made


def awaited(one: ExperimentSpec, system: System, folder: Path) -> Awaited:
    """Return the files that an experiment waits for, below its folder or among the shipped data.

    Raises
    ------
    CaseError
        If it has no reader, or one that cannot follow, or waits for another folder that is not there.
    """
    if one.reader is None or one.reader.format == "ome-tiff":
        given = "follow = true without a reader" if one.reader is None else "follow = true for 'ome-tiff'"
        known = ", ".join((*TRACKS, "h5ad"))
        raise CaseError(explain(given, f"reader = {{ format = .. }}: {known}", "lines: [stream] source"))
    check_keys(one.reader)
    return Awaited(one.name, tuple(_pattern(given, folder) for given in one.data), one.reader, system)


def _pattern(given: str, folder: Path) -> Path:
    if "\0" in given or not Path(given).name:
        raise CaseError(explain(f"{given[:40]!r}", "the name of a file, which may have wild cards"))
    here, shipped = (folder / given).absolute(), data_root() / given
    if not here.parent.is_dir() and shipped.parent.is_dir():
        return shipped.absolute()
    if not here.parent.is_dir():
        given = f"no folder {str(here.parent)!r}"
        raise CaseError(explain(given, "a folder that is there, though its files may come later"))
    return here


def _outputs(reader: ReaderSpec, system: System) -> list[Quantity]:
    known = [output.name for output in system.outputs]
    roles = {*ROLES, *(c.name for c in system.coordinates)}
    for name in reader.columns:
        if name not in known and name not in roles:
            raise CaseError(explain(f"reader.columns: {name!r}{near_match(name, known)}", ", ".join(known)))
    found = [output for output in system.outputs if output.name in reader.columns]
    if not found:
        raise CaseError(explain("reader.columns names no output", ", ".join(known)))
    return found


def _rows(
    sender: str, table: Table, output: Quantity, system: System, sds: Array | None
) -> Iterator[dict[str, Any]]:
    """Yield a record for each reading of one output, or for each time if readings bring coordinates along."""
    columns, name = {column.name: column for column in table.columns}, time_name(system)
    time, brings = columns[name], {c.name for c in system.coordinates if c.carried}
    past = {c.name for c in system.coordinates if c.lineage}
    others = [columns[one] for one in output.coordinates if one in columns.keys() - past - {name}]
    together = bool(others) and all(column.name in brings for column in others)
    for rows in _groups(time.values, together):
        when = float(time.values[rows[0]])
        found = {column.name: _coordinate(column.values[rows]) for column in others}
        values = columns[output.name].values[rows]
        where = "" if together else "".join(f"{column.name} {found[column.name]!r}, " for column in others)
        yield {
            "source": sender,
            "id": f"{table.label}: {output.name}, {where}{name} {when!r}",
            "type": output.name,
            "event_time": f"{when!r} {time.unit}" if time.unit else when,
            "value": plain([values if together else values[0]])[0],
            "units": columns[output.name].unit,
            "coordinates": found | _birth(columns, rows[0]),
            **({} if sds is None else {"error": plain([sds[rows]])[0]}),
        }


def _birth(columns: Mapping[str, Column], row: int) -> dict[str, Any]:
    """Return whose daughter the cell in a row is, and since when; nothing if it has no mother."""
    if PARENT not in columns or columns[PARENT].values[row] == columns["cell"].values[row]:
        return {}
    born = columns[BORN]
    return {PARENT: float(columns[PARENT].values[row]), BORN: f"{float(born.values[row])!r} {born.unit}"}


def _groups(times: Array, together: bool) -> Sequence[np.ndarray]:
    if not together:
        return [np.array([row]) for row in np.argsort(times, kind="stable")]
    return [np.flatnonzero(times == now) for now in np.unique(times)]


def _coordinate(values: Array) -> Any:
    """Return one number if all are alike."""
    return float(values[0]) if np.all(values == values[0]) else plain(values)
