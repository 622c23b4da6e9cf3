"""What an OME-TIFF says of itself in its first page: sizes, where each plane lies, and when it was taken.

Goldberg et al. (2005), https://doi.org/10.1186/gb-2005-6-5-r47; schema 2016-06.
"""

import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.errors import DataError, UnitError, explain
from mscale_uq.io.tracks import between_frames
from mscale_uq.io.units import convert

MOST_PLANES = 1_000_000
MOST_LETTERS = 2**27
AXES = "CTZ"
TYPES = {"float": "float32", "double": "float64"}  # the others have the names that NumPy gives them


@final
@dataclass(frozen=True)
class Movie:
    """Planes of a movie.

    Attributes
    ----------
    label
        What messages call the file.
    shape
        ``(rows, columns)`` of a plane.
    dtype
        NumPy's name of the type of its pixels.
    size
        ``(channels, times)``.
    pages
        ``(channels, times)`` the page of the file with each plane.
    deltas
        ``(channels, times)`` seconds from the start, NaN where the file does not say.
    increment
        Seconds between two times, NaN where the file does not say.
    """

    label: str
    shape: tuple[int, int]
    dtype: str
    size: tuple[int, int]
    pages: np.ndarray
    deltas: Array
    increment: float

    def times(self, channel: int, frame_interval: str | None) -> tuple[Array, str]:
        """Return when the planes of a channel were taken, and the unit.

        `frame_interval` (text such as ``"5 min"``) goes before the planes' own times, and these before the
        file's increment.

        Raises
        ------
        DataError
            If there is none of the three, or some planes have a time and others none.
        """
        frames = np.arange(self.size[1])
        if frame_interval is not None:
            interval, unit = between_frames(frame_interval, self.label)
            return np.asarray(frames * interval), unit
        own = self.deltas[channel]
        known = np.isfinite(own)
        if known.all():
            return own, "s"
        if known.any():
            given = f"{self.label}: plane {np.flatnonzero(~known)[0]} of channel {channel} has no DeltaT"
            raise DataError(explain(given, "all planes, or none", "give frame_interval, such as '5 min'"))
        if not self.increment > 0:
            given = f"{self.label}: neither DeltaT of the planes nor TimeIncrement"
            raise DataError(explain(given, "a time for every plane", "give frame_interval, such as '5 min'"))
        return np.asarray(frames * self.increment), "s"


def movie(text: str, label: str, file_name: str) -> Movie:
    """Return what the OME-XML text of a file says.

    Raises
    ------
    DataError
        If it is no OME-XML, has several images or depths, names planes of other files, or a size is none.
    """
    pixels = _pixels(text, label)
    sizes = {axis: _whole(pixels.attrib, f"Size{axis}", label) for axis in "XYZCT"}
    if sizes["Z"] != 1:
        hint = "project the planes, or choose one, and save it again"
        raise DataError(explain(f"{label}: {sizes['Z']} planes in depth", "one", hint))
    if sizes["C"] * sizes["T"] > MOST_PLANES:
        given = f"{label} declares {sizes['C'] * sizes['T']} planes"
        raise DataError(explain(given, f"at most {MOST_PLANES}", "is the file damaged?"))
    size, kind = (sizes["C"], sizes["T"]), pixels.get("Type", "")
    return Movie(
        label,
        (sizes["Y"], sizes["X"]),
        TYPES.get(kind, kind),
        size,
        _pages(pixels, size, label, file_name),
        _deltas(pixels, size, label),
        _seconds(pixels.attrib, "TimeIncrement", label),
    )


def _pixels(text: str, label: str) -> ElementTree.Element:
    if len(text) > MOST_LETTERS or "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise DataError(explain(f"{label}: its description defines entities, or is too long", "OME-XML"))
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        given = f"{label}: its description is no XML: {error}"
        raise DataError(explain(given, "OME-XML", "is the file whole?")) from None
    found = [element for image in _named(root, "Image") for element in _named(image, "Pixels")]
    if len(found) != 1:
        hint = "save one position to a file"
        raise DataError(explain(f"{label}: {len(found)} images", "an OME-TIFF with one", hint))
    return found[0]


