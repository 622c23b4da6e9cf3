"""Files that survive a crash: atomic replacement, and an append-only log of checksummed records.

A record is ``length (4 bytes) | checksum (4 bytes) | payload``, little endian; the checksum (CRC-32) covers
the length as well, so that a tail of zeros, which some file systems leave after a power cut, is no valid
record. A reader takes records until the first one that is cut or damaged, and says where the good ones end.
A writer cuts off what a crash leaves at the end, and refuses damage in front of good records.
"""

import fcntl
import os
import secrets
import struct
import time
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self, final

from mscale_uq.errors import RunError, explain

_HEAD = struct.Struct("<II")


class Closing(ABC):
    """What a ``with`` block closes at its end, however it ends."""

    @abstractmethod
    def close(self) -> None:
        """Let go of what is held."""

    @final
    def __enter__(self) -> Self:
        return self

    @final
    def __exit__(self, *_: object) -> None:
        self.close()


@final
@dataclass(frozen=True)
class Records:
    """What a log holds.

    Attributes
    ----------
    payloads
        The good records from the start, in order.
    ends
        Byte offset behind each of them.
    """

    payloads: tuple[bytes, ...]
    ends: tuple[int, ...]

    @property
    def end(self) -> int:
        """Byte offset behind the last good record, where a writer may go on."""
        return self.ends[-1] if self.ends else 0


def replace(path: Path, content: bytes) -> None:
    """Put `content` into `path` so that a crash at any moment leaves the old file or the new one, whole."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make creations, renamings and removals in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def frame(payload: bytes) -> bytes:
    """Return `payload` as one record."""
    length = struct.pack("<I", len(payload))
    return _HEAD.pack(len(payload), zlib.crc32(payload, zlib.crc32(length))) + payload


def parse(content: bytes) -> Records:
    """Return the records at the start of `content`, up to the first that is cut or damaged."""
    pairs = list(_walk(content))
    return Records(tuple(payload for payload, _ in pairs), tuple(end for _, end in pairs))


def read_records(path: Path) -> Records:
    """Return the good records of a log; none if the file does not exist."""
    try:
        return parse(path.read_bytes())
    except FileNotFoundError:
        return Records((), ())


def _walk(content: bytes) -> Iterator[tuple[bytes, int]]:
    start = 0
    while (end := _end(content, start)) is not None:
        yield content[start + _HEAD.size : end], end
        start = end


def _end(content: bytes, start: int) -> int | None:
    """Return the byte offset behind the record that begins at `start`; None if no good one does."""
    if start + _HEAD.size > len(content):
        return None
    length, checksum = _HEAD.unpack_from(content, start)
    end = start + _HEAD.size + int(length)
    if end > len(content):
        return None
    payload = memoryview(content)[start + _HEAD.size : end]
    return end if zlib.crc32(payload, zlib.crc32(content[start : start + 4])) == checksum else None


@final
class RecordWriter(Closing):
    """The one writer of a log; appends records and makes them durable on request.

    Opening locks the file, reads it, and cuts off a damaged tail. Damage that good records follow is no trace
    of a crash: the file is left as it is.

    Parameters
    ----------
    path
        The log; made if it does not exist.
    patience
        Seconds to wait for another writer of the same file to finish.
    lenient
        Whether to open a damaged log, too; the caller then says by `cut` where to go on, or refuses it.

    Attributes
    ----------
    found
        The good records the log held when it was opened.

    Raises
    ------
    RunError
        If another process still writes this file after `patience`, or it is damaged in front of good records.
    """

    def __init__(self, path: Path, patience: float = 10.0, *, lenient: bool = False) -> None:
        # Opened for update, not truncated: nothing may change before the lock is ours.
        self._file, self._path = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "r+b"), path
        try:
            _lock(self._file.fileno(), path, patience)
            content = self._file.read()
            self.found = parse(content)
            behind = range(self.found.end + 1, len(content))
            self._damaged = any(_end(content, start) is not None for start in behind)
            if not lenient:
                self.refuse_damage()
        except RunError:
            self._file.close()
            raise
        if not self._damaged:
            self.cut(self.found.end)
        sync_folder(path.parent)

    def refuse_damage(self) -> None:
        """Raise RunError if good records lie behind a damaged one."""
        if self._damaged:
            given = f"{self._path} is damaged at byte {self.found.end}, and good records lie behind"
            hint = "nothing was changed: put a copy of the file in its place, or start over with --fresh"
            raise RunError(explain(given, hint=hint))

    @property
    def position(self) -> int:
        """Byte offset behind the last record."""
        return self._file.tell()

    def cut(self, end: int) -> None:
        """Go on at byte `end`, forgetting what lies behind it."""
        self._file.truncate(end)
        self._file.seek(end)

    def append(self, payload: bytes) -> None:
        """Add one record; it is durable after the next `sync`."""
        self._file.write(frame(payload))

    def sync(self) -> None:
        """Make everything appended so far durable."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Make everything durable and let other writers in."""
        self.sync()
        self._file.close()


@final
class Lock:
    """A lock that one process holds; the system lets go of it when the process ends, however it ends.

    Parameters
    ----------
    path
        A file that stands for what is locked; made if it does not exist.
    patience
        Seconds to wait for another process.

    Raises
    ------
    RunError
        If another process still holds it after `patience`.
    """

    def __init__(self, path: Path, patience: float = 10.0) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _lock(self._descriptor, path, patience)
        except RunError:
            self.close()
            raise

    def close(self) -> None:
        """Let others in."""
        os.close(self._descriptor)


def _lock(descriptor: int, path: Path, patience: float) -> None:
    """Lock an open file for this process; the system lets go when the process ends, however it ends."""
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                given = f"{path} is being written by another process"
                raise RunError(explain(given, hint="wait for that run, or stop it")) from None
            time.sleep(0.1)
