"""Who of the cells that are read comes from whom, and when: what tracks say of divisions."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from mscale_uq.case.schema import ReaderSpec
from mscale_uq.errors import DataError, explain
from mscale_uq.io.tracks import Tracks
from mscale_uq.macro.lineage import PARENT


class Birth(NamedTuple):
    """The mother's name, and the time of the division in the unit of the tracks."""

    mother: str
    time: float


def knows_parents(reader: ReaderSpec) -> bool:
    """Return whether a format tells who divides; a table of spots from TrackMate does not."""
    return reader.format in ("trackmate xml", "btrack") or (
        reader.format == "csv" and PARENT in reader.columns
    )


def births_of(tracks: Tracks, kept: Collection[str], growing: bool) -> Mapping[str, Birth | None]:
    """Return daughter -> her birth, for all that are read; None where one of her line is not known yet.

    It is known when both daughters have come: one alone may be what follows a gap. A division lies in the
    middle between the last frame that shows the mother and the first that shows a daughter.

    Raises
    ------
    DataError
        If a daughter has no sister, or two, a mother is not read, or she is seen after her daughters.
    """
    found: dict[str, Birth | None] = {}
    for mother, daughters in _families(tracks).items():
        read = [one for one in daughters if one in kept]
        if read:
            _check(tracks, mother, daughters, kept, growing)
            birth = Birth(mother, _time(tracks, mother, daughters)) if len(daughters) > 1 else None
            found.update(dict.fromkeys(read, birth))
    return {cell: birth if _settled(cell, found) else None for cell, birth in found.items()}


def _settled(cell: str, births: Mapping[str, Birth | None]) -> bool:
    """Return whether a cell's birth is known, and her mother's, and so on."""
    while cell in births:
        birth = births[cell]
        if birth is None:
            return False
        cell = birth.mother
    return True


def _families(tracks: Tracks) -> dict[str, list[str]]:
    families: dict[str, list[str]] = {}
    for daughter, mother in tracks.parents.items():
        families.setdefault(mother, []).append(daughter)
    return families


def _check(tracks: Tracks, mother: str, daughters: list[str], kept: Collection[str], growing: bool) -> None:
    if mother not in kept:
        given = f"{tracks.label}: cell {daughters[0]!r} comes from {mother!r}, which is not read"
        raise DataError(explain(given, "mothers too", "name them: reader.cells = [..]"))
    if len(daughters) > 2:
        given = f"{tracks.label}: {len(daughters)} cells come from {mother!r}: {', '.join(daughters)}"
        raise DataError(explain(given, "two", "mend the tracks"))
    if len(daughters) == 1 and not growing:
        given = f"{tracks.label}: cell {daughters[0]!r} alone comes from {mother!r}"
        hint = "a gap in a track: give both parts one name; or read others: reader.cells = [..]"
        raise DataError(explain(given, "two daughters", hint))


def _time(tracks: Tracks, mother: str, daughters: list[str]) -> float:
    mothers = tracks.times[tracks.cells == mother]
    first = min(tracks.times[tracks.cells == one].min() for one in daughters)
    last = mothers.max(initial=-float("inf"))
    if last >= first:
        given = f"{tracks.label}: cell {mother!r} is seen at {last:g}, her daughter at {first:g}"
        raise DataError(explain(given, "a mother that is gone when her daughters are there"))
    return float((last + first) / 2) if mothers.size else float(first)


def check_founders(tracks: Tracks, daughters: Sequence[str]) -> None:
    """Refuse cells that a mother left something to, for a system that begins every cell by itself."""
    if daughters:
        cell, more = daughters[0], len(daughters) - 1
        given = f"{tracks.label}: cell {cell!r} comes from {tracks.parents[cell]!r}"
        given += f", and {more} more come from others" if more else ""
        hint = "name those to be read: reader.cells = [..]"
        raise DataError(explain(given, "cells that are there from the start, each by itself", hint))