def _named(element: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    """Return the children of a name, whatever version of the schema they are of."""
    return [child for child in element if child.tag.rpartition("}")[2] == name]


def _whole(attributes: Mapping[str, str], name: str, label: str, default: int | None = None) -> int:
    text = attributes.get(name, "" if default is None else str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 10) or (default is None and int(text) == 0):
        raise DataError(explain(f"{label}: {name} = {text[:40]!r}", "a whole number", "is the file whole?"))
    return int(text)


def _pages(pixels: ElementTree.Element, size: tuple[int, int], label: str, file_name: str) -> np.ndarray:
    """Return the page of every plane; planes follow one another in the order that the file says."""
    order = [axis for axis in pixels.get("DimensionOrder", "")[2:] if axis in AXES]
    if sorted(order) != sorted(AXES):
        given = f"{label}: DimensionOrder = {pixels.get('DimensionOrder', '')[:40]!r}"
        raise DataError(explain(given, "such as XYZCT", "is the file whole?"))
    lengths = {"C": size[0], "T": size[1], "Z": 1}
    # Number of a plane -> (channel, time), the first axis of the order running fastest.
    grid = np.indices([lengths[axis] for axis in reversed(order)]).reshape(3, -1)[::-1]
    channel, time = grid[order.index("C")], grid[order.index("T")]
    number = np.empty(size, dtype=int)
    number[channel, time] = np.arange(channel.size)
    pages = np.full(size, -1)
    for block in _named(pixels, "TiffData"):
        for link in _named(block, "UUID"):
            if link.get("FileName", file_name) != file_name:
                given = f"{label}: planes lie in {link.get('FileName', '')[:80]!r}"
                raise DataError(explain(given, "a movie in one file"))
        first, start = _first(block, number, label), _whole(block.attrib, "IFD", label, 0)
        count = _whole(block.attrib, "PlaneCount", label, 1 if "IFD" in block.attrib else channel.size)
        planes = slice(first, min(first + count, channel.size))
        pages[channel[planes], time[planes]] = start + np.arange(channel[planes].size)
    if not _named(pixels, "TiffData"):
        pages[channel, time] = np.arange(channel.size)
    if pages.min() < 0:
        raise DataError(explain(f"{label}: some planes lie nowhere", "a page for each", "is the file whole?"))
    return pages


def _first(block: ElementTree.Element, number: np.ndarray, label: str) -> int:
    channel, time = (_whole(block.attrib, f"First{axis}", label, 0) for axis in "CT")
    if channel >= number.shape[0] or time >= number.shape[1]:
        raise DataError(explain(f"{label}: a plane of channel {channel}, time {time}", f"{number.shape}"))
    return int(number[channel, time])


def _deltas(pixels: ElementTree.Element, size: tuple[int, int], label: str) -> Array:
    deltas = np.full(size, np.nan)
    for plane in _named(pixels, "Plane"):
        channel, time = (_whole(plane.attrib, f"The{axis}", label, 0) for axis in "CT")
        if channel < size[0] and time < size[1]:
            deltas[channel, time] = _seconds(plane.attrib, "DeltaT", label)
    return deltas


def _seconds(attributes: Mapping[str, str], name: str, label: str) -> float:
    """Return an attribute with its unit, seconds if it has none, in seconds."""
    if name not in attributes:
        return float("nan")
    unit = attributes.get(f"{name}Unit", "s")
    try:
        value = float(convert(np.array(float(attributes[name])), unit, "s", f"{label}: {name}"))
    except (ValueError, UnitError) as error:
        raise DataError(f"{label}: {name} = {attributes[name][:40]!r} {unit[:20]!r}: {error}") from None
    if not np.isfinite(value):
        raise DataError(explain(f"{label}: {name} = {attributes[name][:40]!r}", "a finite time"))
    return value
