"""Sequenced cells read as one number for each dish: ``law = { umi = { law = "pseudobulk" } }``.

All counts of a dish over all its size factors are one reading of a usual cell, whose size factor is one. How
far it may be off is told by the scatter of the cells, whatever their law. So it is a normal reading that
states its own standard deviation, under one law for samplers and filters; the model stays as it is.
"""

from collections.abc import Collection, Mapping

import numpy as np

from mscale_uq.case.laws import law_of
from mscale_uq.case.schema import LawSpec
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.parameter import Array
from mscale_uq.core.system import System
from mscale_uq.errors import CaseError, DataError, explain
from mscale_uq.io.measurements import Measurements
from mscale_uq.io.table import Column, Table
from mscale_uq.observe.laws import Gaussian
from mscale_uq.observe.rows import grid_of
from mscale_uq.observe.sequenced import SequencedCells

LAW, SIZE = "pseudobulk", "size_factor"
FEWEST = 20  # cells; of fewer the scatter is so unsure itself that its normal law is too sure


def pooled(
    laws: Mapping[str, LawSpec], data: Measurements, system: System, read: bool, later: bool
) -> tuple[Measurements, dict[str, ObservationOperator]]:
    """Return data with a row for each dish, and the operators of what was pooled; other data as they are.

    `read` says whether these are data, not their stand-ins; `later` whether dishes are still to come. Each of
    these will then state its own standard deviation.

    Raises
    ------
    CaseError
        If an output is no count along size factors, or stands beside one that is not pooled.
    DataError
        If a dish has fewer than `FEWEST` cells, or all of them the same count over their size factor, so
        that nothing tells how sure its number is.
    """
    specs = {name: law_of(name, laws, data.outputs) for name in data.outputs}
    names = [name for name, spec in specs.items() if spec is not None and spec.law == LAW]
    if not names or not read:
        return data, {}
    _check(names, data, system)
    if later:
        told = {name: Gaussian((1.0,) * data.outputs[name].size) for name in names}
        return data, {name: ObservationOperator(name, law) for name, law in told.items()}
    whole, sds = _pooled(names, data)
    return whole, {name: ObservationOperator(name, Gaussian(tuple(sd))) for name, sd in sds.items()}


def pooled_table(table: Table, names: Collection[str]) -> tuple[Table, dict[str, Array]]:
    """Return a table of counts with a row for each dish, and the standard deviations of its numbers.

    Raises
    ------
    DataError
        As `pooled`.
    """
    columns = {column.name: column.values for column in table.columns}
    counts = {name: columns.pop(name) for name in list(columns) if name in names}
    files = dict.fromkeys(counts, table.label)
    whole, sds = _pooled(list(counts), Measurements(columns, counts, files=files))
    found = {**whole.coordinates, **whole.outputs}
    rows = tuple(Column(column.name, column.unit, found[column.name]) for column in table.columns)
    return Table(table.label, rows, tuple(range(1, len(rows[0].values) + 1))), sds


def _pooled(names: list[str], data: Measurements) -> tuple[Measurements, dict[str, Array]]:
    """Return data with a row for each dish, and the standard deviations."""
    apart = {name: column for name, column in data.coordinates.items() if name != SIZE}
    points, dish = grid_of(apart)
    columns = dict(zip(apart, points.T, strict=True)) | {SIZE: np.ones(len(points))}
    outputs, sds = {}, {}
    for name in names:
        counts, where = data.outputs[name], [_where(name, data, apart, point) for point in points]
        dishes = (dish == k for k in range(len(points)))
        pairs = [
            _summary(of, counts[mine], data.coordinates[SIZE][mine])
            for of, mine in zip(where, dishes, strict=True)
        ]
        outputs[name], sds[name] = (np.array(part) for part in zip(*pairs, strict=True))
    coordinates = {name: columns[name] for name in data.coordinates}
    return Measurements(coordinates, outputs, data.units, data.files), sds


def _check(names: list[str], data: Measurements, system: System) -> None:
    for name in names:
        if SIZE not in system.output(name).coordinates or SIZE not in data.coordinates:
            given = f"{LAW} of {name!r}, which has no {SIZE} here"
            raise CaseError(explain(given, "counts of sequenced cells, each with its size factor"))
    others = [name for name in data.outputs if name not in names]
    if others:
        given = f"{LAW} of {names[0]!r} beside {others[0]!r}, which is read cell by cell"
        raise CaseError(explain(given, "one way of reading for an experiment", "make two experiments"))


def _where(name: str, data: Measurements, apart: Mapping[str, Array], point: Array) -> str:
    """Return what messages call a dish: its file, and what tells it from others of the same output."""
    pairs = zip(apart.items(), point, strict=True)
    told = [f"{c} {value:.10g}" for (c, column), value in pairs if np.unique(column).size > 1]
    file = f"{data.files[name]}: " if name in data.files else ""
    return f"{file}{name}{' at ' * bool(told)}{', '.join(told)}"


def _summary(where: str, counts: Array, sizes: Array) -> tuple[float, float]:
    """Return a dish's number and its standard deviation."""
    seen, hint = ~np.isnan(counts), 'law = "negative_binomial"'
    if seen.sum() < FEWEST:
        given = f"{where}: {seen.sum()} cells"
        raise DataError(explain(given, f"at least {FEWEST} for a pseudobulk", hint))
    found = SequencedCells(counts[seen][:, None], sizes[seen]).pseudobulk()
    sd = float(np.sqrt(found.cov[0, 0]))
    if not sd > 0:
        given = f"{where}: the cells do not scatter"
        raise DataError(explain(given, "counts that tell how sure a pseudobulk is", hint))
    return float(found.value[0]), sd
