"""`Policy`: what becomes of records that do not come in the order of time."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, final

from mscale_uq.errors import InputError, explain
from mscale_uq.filters.replay import LATE


@final
@dataclass(frozen=True)
class Policy:
    """How far order is waited for, and what happens after.

    The time that a run has *reached* is that of its newest record less the window; with several senders it is
    as `stream.watermark` says. What is not earlier is in order, however it is mixed; what is earlier is late.
    Both depend on the order of arrival alone, never on how the stream is cut into batches, or on when a run
    was interrupted.

    Attributes
    ----------
    late
        Whether a late record is replayed in its place, dropped, or an error.
    window
        How long order is waited for, in the time unit of the run.
    windows
        The windows of single senders, by the `source` of their records.
    aside
        Senders and sources of the state space whose records say nothing of how far the run has got, such as
        dishes that are sequenced weeks later, or what was known before it began: nobody is late for them.
    history
        How far back a late record is replayed, in the time unit of the run; an older one is refused.
    checkpoint_every
        Analysis times from one checkpoint to the next.

    Raises
    ------
    InputError
        If one of them is impossible.
    """

    late: Literal["replay", "drop", "error"] = "replay"
    window: float = 0.0
    history: float = math.inf
    checkpoint_every: int = 20
    windows: Mapping[str, float] = field(default_factory=dict)
    aside: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.late not in LATE:
            raise InputError(explain(f"late = {self.late!r}", ", ".join(LATE)))
        windows = (self.window, *self.windows.values())
        good = all(0 <= window < math.inf for window in windows)
        if not (good and self.history >= 0 and self.checkpoint_every >= 1):
            waits = ", ".join(f"{window:g}" for window in windows)
            given = f"window {waits}, history {self.history:g}, checkpoints {self.checkpoint_every}"
            raise InputError(explain(given, "a window and a history of 0 or more, checkpoints from 1 on"))

    def window_of(self, sender: str) -> float:
        """Return how long order is waited for among the records of a sender."""
        return self.windows.get(sender, self.window)
