"""Collects what is wrong in a file, so that a person reads of every mistake at once.

An error that tells of several mistakes has a line for each.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import final

from mscale_uq.errors import CaseError, DataError, InputError, UnitError


@final
class Mistakes:
    """The mistakes found in one case file.

    Parameters
    ----------
    label
        What messages call the file.
    """

    def __init__(self, label: str) -> None:
        self.label = label
        self._found: list[tuple[str, type[InputError]]] = []

    def __len__(self) -> int:
        return len(self._found)

    def add(self, key: str, message: str, kind: type[InputError] = CaseError) -> None:
        """Note what is wrong at a key such as ``prior.k``; what serves several experiments is noted once."""
        for line in message.split("\n"):
            if (f"{key}: {line}", kind) not in self._found:
                self._found.append((f"{key}: {line}", kind))

    def at_or_below(self, key: str) -> bool:
        """Whether a mistake is noted at this key, or at one below it."""
        return any(message.startswith((f"{key}:", f"{key}.")) for message, _ in self._found)

    @contextmanager
    def at(self, key: str) -> Iterator[None]:
        """Note an `InputError` of the block as a mistake at `key`, and go on behind the block."""
        try:
            yield
        except InputError as error:
            self.add(key, str(error))

    @contextmanager
    def in_data(self, key: str) -> Iterator[None]:
        """Like `at`, for a block that reads data files: the mistake is in them, not in the case."""
        try:
            yield
        except (DataError, UnitError) as error:
            self.add(key, str(error), type(error))
        except InputError as error:
            self.add(key, str(error))

    def stop(self) -> None:
        """Raise one error with all mistakes, if there are any.

        Raises
        ------
        CaseError
            Or `DataError` or `UnitError`, if every mistake is in the data files and of that kind.
        """
        if not self._found:
            return
        kinds = {kind for _, kind in self._found}
        kind = kinds.pop() if len(kinds) == 1 else CaseError
        messages = [message for message, _ in self._found]
        if len(messages) == 1:
            raise kind(f"{self.label}: {messages[0]}")
        raise kind("\n  ".join([f"{self.label}: {len(messages)} mistakes", *messages]))


@final
class Several:
    """The mistakes of one data file.

    Parameters
    ----------
    most
        How many are told; of the others only the number.
    """

    def __init__(self, most: int = 5) -> None:
        self._most = most
        self._found: list[InputError] = []

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Note an `InputError` of the block, and go on behind the block."""
        try:
            yield
        except InputError as error:
            self._found.append(error)

    def stop(self) -> None:
        """Raise one error with a line for each mistake, if there are any.

        Raises
        ------
        DataError
            Or another `InputError`, if all mistakes are of that kind.
        """
        if not self._found:
            return
        kinds = {type(error) for error in self._found}
        kind = kinds.pop() if len(kinds) == 1 else DataError
        lines = [str(error) for error in self._found[: self._most]]
        if len(self._found) > self._most:
            lines[-1] += f" (and {len(self._found) - self._most} more in this file)"
        raise kind("\n".join(lines))
