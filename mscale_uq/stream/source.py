"""`Source`: where records come from, and how it is read without waiting."""

from abc import ABC, abstractmethod

from mscale_uq.stream.delivery import Delivery

MOST_AT_ONCE = 256  # records of one batch


class Source(ABC):
    """Where records come from; a child reads files, pipes or Python objects.

    `name` is what the journal knows it by.
    """

    name: str

    @abstractmethod
    def read(self, position: int) -> list[Delivery]:
        """Return what is there from a position on, at most a batch; empty if nothing is there now.

        Raises
        ------
        DataError
            If the source itself cannot be read, or is not what it was.
        """

    @property
    def pending(self) -> bool:
        """Whether something is there that may not be whole yet, and is worth waiting for."""
        return False

    @property
    @abstractmethod
    def ended(self) -> bool:
        """Whether nothing more will come from it, ever."""
