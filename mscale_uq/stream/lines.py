"""Whole lines of a file that grows, or of a pipe; a last line without its end waits for it."""

import os
import select
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import final

from mscale_uq.errors import DataError, explain
from mscale_uq.stream.source import MOST_AT_ONCE

CHUNK = 1 << 20
MOST_BYTES = 1 << 26  # of one line
SECONDS = 0.2  # that a pipe is waited for

Line = tuple[bytes, int]  # a line without its end, and the position behind it


class Lines(ABC):
    """Where lines come from; `name` is for messages."""

    name: str

    @abstractmethod
    def read(self, position: int) -> list[Line]:
        """Return the next whole lines from a position on, at most a batch."""

    @property
    @abstractmethod
    def ended(self) -> bool:
        """Whether nothing more will come."""


@final
class FileLines(Lines):
    """The lines of a file that grows; positions are bytes.

    Raises
    ------
    DataError
        On reading: if the file became shorter than it was, or a line is longer than 64 MiB.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name = path.name

    @property
    def ended(self) -> bool:
        """Never: a file may always grow."""
        return False

    def read(self, position: int) -> list[Line]:
        """Return whole lines; none if the file is not there yet."""
        try:
            with self._path.open("rb") as file:
                if os.fstat(file.fileno()).st_size < position:
                    hint = "a stream only grows: give a new file, or a new --out FOLDER"
                    raise DataError(explain(f"{self.name} is shorter than it was", "more lines", hint))
                file.seek(position)
                return list(_whole_lines(file, position, self.name))
        except FileNotFoundError:
            return []


@final
class PipeLines(Lines):
    """The lines of a pipe or a terminal, such as the standard input; positions count bytes of this process.

    When it has ended, a last line without its end is handed over as it is.
    """

    def __init__(self, descriptor: int, name: str) -> None:
        self._descriptor, self.name = descriptor, name
        self._rest = b""
        self._position = 0
        self._ended = False

    @property
    def ended(self) -> bool:
        """Whether the writer has closed it, and everything was read."""
        return self._ended and not self._rest

    def read(self, position: int) -> list[Line]:
        """Return what has come; waits for a fifth of a second at most."""
        if not self._ended and b"\n" not in self._rest:
            self._receive()
        pieces = self._rest.split(b"\n", MOST_AT_ONCE)
        lines, self._rest = pieces[:-1], pieces[-1]
        if self._ended and not lines and self._rest:
            lines, self._rest = [self._rest], b""
        _check_length(self._rest, self.name)
        made = []
        for line in lines:
            self._position += len(line) + 1
            made.append((line, self._position))
        return made

    def _receive(self) -> None:
        if not select.select([self._descriptor], [], [], SECONDS)[0]:
            return
        content = os.read(self._descriptor, CHUNK)
        self._ended = not content
        self._rest += content


def _whole_lines(file: object, position: int, name: str) -> Iterator[Line]:
    rest = b""
    count = 0
    while count < MOST_AT_ONCE:
        content: bytes = file.read(CHUNK)  # type: ignore[attr-defined]
        if not content:
            return
        *lines, rest = (rest + content).split(b"\n")
        _check_length(rest, name)
        for line in lines[: MOST_AT_ONCE - count]:
            position += len(line) + 1
            count += 1
            yield line, position


def _check_length(line: bytes, name: str) -> None:
    if len(line) > MOST_BYTES:
        given = f"{name}: a line of more than {MOST_BYTES} bytes"
        raise DataError(explain(given, "one record in a line", "large arrays: one record per source"))
