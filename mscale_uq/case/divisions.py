"""What a table says of divisions, held against its own readings: nobody is read who is not there."""

import numpy as np

from mscale_uq.case.model import Plan
from mscale_uq.case.places import Places, readings_of
from mscale_uq.core.parameter import Array, Quantity
from mscale_uq.core.system import System
from mscale_uq.errors import CaseError, InputError, explain
from mscale_uq.macro.lineage import BORN, PARENT, Lineage, by_place


def lineage_at(system: System, plan: Plan, output: str, time: Quantity) -> dict[str, Array]:
    """Return what an output's rows say of where the individual at each place comes from ``(points,)``.

    Raises
    ------
    CaseError
        If the rows of an individual differ, its line is impossible, or it is read before its birth or after
        it divided.
    """
    rows, place, places = readings_of(system, plan, output, time)
    found = {name: _same(plan, name, places, rows, place) for name in places.past}
    if {PARENT, BORN} <= set(found):
        lineage = _lineage(plan, places, found)
        read = np.flatnonzero(rows & ~np.isnan(plan.data.outputs[output]))
        for cell, when in zip(place[read], plan.data.coordinates[time.name][read], strict=True):
            reason = lineage.absent(int(cell), when)
            if reason:
                raise CaseError(f"{_where(plan, time.name)}: {reason}")
    return found


def _same(plan: Plan, name: str, places: Places, rows: np.ndarray, place: np.ndarray) -> Array:
    said = np.unique(np.stack([place[rows], plan.data.coordinates[name][rows]]), axis=1)
    if said.shape[1] > places.count:
        given = f"{_where(plan, name)}: {name!r} of one individual is not the same in all its rows"
        raise CaseError(explain(given, "one number"))
    return said[1]


def _lineage(plan: Plan, places: Places, found: dict[str, Array]) -> Lineage:
    try:
        return Lineage.of(by_place(places.points[:, 0], found[PARENT], found[BORN]), places.names)  # type: ignore[index]
    except InputError as error:
        raise CaseError(f"{_where(plan, BORN)}: {error}") from None


def _where(plan: Plan, column: str) -> str:
    return f"experiment {plan.name!r}, {plan.data.files.get(column, 'its data')}"
