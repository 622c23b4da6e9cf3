"""From tables to the arrays of one experiment: columns are named like a system's outputs and coordinates.

An output that lies along coordinates stands in one file with them, a row per reading; an output that is one
number stands in a file with one row. Values are converted to the system's units: each column says its own,
only a pure number may go without.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np

from mscale_uq.core.parameter import Array, Quantity
from mscale_uq.errors import DataError, UnitError, explain, near_match
from mscale_uq.io.mistakes import Several
from mscale_uq.io.table import Column, Table
from mscale_uq.io.units import convert

MOST_LINES = 5  # told one by one


@final
@dataclass(frozen=True)
class Measurements:
    """The data of one experiment, in the system's units and in the order of the files.

    Attributes
    ----------
    coordinates
        Coordinate -> ``(rows,)``.
    outputs
        Output -> ``(rows,)``, or ``()`` for an output without coordinates; NaN is a missing value.
    units
        Coordinate or output -> the unit its file has, for people.
    files
        Coordinate or output -> the file it stands in, for people.
    """

    coordinates: Mapping[str, Array]
    outputs: Mapping[str, Array]
    units: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


def measurements(
    tables: Sequence[Table],
    outputs: Sequence[Quantity],
    coordinates: Sequence[Quantity],
    optional: Collection[str] = (),
) -> Measurements:
    """Arrange tables as the arrays of one experiment; `optional` coordinates need not be there.

    Raises
    ------
    DataError
        If a column is unknown or stands in two files, a coordinate is missing or not needed, an output
        without coordinates has more than one row, or a value is impossible.
    UnitError
        If a column has no unit and is no pure number, or its unit cannot be read or has the wrong dimension.
        A message has a line for each mistake.
    """
    known = {quantity.name: quantity for quantity in (*outputs, *coordinates)}
    along = {quantity.name for quantity in coordinates}
    found: dict[str, Array] = {}
    home: dict[str, str] = {}
    wrong = Several()
    for table in tables:
        columns = []
        for column in table.columns:
            with wrong.noted():
                _check_column(table, column, known, home)
                columns.append(column)
            home.setdefault(column.name, table.label)
        if len(columns) == len(table.columns):
            with wrong.noted():
                _check_table(table, known, along, optional)
        for column in columns:
            with wrong.noted():
                _check_present(table, column, known[column.name], column.name in along)
                found[column.name] = _values(table, column, known[column.name])
    wrong.stop()
    readings = {name: values for name, values in found.items() if name not in along}
    scalars = {name for name in readings if not known[name].coordinates}
    places = {name: values for name, values in found.items() if name in along}
    measured = {name: values[0] if name in scalars else values for name, values in readings.items()}
    units = {column.name: column.unit for table in tables for column in table.columns if column.unit}
    return Measurements(places, measured, units, home)


def _check_column(
    table: Table, column: Column, known: Mapping[str, Quantity], home: Mapping[str, str]
) -> None:
    if column.name not in known:
        given = f"{table.label}: column {column.name!r} is unknown{near_match(column.name, known)}"
        raise DataError(explain(given, f"outputs and coordinates of the system: {', '.join(known)}"))
    if column.name in home:
        given = f"{table.label}: column {column.name!r} stands in {home[column.name]} too"
        raise DataError(
            explain(given, "one file for each", "put what is measured at the same places into one file")
        )


def _check_table(
    table: Table, known: Mapping[str, Quantity], along: set[str], optional: Collection[str]
) -> None:
    here = [column.name for column in table.columns]
    readings = [known[name] for name in here if name not in along]
    if not readings:
        allowed = ", ".join(name for name in known if name not in along)
        raise DataError(explain(f"{table.label}: no measured column", allowed))
    needed = readings[0].coordinates
    for reading in readings:
        if reading.coordinates != needed:
            given = (
                f"{table.label}: {readings[0].name!r} and {reading.name!r} lie along different coordinates"
            )
            raise DataError(explain(given, "one file for each set of coordinates", "split the file"))
    for name in needed:
        if name not in here and name not in optional:
            raise DataError(
                explain(f"{table.label}: {readings[0].name!r} needs a column {name!r}", ", ".join(needed))
            )
    for name in here:
        if name in along and name not in needed:
            given = f"{table.label}: coordinate {name!r} is used by no output in this file"
            raise DataError(explain(given, ", ".join(needed) or "no coordinate", "remove the column"))
    if not needed and len(table.lines) != 1:
        given = f"{table.label}: {readings[0].name!r} is one number, and the file has {len(table.lines)} rows"
        raise DataError(explain(given, "one row", "repeated readings are experiments of their own"))


def _check_present(table: Table, column: Column, quantity: Quantity, is_coordinate: bool) -> None:
    """A place must be known for every row; readings may be missing, but not all of them."""
    if quantity.lineage:  # who has no mother leaves it empty
        return
    missing = np.flatnonzero(np.isnan(column.values))
    if is_coordinate and missing.size:
        lines = ", ".join(str(table.lines[row]) for row in missing[:MOST_LINES])
        more = f" and {missing.size - MOST_LINES} more" if missing.size > MOST_LINES else ""
        plural = "s" if missing.size > 1 else ""
        given = f"{table.label}: line{plural} {lines}{more}, column {column.name!r} is empty"
        raise DataError(explain(given, "a number", "only measured values may be missing"))
    if missing.size == len(table.lines):
        given = f"{table.label}: column {column.name!r} holds no value"
        raise DataError(explain(given, "at least one", "remove the column"))


def _values(table: Table, column: Column, quantity: Quantity) -> Array:
    if not column.unit and quantity.unit != "1":
        given = f"{table.label}: column {column.name!r} has no unit"
        allowed = f"one like {quantity.unit!r}"
        raise UnitError(explain(given, allowed, f"if it is in it, write {column.name} [{quantity.unit}]"))
    where = f"{table.label}: column {column.name!r} in [{column.unit}]"
    values = convert(column.values, column.unit or quantity.unit, quantity.unit, where)
    beyond = np.flatnonzero((values < quantity.lower) | (values > quantity.upper))
    if beyond.size:
        line, given = (
            table.lines[beyond[0]],
            f"{column.values[beyond[0]]:g} {column.unit or '1'}".removesuffix(" 1"),
        )
        place = f"{table.label}: line {line}, column {column.name!r}"
        more = f", and {beyond.size - 1} more" if beyond.size > 1 else ""
        allowed = f"{quantity.limits} {quantity.unit}".removesuffix(" 1")
        raise DataError(explain(f"{place}: {given} is impossible{more}", allowed, "is its unit right?"))
    return values


def ranges(data: Measurements, coordinates: Sequence[Quantity]) -> str:
    """Say how far each file's coordinates go, in its units: ``spots.csv has depth from 10 to 150 um``."""
    files: dict[str, list[str]] = {}
    for one in coordinates:
        if one.name in data.coordinates and one.name in data.units:
            shown = convert(data.coordinates[one.name], one.unit, data.units[one.name], one.name)
            told = f"{one.name} from {shown.min():g} to {shown.max():g} {data.units[one.name]}"
            files.setdefault(data.files.get(one.name, ""), []).append(told)
    return "; ".join(f"{file} has {', '.join(told)}" for file, told in files.items() if file)
