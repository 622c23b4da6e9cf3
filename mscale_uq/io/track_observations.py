"""From tracks to observations: one for each cell and frame, or one vector for each frame."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from mscale_uq.core.observation import Observation
from mscale_uq.core.parameter import Array, Quantity
from mscale_uq.errors import DataError, explain
from mscale_uq.io.tracks import Tracks
from mscale_uq.io.units import convert


@final
@dataclass(frozen=True)
class OfCell:
    """An observation, and the cell that it is of."""

    cell: str
    observation: Observation


def cell_observations(
    tracks: Tracks, source: str, quantity: Quantity, time_unit: str, column: str | None = None
) -> tuple[OfCell, ...]:
    """Return one observation for each cell and frame, in the order of time, then of the file.

    Parameters
    ----------
    tracks
        What a reader returned.
    source
        Name of the observation operator.
    quantity
        What it measures; values are converted to its unit.
    time_unit
        Of the state space.
    column
        Of the tracks; the one with the quantity's name, if None.

    Raises
    ------
    DataError
        If the column is not there.
    UnitError
        If a unit is of another dimension.
    """
    times, values = tracks.times_in(time_unit), _values(tracks, column or quantity.name, quantity.unit)
    return tuple(
        OfCell(tracks.cells[row], Observation(times[row], source, quantity.name, values[row]))
        for row in np.argsort(times, kind="stable")
    )


def frame_observations(
    tracks: Tracks,
    source: str,
    quantity: Quantity,
    time_unit: str,
    cells: Sequence[str],
    column: str | None = None,
) -> tuple[Observation, ...]:
    """Return one observation ``(cells,)`` for each frame, NaN where a cell was not seen.

    Arguments and what is raised as for `cell_observations`; `cells` says which are read, and in which order.
    """
    place = {cell: position for position, cell in enumerate(cells)}
    for cell in place.keys() - set(tracks.cells):
        raise DataError(explain(f"{tracks.label}: no cell {cell!r}", _some(tracks)))
    times, values = tracks.times_in(time_unit), _values(tracks, column or quantity.name, quantity.unit)
    frames, frame = np.unique(times, return_inverse=True)
    columns = np.array([place.get(cell, -1) for cell in tracks.cells])
    table = np.full((frames.size, len(cells)), np.nan)
    chosen = columns >= 0
    table[frame[chosen], columns[chosen]] = values[chosen]
    return tuple(Observation(now, source, quantity.name, row) for now, row in zip(frames, table, strict=True))


def _values(tracks: Tracks, name: str, unit: str) -> Array:
    column = tracks.column(name)
    where = f"{tracks.label}: column {name!r} in [{column.unit}]"
    return convert(column.values, column.unit or unit, unit, where)


def _some(tracks: Tracks) -> str:
    known = list(dict.fromkeys(tracks.cells))
    return ", ".join(known[:12]) + (" ..." if len(known) > 12 else "")
