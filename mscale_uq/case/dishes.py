"""Which dish a sequenced cell is of, as a number.

A dish is what one file says of one batch at one time: files know nothing of each other's batches, and a dish
that was taken away cannot be at two times.
"""

import zlib
from collections.abc import Sequence

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.io.cell_counts import CellCounts

Dish = tuple[str, str, float]  # file, batch, time


def dishes_of(files: Sequence[CellCounts], growing: bool) -> list[Array]:
    """Return the number of each cell's dish, ``(cells,)`` for each file.

    Dishes are 1, 2, .. in the order in which they come. Where files are still to come (`growing`) nobody
    knows that order: the number then follows from the dish itself, and only tells dishes apart.
    """
    found = [_dishes(one) for one in files]
    known = dict.fromkeys(dish for of in found for dish in of)
    if growing:
        number = {dish: number_of("/".join(map(str, dish))) for dish in known}
    else:
        number = {dish: float(place) for place, dish in enumerate(known, start=1)}
    return [np.array([number[dish] for dish in of], dtype=float) for of in found]


def number_of(name: str) -> float:
    """Return a number for a name; two names have the same once in billions of pairs."""
    return float(zlib.crc32(name.encode("utf-8", "backslashreplace")))


def _dishes(one: CellCounts) -> list[Dish]:
    batches = np.full(len(one.cells), "") if one.batches is None else one.batches
    pairs = zip(batches.astype(str).tolist(), one.times.tolist(), strict=True)
    return [(one.label, batch, time) for batch, time in pairs]
