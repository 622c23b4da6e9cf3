"""What a prediction costs, and what its derivative costs beside it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np


@final
@dataclass(frozen=True)
class Cost:
    """Median processor time of one evaluation, in seconds."""

    value: float
    gradient: float

    @property
    def ratio(self) -> float:
        """Value with gradient over value alone."""
        return self.gradient / self.value


def cost(value: Callable[[], object], gradient: Callable[[], object], budget: float = 2.0) -> Cost:
    """Time two calls in turn, so that both see the same machine, until the budget (s) is spent.

    At least three rounds count; the first, which fills caches, does not.
    """
    rounds: list[tuple[float, float]] = []
    stop = time.monotonic() + budget
    value(), gradient()
    while len(rounds) < 3 or time.monotonic() < stop:
        rounds.append((_seconds(value), _seconds(gradient)))
    seconds = np.median(rounds, axis=0)
    return Cost(float(seconds[0]), float(seconds[1]))


def _seconds(call: Callable[[], object]) -> float:
    start = time.thread_time()
    call()
    return time.thread_time() - start
