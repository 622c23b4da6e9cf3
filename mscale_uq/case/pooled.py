"""Sequenced cells read as a few numbers for each dish: ``law = { umi = { law = "pseudobulk" } }``.

``pseudobulk``: all counts of a dish over all its size factors are one reading of a usual cell, whose size
factor is one. How far it may be off is told by the scatter of the cells, whatever their law. So it is a
normal reading that states its own standard deviation, under one law for samplers and filters; the model
stays as it is.

``factorial_moments``: the mean count F1 of a usual cell and its second factorial moment F2, the mean of
count (count - 1). Their sampling covariance V hangs them together. In its place stand F1, and F2 - w F1 with
w = V_12 / V_11: these are independent, the model predicts both, and the density of the pair is the same. The
second one is read as the output ``<counts>_pairs``, along the coordinate ``mean_weight``, which is w.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from mscale_uq.case.laws import law_of
from mscale_uq.case.schema import LawSpec
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.parameter import Array
from mscale_uq.core.system import System
from mscale_uq.errors import CaseError, DataError, explain
from mscale_uq.io.measurements import Measurements
from mscale_uq.io.table import Column, Table
from mscale_uq.io.units import to_unit
from mscale_uq.observe.laws import Gaussian, check_level
from mscale_uq.observe.rows import grid_of
from mscale_uq.observe.sequenced import SequencedCells

PSEUDOBULK, MOMENTS = "pseudobulk", "factorial_moments"
# Cells of a dish; of fewer the scatter is so unsure itself that its normal law is too sure.
FEWEST = {PSEUDOBULK: 20, MOMENTS: 200}
INSTEAD = {PSEUDOBULK: 'law = "negative_binomial"', MOMENTS: 'law = "pseudobulk"'}
NAMELESS: Mapping[str, Mapping[float, str]] = {}
SIZE, WEIGHT, PAIRS = "size_factor", "mean_weight", "_pairs"


class Pooled(NamedTuple):
    """An experiment whose dishes are read as a few numbers.

    Attributes
    ----------
    data
        With a row for each dish; as they were if nothing is pooled.
    operators
        Of what was pooled.
    laws
        Output of the data -> its law in the case, for what was pooled.
    """

    data: Measurements
    operators: dict[str, ObservationOperator]
    laws: dict[str, LawSpec]


class Reading(NamedTuple):
    """A dish: its numbers, their standard deviations, and how often the first is taken off the second."""

    values: tuple[float, ...]
    sds: tuple[float, ...]
    weight: float = 0.0


def pooled(
    laws: Mapping[str, LawSpec], data: Measurements, system: System, read: bool, later: bool
) -> Pooled:
    """Return data with a row for each dish, and the operators of what was pooled; other data as they are.

    `read` says whether these are data, not their stand-ins; `later` whether dishes are still to come. Each of
    these will then state its own standard deviation.

    Raises
    ------
    CaseError
        If an output is no count along size factors, stands beside one that is not pooled, or has no pairs
        that could be read.
    DataError
        If a dish has fewer than `FEWEST` cells, or their counts do not tell how sure its numbers are.
    """
    specs = {name: law_of(name, laws, data.outputs) for name in data.outputs}
    chosen = {name: spec for name, spec in specs.items() if spec is not None and spec.law in FEWEST}
    if not chosen or not read:
        return Pooled(data, {}, {})
    _check(chosen, laws, data, system)
    whole, sds = _to_come(chosen, data) if later else _pooled(chosen, data)
    operators = {name: ObservationOperator(name, Gaussian(tuple(sd.tolist()))) for name, sd in sds.items()}
    return Pooled(whole, operators, chosen)


def pooled_table(table: Table, laws: Mapping[str, LawSpec]) -> tuple[Table, dict[str, Array]]:
    """Return a table of counts with a row for each dish, and the standard deviations of its numbers.

    Raises
    ------
    DataError
        As `pooled`.
    """
    columns, units = {c.name: c.values for c in table.columns}, {c.name: c.unit for c in table.columns}
    specs = {name: spec for name, spec in laws.items() if name in columns}
    counts = {name: columns.pop(name) for name in specs}
    called = {column.name: column.called for column in table.columns}
    data = Measurements(columns, counts, files=dict.fromkeys(counts, table.label))
    whole, sds = _pooled(specs, data, called)
    found = {**whole.coordinates, **whole.outputs}
    rows = tuple(Column(name, units.get(name, "1"), values) for name, values in found.items())
    return Table(table.label, rows, tuple(range(1, len(rows[0].values) + 1))), sds


def read_as(name: str, spec: LawSpec) -> tuple[str, ...]:
    """Return the outputs that the numbers of a dish are readings of."""
    return (name, f"{name}{PAIRS}") if spec.law == MOMENTS else (name,)


def of_parts(laws: Mapping[str, LawSpec]) -> dict[str, LawSpec]:
    """Return each output that numbers of dishes are readings of -> the law in the case that says so."""
    return {part: spec for name, spec in laws.items() for part in read_as(name, spec)}


def _to_come(specs: Mapping[str, LawSpec], data: Measurements) -> tuple[Measurements, dict[str, Array]]:
    """Return missing readings of all that dishes will be read as."""
    outputs = {part: data.outputs[name] for name, spec in specs.items() for part in read_as(name, spec)}
    weight = {WEIGHT: np.zeros(next(iter(outputs.values())).shape)} if len(outputs) > len(specs) else {}
    whole = Measurements({**data.coordinates, **weight}, outputs, data.units, data.files)
    return whole, {name: np.ones(values.size) for name, values in outputs.items()}


def _pooled(
    specs: Mapping[str, LawSpec], data: Measurements, called: Mapping[str, Mapping[float, str]] = NAMELESS
) -> tuple[Measurements, dict[str, Array]]:
    """Return data with a row for each dish, and the standard deviations."""
    apart = {name: column for name, column in data.coordinates.items() if name != SIZE}
    points, dish = grid_of(apart)
    columns = dict(zip(apart, points.T, strict=True)) | {SIZE: np.ones(len(points))}
    columns = {name: columns[name] for name in data.coordinates}
    outputs: dict[str, Array] = {}
    sds: dict[str, Array] = {}
    for name, spec in specs.items():
        where = (_where(name, data, apart, point, called) for point in points)
        made = [
            _reading(of, spec, data.outputs[name][dish == k], data.coordinates[SIZE][dish == k])
            for k, of in enumerate(where)
        ]
        parts = read_as(name, spec)
        outputs |= dict(zip(parts, np.array([one.values for one in made]).T, strict=True))
        sds |= dict(zip(parts, np.array([one.sds for one in made]).T, strict=True))
        if spec.law == MOMENTS:
            columns[WEIGHT] = np.array([one.weight for one in made])
    return Measurements(columns, outputs, data.units, data.files), sds


def _check(
    specs: Mapping[str, LawSpec], laws: Mapping[str, LawSpec], data: Measurements, system: System
) -> None:
    for name, spec in specs.items():
        if SIZE not in system.output(name).coordinates or SIZE not in data.coordinates:
            given = f"{spec.law} of {name!r}, which has no {SIZE} here"
            raise CaseError(explain(given, "counts of sequenced cells, each with its size factor"))
        if spec.law == MOMENTS:
            _check_pairs(name, spec, laws, system)
    (name, spec), *_ = specs.items()
    others = [other for other in data.outputs if other not in specs]
    if others:
        given = f"{spec.law} of {name!r} beside {others[0]!r}, which is read cell by cell"
        raise CaseError(explain(given, "one way of reading for an experiment", "make two experiments"))
    if len(specs) > 1 and any(spec.law == MOMENTS for spec in specs.values()):
        given = f"{MOMENTS} beside another output: {' and '.join(map(repr, specs))}"
        raise CaseError(explain(given, "one output for an experiment", "make two experiments"))


def _check_pairs(name: str, spec: LawSpec, laws: Mapping[str, LawSpec], system: System) -> None:
    pairs = f"{name}{PAIRS}"
    if not any(one.name == pairs and WEIGHT in one.coordinates for one in system.outputs):
        given = f"{MOMENTS} of {name!r}: {system.name} does not predict pairs of it"
        raise CaseError(
            explain(given, f"a system with an output {pairs!r} along {WEIGHT!r}", INSTEAD[MOMENTS])
        )
    if pairs in laws:
        raise CaseError(explain(f"a law of {pairs!r}", f"none: that of {name!r} is {MOMENTS}"))
    if isinstance(spec.overdispersion, str) and spec.overdispersion.isidentifier():
        given = f"{MOMENTS}: overdispersion = {spec.overdispersion!r}"
        hint = 'single counts tell an unknown one: law = "negative_binomial"'
        raise CaseError(explain(given, "a number, which the moments are freed of", hint))
    _overdispersion(spec)


def _overdispersion(spec: LawSpec) -> float:
    found = 0.0 if spec.overdispersion is None else to_unit(spec.overdispersion, "1", "overdispersion")
    check_level("overdispersion", found)
    return found


def _where(
    name: str,
    data: Measurements,
    apart: Mapping[str, Array],
    point: Array,
    called: Mapping[str, Mapping[float, str]],
) -> str:
    """Return what messages call a dish: its file, and what tells it from others of the same output."""
    pairs = zip(apart.items(), point, strict=True)
    named = ((c, column, called.get(c, {}).get(value, f"{value:.10g}")) for (c, column), value in pairs)
    told = [f"{c} {word}" for c, column, word in named if np.unique(column).size > 1]
    file = f"{data.files[name]}: " if name in data.files else ""
    return f"{file}{name}{' at ' * bool(told)}{', '.join(told)}"


def _reading(where: str, spec: LawSpec, counts: Array, sizes: Array) -> Reading:
    """Return a dish's numbers."""
    seen, fewest = ~np.isnan(counts), FEWEST[spec.law]
    if seen.sum() < fewest:
        given = f"{where}: {seen.sum()} cells"
        raise DataError(explain(given, f"at least {fewest} for law {spec.law}", INSTEAD[spec.law]))
    cells = SequencedCells(counts[seen][:, None], sizes[seen])
    made = _moments(cells, spec) if spec.law == MOMENTS else _bulk(cells)
    if not min(made.sds) > 0:
        what = "scatter" if not made.sds[0] > 0 else "scatter enough: none, or too few, have two molecules"
        given = f"{where}: the cells do not {what}"
        raise DataError(explain(given, f"counts that tell how sure {spec.law} are", INSTEAD[spec.law]))
    return made


def _bulk(cells: SequencedCells) -> Reading:
    found = cells.pseudobulk()
    return Reading((float(found.value[0]),), (float(np.sqrt(found.cov[0, 0])),))


def _moments(cells: SequencedCells, spec: LawSpec) -> Reading:
    """Return the mean, and the second factorial moment less what it shares with the error of the mean.

    Technical overdispersion alpha makes the second one 1 + alpha times what the molecules' would be.
    """
    found = cells.factorial_moments()
    (own, shared), (_, second) = found.cov
    weight = shared / own if own > 0 else 0.0
    left = second - weight * shared
    left = left if left > 1e-12 * second else 0.0  # rounding alone
    mean, pairs = found.value
    scale = 1 / (1 + _overdispersion(spec))
    return Reading(
        (float(mean), float(scale * (pairs - weight * mean))),
        (float(np.sqrt(own)), float(scale * np.sqrt(left))),
        float(scale * weight),
    )
