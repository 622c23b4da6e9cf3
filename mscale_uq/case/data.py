"""The data files of a case: found below its folder or among the shipped data, and known by their content."""

import hashlib
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from mscale_uq.case.readers import read_with, stacked
from mscale_uq.case.schema import ReaderSpec
from mscale_uq.catalog import data_root
from mscale_uq.core.system import System
from mscale_uq.errors import CaseError, explain, near_match
from mscale_uq.io.measurements import Measurements, measurements
from mscale_uq.io.mistakes import Several
from mscale_uq.io.table import Table, read_table


@final
@dataclass(frozen=True)
class DataFile:
    """One file of measurements.

    Attributes
    ----------
    given
        As the case writes it.
    path
        Where it is.
    digest
        SHA-256 of its bytes.
    """

    given: str
    path: Path
    digest: str


def find_data(given: str, folder: Path) -> DataFile:
    """Return the file below the case's folder, or else below the shipped data.

    Raises
    ------
    CaseError
        If the path leads elsewhere, or there is no such file.
    """
    if "\0" in given or len(given) > 1000:
        raise CaseError(explain(f"{given[:40]!r}", "the name of a file"))
    for root in (folder.resolve(), data_root().resolve()):
        path = (root / given).resolve()
        if Path(given).is_absolute() or not path.is_relative_to(root):
            hint = "copy the file beside the case"
            raise CaseError(explain(f"{given!r}", "a path below the case's folder or the shipped data", hint))
        if path.is_file():
            return DataFile(given, path, hashlib.sha256(path.read_bytes()).hexdigest())
    raise CaseError(
        explain(f"no file {given!r}{_near(given, folder)}", "a file below the case or the shipped data")
    )


def read_data(
    files: Sequence[DataFile], system: System, reader: ReaderSpec | None = None
) -> tuple[Measurements, tuple[str, ...]]:
    """Read the files of one experiment; return what was measured, and a line on each file that needs one.

    Raises
    ------
    CaseError
        If the reader is told what it cannot use.
    DataError, UnitError
        If a file is not whole, or does not fit the system.
    """
    read, wrong = [], Several()
    for group in [files] if read_together(reader) else [[file] for file in files]:
        with wrong.noted():
            if reader is None:
                read += [_table(file) for file in group]
            else:
                read += read_with(reader, {file.given: file.path for file in group}, system)
    wrong.stop()
    tables = [table for table, _ in read] if reader is None else stacked([table for table, _ in read])
    said = tuple(f"{table.label}: {line}" for table, text in read for line in text.splitlines())
    return measurements(tables, system.outputs, system.coordinates, not_needed(system)), said


def read_together(reader: ReaderSpec | None) -> bool:
    """Whether files are nothing one by one: a movie and its labels, or dishes that are numbered together."""
    return reader is not None and reader.format in ("ome-tiff", "h5ad")


def _table(file: DataFile) -> tuple[Table, str]:
    """Return a table of one's own, and a line on each thing that a person should look at."""
    table = read_table(file.path, file.given)
    return table, "\n".join(line for line in (_open_end(file.path), _repeated(table)) if line)


def _repeated(table: Table) -> str:
    """Say that rows are the same in every number, which a measurement with noise hardly gives twice."""
    rows = np.column_stack([column.values for column in table.columns])
    _, first, times = np.unique(rows, axis=0, return_index=True, return_counts=True)
    again = int((times - 1).sum())
    if again == 0:
        return ""
    line = table.lines[int(first[times > 1].min())]
    told = "a row" if again == 1 else f"{again} rows"
    return f"{told} the same as an earlier one, such as that of line {line}: pasted twice? each counts"


def _open_end(path: Path) -> str:
    """Say that a table's last line has no end: nobody can see whether 3,4 was once 3,40.48."""
    whole = path.read_bytes().endswith((b"\n", b"\r"))
    return "" if whole else "the last line does not end; if the file was cut, its last number is not whole"


def not_needed(system: System) -> set[str]:
    """Return the coordinates that a model can do without: those whose default is None."""
    arguments = inspect.signature(system.forward).parameters
    return {name for name, argument in arguments.items() if argument.default is None}


def _near(given: str, folder: Path) -> str:
    there = [
        path.relative_to(root).as_posix()
        for root in (folder / Path(given).parent, data_root())
        for path in root.glob("*.csv" if root != data_root() else "*/*.csv")
    ]
    return near_match(given, there) or near_match(Path(given).name, there)
