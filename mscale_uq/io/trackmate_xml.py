"""The XML file of TrackMate, which knows who divides: spots, edges between them, and which tracks are kept.

Only tracks that are listed under ``FilteredTracks`` count. A cell is a branch: from its first spot, or from a
division, to its last spot or the next division.
"""

import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.errors import DataError, explain, near_match
from mscale_uq.io.rows import INTEGER, NUMBERS
from mscale_uq.io.table import Column
from mscale_uq.io.text import MOST_BYTES, read_text
from mscale_uq.io.trackmate import FRAME_UNITS, NO_MEASUREMENT
from mscale_uq.io.tracks import Tracks, between_frames

Attributes = Mapping[str, str]


@final
@dataclass(frozen=True)
class _File:
    """What the file holds: spots by their ID, edges of kept tracks as (track, source, target), and units."""

    label: str
    spots: Mapping[str, Attributes]
    edges: tuple[tuple[str, str, str], ...]
    units: Mapping[str, str]
    time_unit: str


def read_trackmate_xml(
    path: Path,
    label: str | None = None,
    *,
    columns: Mapping[str, str] | None = None,
    frame_interval: str | None = None,
    most_bytes: int = MOST_BYTES,
) -> Tracks:
    """Return the tracks of a TrackMate file, one cell for each branch, with the parents of daughters.

    The first cell of a track has its name, later ones are ``track.branch``, from 2 on: what a cell is called
    does not change when it divides. Arguments as for `read_trackmate`.

    Raises
    ------
    DataError
        If the file is cut or no such file, no track is kept, or two cells become one.
    """
    label = label or path.name
    file = _read(read_text(path, label, "a TrackMate XML file", most_bytes), label)
    cells, parents = _branches(file)
    rows = sorted(cells, key=lambda spot: _integer(file, spot, "FRAME"))
    frames = np.array([_integer(file, spot, "FRAME") for spot in rows], dtype=np.int64)
    times, unit = _times(file, rows, frames, frame_interval)
    others = len(file.spots) - len(rows)
    return Tracks(
        label,
        np.array([cells[spot] for spot in rows], dtype=object),
        times,
        unit,
        tuple(
            Column(name, file.units.get(key), _numbers(file, rows, key))
            for name, key in _wanted(file, rows, columns).items()
        ),
        np.arange(1, len(rows) + 1),
        frames,
        parents,
        {"spots in no track that is kept": others} if others else {},
    )


def _read(text: str, label: str) -> _File:
    model = _model(text, label)
    spots = {_key(spot, "ID", label): spot.attrib for spot in model.iter("Spot")}
    kept = {_key(track, "TRACK_ID", label) for track in model.findall("FilteredTracks/TrackID")}
    edges = tuple(
        (track.attrib["TRACK_ID"], _key(edge, "SPOT_SOURCE_ID", label), _key(edge, "SPOT_TARGET_ID", label))
        for track in model.findall("AllTracks/Track")
        if _key(track, "TRACK_ID", label) in kept
        for edge in track.findall("Edge")
    )
    if not edges:
        given = f"{label}: {len(kept)} tracks are kept, without an edge"
        raise DataError(explain(given, "at least one track under FilteredTracks, of two spots"))
    unknown = next((spot for _, *ends in edges for spot in ends if spot not in spots), None)
    if unknown is not None:
        raise DataError(explain(f"{label}: no spot {unknown[:40]!r} of an edge", "", "is the file whole?"))
    return _File(label, spots, edges, _units(model), model.get("timeunits", ""))


def _model(text: str, label: str) -> ElementTree.Element:
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise DataError(explain(f"{label}: it defines entities", "a TrackMate XML file"))
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        given = f"{label}: no XML: {error}"
        raise DataError(explain(given, "a TrackMate XML file", "is the file whole?")) from None
    model = root.find("Model")
    if root.tag != "TrackMate" or model is None:
        given = f"{label}: <{root.tag[:40]}> without a model"
        raise DataError(explain(given, "<TrackMate> with <Model>", "save it from TrackMate"))
    return model


