"""Planes of a TIFF file, each looked at before its pixels are read.

The codec reads what is there of a cut file without a word, and unpacks what a damaged one declares. So every
strip must lie in the file, and unpack to its size. Needs the extra ``imaging`` (tifffile).
"""

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from mscale_uq.errors import DataError, explain

MOST_PLANE = 2**30  # bytes of one plane
PLAIN, DEFLATE = 1, (8, 32946)
DAMAGE = (
    *(OSError, RuntimeError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError),
    *(MemoryError, NotImplementedError, AssertionError, EOFError, zlib.error),
)
T = TypeVar("T")


@contextmanager
def opened(path: Path, label: str) -> Iterator[Any]:
    """Open a TIFF file for reading.

    Raises
    ------
    DataError
        If it is none, or tifffile is not installed.
    """
    try:
        import tifffile
    except ImportError:
        hint = "pip install 'mscale_uq[imaging]'"
        raise DataError(explain(f"{label}: reading TIFF files needs tifffile", "", hint)) from None
    if not path.is_file():
        raise DataError(explain(f"{label}: no such file", "a TIFF file"))
    file = attempt(lambda: tifffile.TiffFile(path), f"{label}: no whole TIFF file")
    try:
        yield file
    finally:
        file.close()


def page_count(file: Any, label: str) -> int:
    """Return the number of pages."""
    return attempt(lambda: len(file.pages), f"{label}: its pages are damaged")


def plane(file: Any, number: int, shape: tuple[int, int], dtype: str, label: str) -> np.ndarray:
    """Return the pixels ``(rows, columns)`` of a page.

    Parameters
    ----------
    file
        What `opened` gave.
    number
        Of the page, from zero.
    shape, dtype
        What it must be; `dtype` is NumPy's name, or ``"iu"`` for any type of whole numbers.
    label
        What messages call the file.

    Raises
    ------
    DataError
        If the page is another, was cut, is too large, or is packed in a way that cannot be bounded.
    """
    where = f"{label}: page {number}"
    page = attempt(lambda: file.pages[number], f"{where} is damaged")
    attempt(lambda: _check_form(page, shape, dtype, where), f"{where} is damaged")
    attempt(lambda: _check_segments(file, page, where), f"{where} is damaged")
    pixels = attempt(lambda: np.asarray(page.asarray()), f"{where} cannot be read")
    if pixels.shape != shape:
        raise DataError(explain(f"{where} is read as {pixels.shape}", f"{shape}", "is the file whole?"))
    return pixels


def attempt(read: Callable[[], T], what: str) -> T:
    """Return what `read` returns; raises `DataError` if the file is damaged."""
    try:
        return read()
    except DataError:
        raise
    except DAMAGE as error:
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise DataError(explain(f"{what}: {reason}", "", "is the file whole?")) from None


def _check_form(page: Any, shape: tuple[int, int], dtype: str, where: str) -> None:
    kind = np.dtype(page.dtype)
    if tuple(page.shape) != shape or page.samplesperpixel != 1:
        raise DataError(explain(f"{where} has shape {tuple(page.shape)}", f"{shape}", "is the file whole?"))
    if kind.kind not in "iu" if dtype == "iu" else kind.name != dtype:
        raise DataError(explain(f"{where} holds {kind.name}", "whole numbers" if dtype == "iu" else dtype))
    if page.nbytes > MOST_PLANE:
        given = f"{where} declares {page.nbytes} bytes"
        raise DataError(explain(given, f"at most {MOST_PLANE}", "is the file damaged?"))
    if page.compression not in (PLAIN, *DEFLATE) or page.is_tiled:
        given = f"{where} is packed by method {int(page.compression)}, tiled: {page.is_tiled}"
        hint = "save it again in strips, uncompressed or with deflate (zlib)"
        raise DataError(explain(given, "strips without compression, or deflate", hint))


def _check_segments(file: Any, page: Any, where: str) -> None:
    """Every strip lies in the file, and holds as many bytes as its rows need."""
    end = file.filehandle.size
    rows, width = page.imagelength, page.imagewidth * np.dtype(page.dtype).itemsize
    high = min(int(page.rowsperstrip), rows)
    needed = [min(high, rows - top) * width for top in range(0, rows, max(high, 1))]
    if len(needed) != len(page.dataoffsets) or len(needed) != len(page.databytecounts):
        given = f"{where} has {len(page.dataoffsets)} strips"
        raise DataError(explain(given, f"{len(needed)}", "is the file whole?"))
    for offset, count, size in zip(page.dataoffsets, page.databytecounts, needed, strict=True):
        if offset <= 0 or count <= 0 or offset + count > end:
            given = f"{where} ends at byte {offset + count} of {end}"
            raise DataError(explain(given, "pixels inside the file", "the file was cut"))
        if page.compression == PLAIN:
            held = count
        else:
            file.filehandle.seek(offset)
            held = len(zlib.decompressobj().decompress(file.filehandle.read(count), size + 1))
        if held != size:
            raise DataError(explain(f"{where} holds {held} bytes in a strip", f"{size}", "the file was cut"))
