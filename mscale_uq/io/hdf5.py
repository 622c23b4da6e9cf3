"""HDF5 files from anywhere: every access ends in what was asked for, or in a `DataError`.

A file can declare sizes that it does not hold, chunks that fill the memory when one number is read, and data
that lie in other files. Sizes are looked at before anything is read; links that lead out of the file are
refused.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import h5py
import numpy as np

from mscale_uq.errors import DataError, explain
from mscale_uq.io.hdf5_heap import check_heaps

MOST_CHUNK = 2**28  # bytes that are unpacked at once
MOST_NAME = 1000  # letters of a name
T = TypeVar("T")
# What h5py raises on files that are damaged.
DAMAGE = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, OverflowError, MemoryError)


@contextmanager
def opened(path: Path, label: str) -> Iterator[h5py.File]:
    """Open a file for reading.

    Raises
    ------
    DataError
        If it is no HDF5 file, or was cut.
    """
    if not path.is_file():
        raise DataError(explain(f"{label}: no such file", "an HDF5 file"))
    check_heaps(path, label)
    file = _try(lambda: h5py.File(path, "r", locking=False), label, "is no whole HDF5 file")
    try:
        yield file
    finally:
        file.close()


def child(group: h5py.Group, name: str, label: str) -> h5py.Group | h5py.Dataset | None:
    """Return what lies in a group under a name, or None.

    Raises
    ------
    DataError
        If it is damaged, or lies in another file.
    """
    where = f"{label}: {group.name.rstrip('/')}/{name}"
    link = _try(lambda: group.get(name, getlink=True), where, "is damaged")
    if link is None:
        return None
    if isinstance(link, h5py.ExternalLink):
        raise DataError(explain(f"{where} lies in another file", "data in the file itself"))
    found = _try(lambda: group[name], where, "is damaged")
    if isinstance(found, h5py.Dataset):
        _check_dataset(found, where)
    elif not isinstance(found, h5py.Group):
        raise DataError(explain(f"{where} is a type", "a group or a dataset"))
    return found


def names(group: h5py.Group, label: str) -> list[str]:
    """Return the names in a group, at most a thousand."""
    return _try(lambda: [str(name) for name, _ in zip(group, range(1000), strict=False)], label, "is damaged")


def attribute(thing: h5py.Group | h5py.Dataset, name: str, label: str) -> Any:
    """Return an attribute, or None if there is none."""
    where = f"{label}: attribute {name!r} of {thing.name}"

    def read() -> Any:
        if name not in thing.attrs:
            return None
        if np.prod(thing.attrs.get_id(name).shape or (), dtype=float) > MOST_NAME:
            raise ValueError("it is longer than a thousand entries")
        return thing.attrs[name]

    return _try(read, where, "is damaged")


def dataset(group: h5py.Group, name: str, label: str) -> h5py.Dataset:
    """Return a dataset; raises `DataError` if there is none of this name."""
    found = child(group, name, label)
    if not isinstance(found, h5py.Dataset):
        given = f"{label}: {group.name.rstrip('/')}/{name} is no dataset"
        raise DataError(explain(given, "", "is the file whole?"))
    return found


def numbers(data: h5py.Dataset, part: Any, label: str) -> np.ndarray:
    """Return a part of a dataset of numbers; `part` is whatever h5py takes between brackets."""
    where = f"{label}: {data.name}"
    if _try(lambda: data.dtype.kind, where, "is damaged") not in "iufb":
        raise DataError(explain(f"{where} holds no numbers", "whole or decimal numbers"))
    return _try(lambda: np.asarray(data[part]), where, "is damaged")


def texts(data: h5py.Dataset, most: int, label: str) -> np.ndarray:
    """Return a dataset ``(n,)`` of text as an array of `str`.

    Raises
    ------
    DataError
        If it is none of text, not one row, longer than `most`, or holds a text of more than 1000 letters.
    """
    where = f"{label}: {data.name}"
    length = vector_length(data, most, label)
    kind = _try(lambda: h5py.check_string_dtype(data.dtype), where, "is damaged")
    if kind is None or (kind.length or 0) > 4 * MOST_NAME:
        raise DataError(explain(f"{where} holds no short text", "text"))

    def some(start: int) -> np.ndarray:
        return _try(lambda: data.asstr()[start : start + 10_000], where, "is damaged")

    parts = [some(start) for start in range(0, length, 10_000)]
    found = np.concatenate(parts).astype(object) if parts else np.array([], dtype=object)
    if max(map(len, found), default=0) > MOST_NAME:
        raise DataError(explain(f"{where} holds a text of more than {MOST_NAME} letters", "names"))
    return found


def vector_length(data: h5py.Dataset, most: int, label: str) -> int:
    """Return the length of a dataset with one axis; raises `DataError` if it has others, or is too long."""
    if len(data.shape) != 1:
        given = f"{label}: {data.name} has shape {data.shape}"
        raise DataError(explain(given, "one axis"))
    if data.shape[0] > most:
        given = f"{label}: {data.name} declares {data.shape[0]} entries"
        raise DataError(explain(given, f"at most {most}", "is the file damaged?"))
    return int(data.shape[0])


def _check_dataset(data: h5py.Dataset, where: str) -> None:
    """Refuse what is not in the file itself, or cannot be read in steps."""

    def look() -> tuple[bool, int, int]:
        chunk = int(np.prod(data.chunks or (), dtype=float)) * data.dtype.itemsize
        declared = int(np.prod(data.shape, dtype=float)) * data.dtype.itemsize
        stored = data.id.get_storage_size()
        outside = bool(data.is_virtual) or data.external is not None
        return outside, chunk if data.chunks else 0, declared if stored == 0 else 0

    outside, chunk, absent = _try(look, where, "is damaged")
    if outside:
        raise DataError(explain(f"{where} lies in another file", "data in the file itself"))
    if chunk > MOST_CHUNK:
        given = f"{where} is unpacked in pieces of {chunk} bytes"
        raise DataError(explain(given, f"at most {MOST_CHUNK} bytes", "write it in smaller chunks"))
    if absent > MOST_CHUNK:
        raise DataError(explain(f"{where} declares {absent} bytes and stores none", "", "is the file whole?"))


def _try(read: Callable[[], T], where: str, what: str) -> T:
    try:
        return read()
    except DAMAGE as error:
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        hint = "is the file whole? a filter that is missing here? save it again, uncompressed or with gzip"
        raise DataError(explain(f"{where} {what}: {reason}", "", hint)) from None
