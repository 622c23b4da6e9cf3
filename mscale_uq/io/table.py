"""A strict reader of CSV tables: a file that is not whole, or not what its header says, is refused.

The header gives names and units, ``x [mm],temperature [degC]``; a pure number needs no unit. An empty cell
(or ``nan``) is a missing value; lines that start with ``#`` are comments.
"""

import csv
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.errors import DataError, explain
from mscale_uq.io.mistakes import Several
from mscale_uq.io.text import read_text

HEADER = re.compile(r"\s*([^\W\d]\w*)\s*(?:\[\s*([^\[\]]*?)\s*\])?\s*")
NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")


@final
@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    name, unit
        As in the header; the unit is None if the header gives none.
    values
        ``(rows,)``; NaN where the cell is empty.
    called
        Value -> what it is called, where names were given numbers; for messages.
    """

    name: str
    unit: str | None
    values: Array
    called: Mapping[float, str] = field(default_factory=dict)


@final
@dataclass(frozen=True)
class Table:
    """A table of numbers.

    Attributes
    ----------
    label
        What messages call the file.
    columns
        In the order of the file.
    lines
        The line of the file in which each row stands.
    """

    label: str
    columns: tuple[Column, ...]
    lines: tuple[int, ...]


def read_table(path: Path, label: str | None = None) -> Table:
    """Read a CSV file.

    Raises
    ------
    DataError
        If the file is empty, is not text, has another separator, two columns of one name, a cut row, a row
        with too many cells, or text where a number is due; the message has a line for each, with its place.
    """
    label = label or path.name
    rows = _rows(read_text(path, label))
    if not rows:
        raise DataError(explain(f"{label}: the file is empty", "a header and at least one row"))
    header = _header(rows[0], label)
    if len(rows) == 1:
        raise DataError(explain(f"{label}: a header and no rows", "at least one row"))
    cells, wrong = [], Several()
    for line, row in rows[1:]:
        with wrong.noted():
            cells.append(_cells(line, row, header, label))
    wrong.stop()
    columns = [
        Column(name, unit, np.array(values))
        for (name, unit), values in zip(header, zip(*cells, strict=True), strict=True)
    ]
    return Table(label, tuple(columns), tuple(line for line, _ in rows[1:]))


def _rows(text: str) -> list[tuple[int, str]]:
    """Return (line number, line) of every line that is no comment; empty ones at the end do not count.

    A spreadsheet writes an empty row as commas alone.
    """
    lines = text.splitlines()
    while lines and not lines[-1].strip(" \t,"):
        lines.pop()
    return [(at, line) for at, line in enumerate(lines, start=1) if not line.lstrip().startswith("#")]


def _split(line: str, number: int, label: str) -> list[str]:
    if not line.strip():
        hint = "delete the line; a missing value is an empty cell between two commas"
        raise DataError(explain(f"{label}: line {number} is empty", "a row of numbers", hint))
    try:
        return next(csv.reader([line], strict=True))
    except csv.Error as error:
        given = f"{label}: line {number}: {error}"
        raise DataError(explain(given, "cells separated by commas", "is the file whole?")) from None


def _header(row: tuple[int, str], label: str) -> list[tuple[str, str | None]]:
    line, text = row
    header: list[tuple[str, str | None]] = []
    wrong = Several()
    for position, cell in enumerate(_split(text, line, label), start=1):
        with wrong.noted():
            header.append(_column(cell, position, [name for name, _ in header], f"{label}: line {line}"))
    wrong.stop()
    return header


def _column(cell: str, position: int, before: list[str], where: str) -> tuple[str, str | None]:
    match = HEADER.fullmatch(cell)
    if match is None:
        given = f"{where}, column {position}: {cell.strip()!r} is no column name"
        raise DataError(explain(given, "'name [unit]', or 'name' of a pure number", _separator_hint(cell)))
    if match[1] in before:
        raise DataError(explain(f"{where}: column {match[1]!r} stands there twice", "different names"))
    return match[1], match[2]


def _separator_hint(cell: str) -> str:
    for separator, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if separator in cell:
            return f"the file is separated by {name}; save it with commas, and decimal points"
    if re.fullmatch(NUMBER, cell):
        return "the first line is the header"
    return "letters, digits and _; the unit in square brackets"


def _cells(line: int, text: str, header: list[tuple[str, str | None]], label: str) -> list[float]:
    row = _split(text, line, label)
    if len(row) < len(header):
        given = f"{label}: line {line} has {len(row)} of {len(header)} cells"
        missing = ", ".join(name for name, _ in header[len(row) :])
        raise DataError(explain(given, "one cell per column", f"{missing} is not there: is the file whole?"))
    if len(row) > len(header):
        given = f"{label}: line {line} has {len(row)} cells for {len(header)} columns"
        raise DataError(explain(given, "one cell per column", "decimal commas? write 1.5, not 1,5"))
    values, wrong = [], Several()
    for cell, (name, _) in zip(row, header, strict=True):
        with wrong.noted():
            values.append(_number(cell, f"{label}: line {line}, column {name!r}"))
    wrong.stop()
    return values


def _number(cell: str, where: str) -> float:
    if cell.strip().lower() in ("", "nan"):
        return float("nan")
    if NUMBER.fullmatch(cell) is None:
        given = f"{where}: {cell.strip()!r}"
        raise DataError(explain(given, "a number with a decimal point", _number_hint(cell.strip())))
    number = float(cell)
    if not math.isfinite(number):
        raise DataError(explain(f"{where}: {cell.strip()!r} is larger than any number here", "a number"))
    return number


def _number_hint(cell: str) -> str:
    if re.fullmatch(r"[+-]?\d+,\d+", cell):
        return "write 1.5, not 1,5"
    if re.fullmatch(r"[+-]?\d{1,3}([ ',]\d{3})+(\.\d*)?", cell):
        return "write 1245.8, not 1,245.8"
    if cell.startswith(("<", ">", "\u2264", "\u2265")):
        return (
            "do not leave it out, that bends the fit: write 0, under a law with a detection_limit (lognormal)"
        )
    if cell.startswith(("\u2212", "\u2013")):
        return "write the minus of the keyboard, -"
    return "leave the cell empty if the value is missing; units belong into the header"
