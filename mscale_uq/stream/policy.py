"""`Policy`: what becomes of records that do not come in the order of time."""

import math
from dataclasses import dataclass
from typing import Literal, final

from mscale_uq.errors import InputError, explain
from mscale_uq.filters.replay import LATE


@final
@dataclass(frozen=True)
class Policy:
    """How far order is waited for, and what happens after.

    The time that a run has *reached* is that of its newest record less the window. What is not earlier is in
    order, however it is mixed; what is earlier is late. Both depend on the order of arrival alone, never on
    how the stream is cut into batches, or on when a run was interrupted.

    Attributes
    ----------
    late
        Whether a late record is replayed in its place, dropped, or an error.
    window
        How long order is waited for, in the time unit of the run.
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

    def __post_init__(self) -> None:
        if self.late not in LATE:
            raise InputError(explain(f"late = {self.late!r}", ", ".join(LATE)))
        if not (0 <= self.window < math.inf and self.history >= 0 and self.checkpoint_every >= 1):
            given = f"window {self.window:g}, history {self.history:g}, checkpoints {self.checkpoint_every}"
            raise InputError(explain(given, "a window and a history of 0 or more, checkpoints from 1 on"))
