"""`Watermark`: how far a stream has got that several senders write.

Each sender has a watermark of its own: the time of its newest record less its window, inside which its
records may come in any order. The time that a run has *reached* is the least watermark of those that keep
up, and never goes back. A sender keeps up while it is no more than its window behind the newest record of
all: one that is a little slower than the others is not late for that, and one that is slower still, or stands
still, holds up nobody. A sender is known from its first record on.
"""

import math
from collections.abc import Mapping
from typing import Any, final

from mscale_uq.stream.policy import Policy


@final
class Watermark:
    """How far a stream has got; it depends on the order of arrival alone.

    Attributes
    ----------
    newest
        Sender -> time of its newest record.
    reached
        What is earlier is late.
    """

    def __init__(self, policy: Policy, found: Mapping[str, Any] | None = None) -> None:
        self._policy = policy
        self.newest: dict[str, float] = dict(found["newest"]) if found else {}
        self.reached: float = found["reached"] if found else -math.inf

    @property
    def latest(self) -> float:
        """Time of the newest record of all."""
        return max(self.newest.values(), default=-math.inf)

    def see(self, sender: str, time: float) -> None:
        """Note a record."""
        self.newest[sender] = max(time, self.newest.get(sender, -math.inf))
        latest, window = self.latest, self._policy.window_of
        windows = [(newest, window(one)) for one, newest in self.newest.items()]
        self.reached = max(self.reached, min(newest - w for newest, w in windows if newest >= latest - w))

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {"newest": self.newest, "reached": self.reached}
