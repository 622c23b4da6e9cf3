"""`Delivery`: what a source hands over, one at a time: a message, or what is wrong with what came."""

from dataclasses import dataclass
from typing import final

from mscale_uq.stream.message import Message


@final
@dataclass(frozen=True)
class Delivery:
    """One record of a source.

    Attributes
    ----------
    message
        What it says; None if it says nothing that can be read.
    text
        As it came.
    reason
        Why it cannot be read; empty if it can.
    position
        Where its source goes on behind it.
    counted
        Whether it was sent again if it is known already; a file that is read again sends nothing.
    """

    message: Message | None
    text: str
    reason: str
    position: int
    counted: bool = True

    @property
    def said(self) -> str:
        """What it says as canonical JSON, or as it came if it says nothing that can be read."""
        return self.text if self.message is None else self.message.text
