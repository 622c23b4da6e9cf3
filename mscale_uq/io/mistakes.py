"""Collects what is wrong in a file, so that a person reads of every mistake at once."""

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
        """Note one mistake at a key such as ``prior.k``; what serves several experiments is noted once."""
        if (f"{key}: {message}", kind) not in self._found:
            self._found.append((f"{key}: {message}", kind))

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
