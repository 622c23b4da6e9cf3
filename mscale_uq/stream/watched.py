"""Files of other programs that come into a folder, or grow there, as a source of records.

A file is read whole whenever it has changed, so that a program may append to it or write it anew: a record
that was told before is not told again, and one that says something else than before is refused by the
follower. A file that grows line by line is read as far as its lines have ends; any other is read once it has
not changed for a while. What cannot be read by then is told with the reason.
"""

import os
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

from mscale_uq.errors import DataError, UnitError, explain
from mscale_uq.stream.delivery import Delivery
from mscale_uq.stream.message import Message, digest, from_record
from mscale_uq.stream.records import deliver
from mscale_uq.stream.source import MOST_AT_ONCE, Source

QUIET = 3.0  # seconds without a change, after which a file counts as whole
HEADER = 4  # the most lines that any program writes before the first row

Stamp = tuple[int, int]  # time of the last change, size
ReadFile = Callable[[Path, str], Sequence[dict[str, Any]]]


@final
class WatchedFiles(Source):
    """The files that match some patterns, in the order of their names.

    Parameters
    ----------
    name
        What the journal knows it by.
    patterns
        Absolute paths, whose last part may have wild cards.
    read
        Makes the records of a file from its path and its label, or raises a `DataError`. The label is the
        file's name; where patterns lie in several folders, its path below what these have in common.
    by_lines
        Whether a file may be read while it grows.
    quiet
        Seconds without a change, after which a file counts as whole.
    header
        Lines that may be there before the first row: a table of no more is no mistake yet.
    """

    def __init__(
        self,
        name: str,
        patterns: Sequence[Path],
        read: ReadFile,
        by_lines: bool,
        quiet: float = QUIET,
        header: int = HEADER,
    ) -> None:
        self.name = name
        self._patterns, self._read, self._by_lines, self._quiet = tuple(patterns), read, by_lines, quiet
        self._header = header
        self._home = Path(os.path.commonpath([pattern.parent for pattern in self._patterns]))
        self._seen: dict[Path, tuple[Stamp, float]] = {}
        self._done: dict[Path, Stamp] = {}
        self._told: dict[str, str] = {}
        self._waiting: deque[Delivery] = deque()
        self._pending = False

    @property
    def ended(self) -> bool:
        """Never: another file may always come."""
        return False

    @property
    def pending(self) -> bool:
        """Whether a file is there that may not be whole yet."""
        return self._pending

    def read(self, position: int) -> list[Delivery]:
        """Return the next records of files that came or changed; positions are not needed."""
        if not self._waiting:
            self._pending = False
            for path in matching(self._patterns):
                self._look_at(path)
        return [self._waiting.popleft() for _ in range(min(MOST_AT_ONCE, len(self._waiting)))]

    def label(self, path: Path) -> str:
        """Return what records and messages call a file; no other file has this label."""
        return path.relative_to(self._home).as_posix()

    def _look_at(self, path: Path) -> None:
        try:
            stat = path.stat()
        except OSError:  # it was taken away meanwhile
            return
        stamp = stat.st_mtime_ns, stat.st_size
        if self._done.get(path) == stamp:
            return
        whole = self._is_quiet(path, stamp, stat.st_mtime)
        if not (whole or self._by_lines):
            self._pending = True
            return
        lines = self._header + 1
        try:
            with _whole_lines(path) if self._by_lines else _as_it_is(path) as (there, lines):
                records = self._read(there, self.label(path))
        except (DataError, UnitError) as error:
            self._pending |= not whole
            if whole and lines > self._header:
                self._done[path] = stamp
                self._refuse(path, stamp, str(error))
            return
        self._done[path] = stamp
        for record in records:
            self._tell(deliver(from_record, record, f"{self.label(path)}: {record['id']}", 0))

    def _is_quiet(self, path: Path, stamp: Stamp, changed: float) -> bool:
        """Whether a file has not changed for long enough, by its own clock or by ours."""
        before, since = self._seen.get(path, (None, 0.0))
        if before != stamp:
            since = time.monotonic()
            self._seen[path] = stamp, since
        return time.time() - changed >= self._quiet or time.monotonic() - since >= self._quiet

    def _tell(self, one: Delivery) -> None:
        """Put a record into the queue, unless it was told before."""
        name, content = _named(one.message, one.text)
        if self._told.get(name) != content:
            self._told[name] = content
            self._waiting.append(Delivery(one.message, one.text, one.reason, 0, counted=False))

    def _refuse(self, path: Path, stamp: Stamp, reason: str) -> None:
        text = f"{self.label(path)} of {stamp[1]} bytes"
        self._waiting.append(Delivery(None, f"{text}: {reason}", reason, 0, counted=False))


def matching(patterns: Sequence[Path]) -> list[Path]:
    """Return the files that match absolute paths with wild cards, in the order of names; no hidden ones."""
    found = {path for pattern in patterns for path in pattern.parent.glob(pattern.name)}
    return sorted(path for path in found if path.is_file() and not path.name.startswith("."))


def _named(message: Message | None, text: str) -> tuple[str, str]:
    return (digest(text),) * 2 if message is None else (message.name, message.digest)


@contextmanager
def _as_it_is(path: Path) -> Iterator[tuple[Path, int]]:
    yield path, HEADER + 1


@contextmanager
def _whole_lines(path: Path) -> Iterator[tuple[Path, int]]:
    """Give a file without a last line that has no end yet, and the number of its lines.

    Raises
    ------
    DataError
        If it cannot be read.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:  # taken away meanwhile
        content = b""
    except OSError as error:
        raise DataError(explain(f"{path.name}: {error.strerror}", "a file that may be read")) from None
    end = content.rfind(b"\n") + 1
    with tempfile.NamedTemporaryFile(suffix=path.suffix) as file:
        file.write(content[:end])
        file.flush()
        yield Path(file.name), content.count(b"\n")
