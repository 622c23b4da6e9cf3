"""Rows of cells of text that a program wrote: whole, or refused with line and column.

A program ends every line it writes. So a last line without an end was cut, and its last number may be shorter
than it was.
"""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.errors import DataError, explain

MISSING = frozenset(("", "nan", "na", "none", "ø"))
NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
# A number, or a mark of a missing one, on every line of a whole column: one match instead of a million.
COLUMN = re.compile(rf"(?:[ \t]*+(?:{NUMBER}|[nN][aA][nN]|ø|)[ \t]*+\n)*+")
NUMBERS = re.compile(rf"\s*{NUMBER}\s*")
INTEGER = re.compile(r"\s*[+-]?\d{1,18}(?:\.0+)?\s*")


@final
@dataclass(frozen=True)
class Rows:
    """Cells of text.

    Attributes
    ----------
    label
        What messages call the file.
    lines
        ``(rows,)`` the line of each row, from one.
    cells
        The rows; each has the same number of cells.
    """

    label: str
    lines: np.ndarray
    cells: Sequence[Sequence[str]]

    def of(self, chosen: np.ndarray) -> "Rows":
        """Return the rows at the given positions."""
        return Rows(self.label, self.lines[chosen], [self.cells[i] for i in chosen])

    def text(self, position: int) -> list[str]:
        """Return one column as text, without blanks at its ends."""
        return [row[position].strip() for row in self.cells]

    def numbers(self, position: int, name: str) -> Array:
        """Return one column as numbers ``(rows,)``; NaN where there is a mark of a missing value.

        Raises
        ------
        DataError
            If there is anything else than numbers.
        """
        cells = [row[position] for row in self.cells]
        if COLUMN.fullmatch("".join(f"{cell}\n" for cell in cells)):
            values = np.array([cell.replace("ø", "").strip() or "nan" for cell in cells], dtype=float)
        else:
            values = np.array([self._number(i, cell, name) for i, cell in enumerate(cells)])
        infinite = np.flatnonzero(np.isinf(values))
        if infinite.size:
            self._refuse(infinite[0], cells[infinite[0]], name, "a number", "it is larger than any number")
        return values

    def integers(self, position: int, name: str) -> np.ndarray:
        """Return one column as whole numbers ``(rows,)``; none may be missing."""
        for i, row in enumerate(self.cells):
            if INTEGER.fullmatch(row[position]) is None:
                self._refuse(i, row[position], name, "a whole number", "")
        return np.array([int(row[position].split(".")[0]) for row in self.cells], dtype=np.int64)

    def _number(self, row: int, cell: str, name: str) -> float:
        if cell.strip().lower() in MISSING:
            return float("nan")
        if NUMBERS.fullmatch(cell) is None:
            hint = (
                "name the columns that are needed, and this one is left out" if "inf" in cell.lower() else ""
            )
            self._refuse(row, cell, name, "a number with a decimal point, or an empty cell", hint)
        return float(cell)

    def _refuse(self, row: int, cell: str, name: str, allowed: str, hint: str) -> None:
        given = f"{self.label}: line {self.lines[row]}, column {name!r}: {cell.strip()[:40]!r}"
        raise DataError(explain(given, allowed, hint))


def split_rows(text: str, label: str, separator: str = ",") -> Rows:
    """Return the cells of every line; runs of blanks are one separator if that is a blank.

    Raises
    ------
    DataError
        If the text is empty, its last line is cut, a line is empty, or lines have different numbers of cells.
    """
    if not text.strip():
        raise DataError(explain(f"{label}: the file is empty", "a table"))
    if not text.endswith(("\n", "\r")):
        hint = "is the file whole? if so, end its last line with a line break"
        raise DataError(explain(f"{label}: the last line has no end", "a line break at the end", hint))
    lines = text.rstrip().splitlines()
    cells = [_split(line, number, label, separator) for number, line in enumerate(lines, start=1)]
    width = len(cells[0])
    for number, row in enumerate(cells, start=1):
        if len(row) != width:
            given = f"{label}: line {number} has {len(row)} cells, line 1 has {width}"
            hint = "is the file whole? a name may hold no separator, and numbers have decimal points"
            raise DataError(explain(given, "one cell for each column", hint))
    return Rows(label, np.arange(1, len(cells) + 1), cells)


def _split(line: str, number: int, label: str, separator: str) -> list[str]:
    if not line.strip():
        raise DataError(explain(f"{label}: line {number} is empty", "a row of cells", "delete the line"))
    if separator == " ":
        return line.split()
    if '"' not in line:
        return line.split(separator)
    try:
        return next(csv.reader([line], delimiter=separator, strict=True))
    except csv.Error as error:
        given = f"{label}: line {number}: {error}"
        raise DataError(explain(given, "cells with a separator between them", "is the file whole?")) from None
