"""Text of a file, read whole within a limit, or refused with the reason."""

import os
from pathlib import Path

from mscale_uq.errors import DataError, explain

MOST_BYTES = 2**31  # a tracker's table of ten million rows


def read_text(
    path: Path, label: str, what: str = "a CSV file", most_bytes: int = MOST_BYTES, western: bool = False
) -> str:
    """Return a file's text, in UTF-8 with or without a byte order mark.

    Parameters
    ----------
    path, label
        The file, and what messages call it.
    what
        What the file should be, for messages.
    most_bytes
        A larger file is refused before it is read.
    western
        Whether text that is no UTF-8 is read as Latin-1, in which Java programs of older Windows machines
        write.

    Raises
    ------
    DataError
        If the file cannot be read, is too large, or is no text.
    """
    try:
        size = os.stat(path).st_size
        if size > most_bytes:
            given, hint = f"{label}: {size} bytes", "raise most_bytes if the machine's memory allows it"
            raise DataError(explain(given, f"at most {most_bytes} bytes", hint))
        content = path.read_bytes()
    except OSError as error:
        raise DataError(explain(f"{label}: cannot be read: {error.strerror}", what)) from None
    return _decoded(content, label, western)


def _decoded(content: bytes, label: str, western: bool) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if not western:
            given = f"{label}: byte {error.start} is not UTF-8"
            raise DataError(explain(given, "text in UTF-8", "save the file as CSV (UTF-8)")) from None
        text = content.decode("latin-1")
    if "\0" in text:
        given = f"{label}: holds zero bytes"
        raise DataError(explain(given, "text in UTF-8", "save the file as CSV (UTF-8)"))
    return text
