"""What a table says of divisions, held against its own readings: nobody is read who is not there."""

import numpy as np

from mscale_uq.case.model import Plan
from mscale_uq.case.places import Places, readings_of
from mscale_uq.core.parameter import Array, Quantity
from mscale_uq.core.statespace import StateSpace
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
    if not places.past:
        return {}
    columns, cells = plan.data.coordinates, places.points[place, 0]  # type: ignore[index]
    said = {name: columns.get(name, np.full(rows.size, np.nan)) for name in (PARENT, BORN)}
    mother = np.where(np.isnan(said[PARENT]), cells, said[PARENT])
    founds = mother == cells  # its time of birth, if it has one, has no meaning
    each = {PARENT: mother, BORN: np.where(founds, 0.0, said[BORN])}
    unborn = np.flatnonzero(rows & np.isnan(each[BORN]))
    if unborn.size:
        given = f"{_where(plan, PARENT)}: cell {cells[unborn[0]]:g} has a mother, and no {BORN!r}"
        raise CaseError(explain(given, f"the time of the division in {BORN!r}"))
    found = {name: _same(plan, name, each[name][rows], places, place[rows]) for name in each}
    lineage, read = _lineage(plan, places, found), np.flatnonzero(rows & ~np.isnan(plan.data.outputs[output]))
    for cell, when in zip(place[read], columns[time.name][read], strict=True):
        reason = lineage.absent(int(cell), when)
        if reason:
            raise CaseError(f"{_where(plan, time.name)}: {reason}")
    return found


def check_births(plan: Plan, space: StateSpace) -> None:
    """Refuse a division that is not later than the start of the model."""
    told = {name: np.asarray(space.constants[name]) for name in (PARENT, BORN) if name in space.constants}
    early = Lineage.of(told).births(-np.inf, space.start) if told else ()
    if early:
        given = f"{_where(plan, BORN)}: {BORN} = {early[0]:g}, and the model starts at {space.start:g}"
        hint = f"a cell that is there at the start has no mother: leave {PARENT!r} and {BORN!r} empty"
        raise CaseError(explain(given, "a later division", hint))


def _same(plan: Plan, name: str, told: Array, places: Places, place: np.ndarray) -> Array:
    said = np.unique(np.stack([place, told]), axis=1)
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
