"""The heaps in which an HDF5 file keeps texts, walked before the library walks them.

Where the sizes in a heap do not lead to its end, the library (2.0.0 was seen to) goes round in circles for
ever, and a call into C cannot be stopped. The layout is that of the section "Global Heap" of the HDF5 File
Format Specification.
"""

import mmap
import struct
from pathlib import Path

from mscale_uq.errors import DataError, explain

SIGNATURE = b"GCOL\x01\x00\x00\x00"  # with its version and three zeros
OBJECT = struct.Struct("<HHIQ")  # index, references, zeros, size


def check_heaps(path: Path, label: str) -> None:
    """Raise `DataError` if a heap's objects do not fill it exactly."""
    if path.stat().st_size == 0:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        start = content.find(SIGNATURE)
        while start >= 0:
            end = _end(content, start)
            if end is None:
                given = f"{label}: the heap of texts at byte {start} is damaged"
                raise DataError(explain(given, "an undamaged HDF5 file", "is the file whole?"))
            start = content.find(SIGNATURE, end)


def _end(content: mmap.mmap, start: int) -> int | None:
    """Return the end of a heap, or None if its objects lead elsewhere."""
    place = start + 16
    if place > len(content):
        return None
    end = start + int.from_bytes(content[start + 8 : place], "little")
    if not place <= end <= len(content):
        return None
    while place + OBJECT.size <= end:
        index, _, _, size = OBJECT.unpack_from(content, place)
        if index == 0:  # what is free, to the end, its own head included
            return end if place + size == end else None
        place += OBJECT.size + -(-size // 8) * 8
    return end if place <= end else None
