"""`follow`: read a source for as long as it lasts, and have a follower take in what it delivers."""

import time
from collections.abc import Callable

from mscale_uq.stream.follower import Follower
from mscale_uq.stream.journal import Journal
from mscale_uq.stream.source import MOST_AT_ONCE, Source

SECONDS = 0.5  # between two looks at a file


def follow(
    follower: Follower,
    journal: Journal,
    source: Source,
    *,
    stop_when_idle: float | None = None,
    after_batch: Callable[[], None] = lambda: None,
) -> None:
    """Follow a source until it ends; a file never does.

    Parameters
    ----------
    follower, journal, source
        Who follows what, and where it is written down.
    stop_when_idle
        Seconds without a record after which it counts as ended; None waits for ever.
    after_batch
        Called when something was taken in.

    Raises
    ------
    DataError, SolveFailed, Infeasible
        As `Follower.take`; everything committed before stays.
    """
    since = time.monotonic()
    while True:
        deliveries = source.read(journal.position(source.name))
        if deliveries:
            follower.take(source.name, deliveries)
        if len(deliveries) < MOST_AT_ONCE:  # nothing else is there now
            follower.settle()
        if deliveries:
            after_batch()
            since = time.monotonic()
        if source.ended:
            break
        if not deliveries and stop_when_idle is not None and time.monotonic() - since >= stop_when_idle:
            break
        if not deliveries:
            time.sleep(SECONDS if stop_when_idle is None else min(SECONDS, stop_when_idle))
    follower.settle()
    after_batch()
