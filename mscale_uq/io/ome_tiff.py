"""Intensities of cells from a movie (OME-TIFF) and the labels of its segmentation, a plane for each time."""

from pathlib import Path
from typing import Any

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.errors import DataError, explain
from mscale_uq.io import tiff
from mscale_uq.io.ome import Movie, movie
from mscale_uq.io.table import Column
from mscale_uq.io.tracks import Tracks

NAMES = ("MEAN_INTENSITY", "TOTAL_INTENSITY", "MAX_INTENSITY", "AREA")
UNITS = ("count", "count", "count", "pixel")
MOST_ROWS = 20_000_000
MOST_PIXELS = 10**11  # of a channel: more than a thousand planes of 8192 x 8192


def read_ome_tiff(
    path: Path,
    labels: str | Path,
    label: str | None = None,
    *,
    channel: int = 0,
    frame_interval: str | None = None,
    lineage: Tracks | None = None,
    most_pixels: int = MOST_PIXELS,
) -> Tracks:
    """Return mean, total and largest intensity, and area, of every label in every plane.

    A cell is a label, the same one in every plane, 0 being the background. Intensities are those of the file:
    no background is taken away.

    Parameters
    ----------
    path, label
        The movie, and what messages call it.
    labels
        A TIFF file with one page for each time, or a folder with one file ``*.tif`` for each, in the order of
        their names, as the Cell Tracking Challenge has them.
    channel
        Which channel, from zero.
    frame_interval
        Time between frames with its unit, such as ``"5 min"``; without it the times of the planes
        (``DeltaT``), or else ``TimeIncrement``.
    lineage
        Tracks of the same labels, which say who is whose parent.
    most_pixels
        A movie that declares more of them in a channel is refused.

    Raises
    ------
    DataError
        If a file was cut, is none such, has no times, or does not fit the other.
    """
    label = label or path.name
    with tiff.opened(path, label) as file:
        text = tiff.attempt(lambda: file.ome_metadata, f"{label}: its description is damaged")
        if not isinstance(text, str):
            raise DataError(explain(f"{label}: no OME-XML in its first page", "an OME-TIFF"))
        about = movie(text, label, path.name)
        _check(about, channel, tiff.page_count(file, label), most_pixels)
        times, unit = about.times(channel, frame_interval)
        masks = _Masks(Path(labels), about)
        rows = [
            _of_frame(tiff.plane(file, page, about.shape, about.dtype, label), masks.plane(time))
            for time, page in enumerate(about.pages[channel].tolist())
        ]
    return _tracks(label, rows, times, unit, lineage)


def _check(about: Movie, channel: int, pages: int, most_pixels: int) -> None:
    if not 0 <= channel < about.size[0]:
        raise DataError(explain(f"{about.label}: channel {channel}", f"0 to {about.size[0] - 1}"))
    if pages <= about.pages.max():
        given = f"{about.label}: {pages} pages, and a plane in page {about.pages.max()} (from zero)"
        raise DataError(explain(given, "a page for every plane", "the file was cut"))
    if np.unique(about.pages).size < about.pages.size:
        raise DataError(explain(f"{about.label}: two planes in one page", "a page for every plane"))
    declared = about.shape[0] * about.shape[1] * about.size[1]
    if declared > most_pixels:
        given = f"{about.label} declares {declared} pixels in a channel"
        raise DataError(explain(given, f"at most {most_pixels}", "raise most_pixels if the file is whole"))


class _Masks:
    """Labels of every time, from one file or from a folder of files."""

    def __init__(self, path: Path, about: Movie) -> None:
        self._shape, self._path = about.shape, path
        self._files = sorted(path.glob("*.tif*")) if path.is_dir() else [path]
        self._one = not path.is_dir()
        count = self._count()
        if count != about.size[1]:
            given = f"{path.name}: labels of {count} times"
            raise DataError(explain(given, f"{about.size[1]}, as {about.label} has", "was a file cut?"))

    def plane(self, time: int) -> np.ndarray:
        """Return the labels ``(rows, columns)`` of a time."""
        file = self._files[0 if self._one else time]
        with tiff.opened(file, file.name) as opened:
            return tiff.plane(opened, time if self._one else 0, self._shape, "iu", file.name)

    def _count(self) -> int:
        if not self._one:
            return len(self._files)
        with tiff.opened(self._path, self._path.name) as opened:
            return tiff.page_count(opened, self._path.name)


def _of_frame(pixels: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, Array]:
    """Return the labels of a plane, and mean, total, largest intensity and area ``(labels, 4)``."""
    inside = labels != 0
    found, place = np.unique(labels[inside], return_inverse=True)
    if np.any(found < 0):
        raise DataError(explain(f"label {found[0]}", "0 for the background, and positive numbers"))
    values = np.asarray(pixels[inside], dtype=float)
    area, total = np.bincount(place, minlength=found.size), np.bincount(place, values, found.size)
    largest = np.full(found.size, -np.inf)
    np.maximum.at(largest, place, values)
    return found, np.column_stack([total / area, total, largest, area])


def _tracks(
    label: str, rows: list[tuple[np.ndarray, Array]], times: Array, unit: str, lineage: Tracks | None
) -> Tracks:
    lengths = [found.size for found, _ in rows]
    if sum(lengths) > MOST_ROWS:
        raise DataError(explain(f"{label}: {sum(lengths)} labels in all", f"at most {MOST_ROWS}"))
    cells = np.concatenate([found for found, _ in rows]).astype(str).astype(object)
    values = np.concatenate([measured for _, measured in rows])
    infinite = np.flatnonzero(~np.isfinite(values).all(axis=1))
    frames = np.repeat(np.arange(len(rows)), lengths)
    if infinite.size:
        given = f"{label}: time {frames[infinite[0]]}, label {cells[infinite[0]]}: a pixel is no number"
        raise DataError(explain(given, "finite numbers"))
    known: Any = lineage.parents if lineage is not None else {}
    here = set(cells)
    return Tracks(
        label,
        cells,
        times[frames],
        unit,
        tuple(Column(name, of, values[:, i]) for i, (name, of) in enumerate(zip(NAMES, UNITS, strict=True))),
        frames,
        frames,
        {cell: parent for cell, parent in known.items() if cell in here},
    )
