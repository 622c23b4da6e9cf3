"""Where the readings of an experiment are: its distinct places, and what stands at them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from mscale_uq.case.model import Plan
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.parameter import Array, Quantity
from mscale_uq.core.system import System
from mscale_uq.errors import CaseError, explain
from mscale_uq.observe.rows import grid_of


@final
@dataclass(frozen=True)
class Places:
    """Where the readings of a source are.

    Attributes
    ----------
    along, points
        The coordinates but the time, and the distinct places read ``(points, coordinates)``; none if readings
        have no places, or bring their coordinates along.
    carried
        Those of the coordinates that each reading brings along, and that the source reads.
    apart
        Those of them that only tell readings of one time apart; one that is not told is that of the record.
    past
        Coordinates that say where what stands at a place comes from.
    """

    along: tuple[Quantity, ...]
    points: Array | None
    carried: tuple[str, ...] = ()
    past: tuple[str, ...] = ()
    apart: frozenset[str] = frozenset()

    @property
    def count(self) -> int:
        """How many there are; one if readings have none."""
        return 1 if self.points is None else len(self.points)

    @property
    def names(self) -> tuple[str, ...]:
        """What individuals are called that the places are."""
        return () if self.points is None else tuple(f"{point[0]:g}" for point in self.points)

    def covariates(self, coordinates: Mapping[str, Array], rows: np.ndarray) -> dict[str, Array]:
        """Return what the readings in some rows of a table bring along."""
        return {name: coordinates[name][rows] for name in self.carried}


def readings_of(
    system: System, plan: Plan, output: str, time: Quantity
) -> tuple[np.ndarray, np.ndarray, Places]:
    """Return which rows read an output ``(rows,)``, at which place each, and the places."""
    mine, columns = system.output(output).coordinates, plan.data.coordinates
    there = (c for c in system.coordinates if c.name in columns and c.name in mine and not c.lineage)
    along = tuple(c for c in there if c is not time)
    rows = np.ones(columns[time.name].size, dtype=bool)
    for c in along:
        rows &= ~np.isnan(columns[c.name])
    place = np.zeros(rows.size, dtype=int)
    if not along:
        return rows, place, Places((), None)
    if any(c.carried for c in along):
        if not all(c.carried for c in along):
            given = f"{output!r} lies along {' and '.join(c.name for c in along)}"
            raise CaseError(explain(given, "places, or what each reading brings along"))
        return rows, place, Places(along, None, tuple(c.name for c in along))
    points, place[rows] = grid_of({c.name: columns[c.name][rows] for c in along})
    past = tuple(c.name for c in system.coordinates if c.lineage and c.name in mine)
    return rows, place, Places(along, points, past=past if columns.keys() & set(past) else ())


def read_along(found: Places, operator: ObservationOperator) -> Places:
    """Return the places with those carried coordinates alone that an operator reads."""
    carried = tuple(name for name in found.carried if name in operator.reads)
    return replace(found, carried=carried, apart=frozenset(operator.apart))