def _key(element: ElementTree.Element, name: str, label: str) -> str:
    if name not in element.attrib:
        raise DataError(explain(f"{label}: <{element.tag}> without {name}", "", "is the file whole?"))
    return element.attrib[name]


def _units(model: ElementTree.Element) -> dict[str, str]:
    """Return feature -> unit: TrackMate writes the kind of each unit, and the units once."""
    space, time = model.get("spatialunits", ""), model.get("timeunits", "")
    known = {"POSITION": space, "LENGTH": space, "AREA": f"{space}^2", "TIME": time, "INTENSITY": "counts"}
    kinds = {f.get("feature", ""): f.get("dimension", "") for f in model.iter("Feature")}
    return {name: known[kind] for name, kind in kinds.items() if known.get(kind)}


def _branches(file: _File) -> tuple[dict[str, str], dict[str, str]]:
    """Return spot -> cell, and daughter -> parent."""
    targets: dict[str, list[str]] = {}
    source_of: dict[str, str] = {}
    track_of: dict[str, str] = {}
    for track, one, two in file.edges:
        source, target = sorted((one, two), key=lambda spot: _integer(file, spot, "FRAME"))
        if target in source_of:
            given = f"{file.label}: two cells of track {track} become one in spot {target}"
            raise DataError(explain(given, "one spot before each", "cut the track in TrackMate"))
        source_of[target] = source
        targets.setdefault(source, []).append(target)
        track_of[source] = track_of[target] = track
    cells: dict[str, str] = {}
    parents: dict[str, str] = {}
    branches: dict[str, int] = {}
    for spot in sorted(track_of, key=lambda spot: (_integer(file, spot, "FRAME"), spot)):
        before, track = source_of.get(spot), track_of[spot]
        if before is not None and len(targets[before]) == 1:
            cells[spot] = cells[before]
            continue
        branches[track] = branches.get(track, 0) + 1
        cells[spot] = f"{track}.{branches[track]}" if branches[track] > 1 else track
        if before is not None:
            parents[cells[spot]] = cells[before]
    return cells, parents


def _integer(file: _File, spot: str, name: str) -> int:
    text = file.spots[spot].get(name, "")
    if INTEGER.fullmatch(text) is None:
        given = f"{file.label}: spot {spot[:40]!r}: {name} = {text[:40]!r}"
        raise DataError(explain(given, "a whole number"))
    return int(text.split(".")[0])


def _numbers(file: _File, rows: list[str], key: str) -> Array:
    values = []
    for spot in rows:
        text = file.spots[spot].get(key, "NaN")
        if text != "NaN" and NUMBERS.fullmatch(text) is None:
            given = f"{file.label}: spot {spot[:40]!r}: {key} = {text[:40]!r}"
            raise DataError(
                explain(given, "a number", "name the columns that are needed, to leave out this one")
            )
        values.append(float(text))
    found = np.array(values)
    if np.isinf(found).any():
        given = (
            f"{file.label}: spot {rows[int(np.argmax(np.isinf(found)))]!r}: {key} is larger than any number"
        )
        raise DataError(explain(given, "a number"))
    return found


def _times(file: _File, rows: list[str], frames: np.ndarray, frame_interval: str | None) -> tuple[Array, str]:
    if frame_interval is not None:
        interval, unit = between_frames(frame_interval, file.label)
        return frames * interval, unit
    if not file.time_unit or file.time_unit in FRAME_UNITS:
        given = f"{file.label}: timeunits = {file.time_unit!r}"
        hint = "give frame_interval, such as '5 min'; or set the time scale of the movie and save it again"
        raise DataError(explain(given, "a unit of time", hint))
    return _numbers(file, rows, "POSITION_T"), file.time_unit


def _wanted(file: _File, rows: list[str], columns: Mapping[str, str] | None) -> Mapping[str, str]:
    there = dict.fromkeys(key for spot in rows for key in file.spots[spot])
    if columns is None:
        return {key: key for key in there if key not in {*NO_MEASUREMENT, "name", "ROI_N_POINTS"}}
    for name, key in columns.items():
        if key not in there:
            given = f"{file.label}: no feature {key!r} for {name!r}{near_match(key, there)}"
            raise DataError(explain(given, ", ".join(there)))
    return columns
