"""The tracks of the Cell Tracking Challenge: ``man_track.txt`` and ``res_track.txt``, without a header.

A row is ``L B E P``: label, first and last frame (from zero, both included), label of the parent or 0. A
parent with one child is a gap in a track, with two a division. Maška et al. (2023),
https://doi.org/10.1038/s41592-023-01879-y.
"""

from pathlib import Path

import numpy as np

from mscale_uq.errors import DataError, explain
from mscale_uq.io.rows import Rows, split_rows
from mscale_uq.io.text import MOST_BYTES, read_text
from mscale_uq.io.tracks import Tracks, between_frames

MOST_ROWS = 20_000_000
MOST_LABEL = 65_535  # labels are pixels of 16 bits


def read_cell_tracking_challenge(
    path: Path,
    label: str | None = None,
    *,
    frame_interval: str,
    most_rows: int = MOST_ROWS,
    most_bytes: int = MOST_BYTES,
) -> Tracks:
    """Return one row for every label and frame from its first to its last; nothing is measured in them.

    Parameters
    ----------
    path, label
        The file, and what messages call it.
    frame_interval
        Time between frames with its unit, such as ``"5 min"``.
    most_rows
        Tracks that declare more rows are refused.
    most_bytes
        A larger file is refused.

    Raises
    ------
    DataError
        If the file is cut or no such table, a track ends before it begins, or a parent is not there or
        lives on.
    """
    label = label or path.name
    text = read_text(path, label, "rows 'L B E P'", most_bytes)
    rows = split_rows(text, label, "\t" if "\t" in text else " ")
    if len(rows.cells[0]) != 4:
        given = f"{label}: line 1 has {len(rows.cells[0])} cells"
        raise DataError(explain(given, "four numbers: label, first frame, last frame, parent"))
    labels, first, last, parents = (rows.integers(i, name) for i, name in enumerate("LBEP"))
    _check(rows, labels, first, last)
    lengths = last - first + 1
    if lengths.sum(dtype=float) > most_rows:
        given = f"{label}: tracks of {lengths.sum(dtype=float):.0f} frames in all"
        raise DataError(explain(given, f"at most {most_rows}", "raise most_rows if the file is whole"))
    cells = np.repeat(labels.astype(str).astype(object), lengths)
    frames = np.concatenate([np.arange(b, e + 1) for b, e in zip(first, last, strict=True)])
    interval, unit = between_frames(frame_interval, label)
    lines = np.repeat(rows.lines, lengths)
    return Tracks(label, cells, frames * interval, unit, (), lines, frames, _parents(rows, labels, parents))


def _check(rows: Rows, labels: np.ndarray, first: np.ndarray, last: np.ndarray) -> None:
    twice = np.flatnonzero(~np.isin(np.arange(labels.size), np.unique(labels, return_index=True)[1]))
    wrong = {
        "a label that stands above too": twice,
        f"a label outside 1 to {MOST_LABEL}": np.flatnonzero((labels < 1) | (labels > MOST_LABEL)),
        "a track that ends before it begins": np.flatnonzero((first < 0) | (last < first)),
    }
    for what, where in wrong.items():
        if where.size:
            given = f"{rows.label}: line {rows.lines[where[0]]}: {what}: {' '.join(rows.cells[where[0]])}"
            raise DataError(explain(given, "label, first frame, last frame, parent; frames from zero"))


def _parents(rows: Rows, labels: np.ndarray, parents: np.ndarray) -> dict[str, str]:
    starts, ends = (dict(zip(labels.tolist(), rows.integers(i, "BE"[i - 1]), strict=True)) for i in (1, 2))
    found = {}
    for cell, parent, line in zip(labels.tolist(), parents.tolist(), rows.lines, strict=True):
        if parent == 0:
            continue
        if parent not in ends or ends[parent] >= starts[cell]:
            what = "lives on" if parent in ends else "is not there"
            given = f"{rows.label}: line {line}: the parent {parent} of {cell} {what}"
            raise DataError(explain(given, "0, or a label that ended before this one began"))
        found[str(cell)] = str(parent)
    return found
