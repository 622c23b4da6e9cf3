"""`follow`: read sources for as long as they last, and have a follower take in what they deliver."""

import time
from collections.abc import Callable

from mscale_uq.stream.follower import Follower
from mscale_uq.stream.journal import Journal
from mscale_uq.stream.source import MOST_AT_ONCE, Source

SECONDS = 0.5  # between two looks at a file


def follow(
    follower: Follower,
    journal: Journal,
    *sources: Source,
    stop_when_idle: float | None = None,
    after_batch: Callable[[], None] = lambda: None,
) -> None:
    """Follow sources until all have ended; a file never does.

    Parameters
    ----------
    follower, journal, sources
        Who follows what, and where it is written down; sources take turns.
    stop_when_idle
        Seconds without a record after which they count as ended; None waits for ever.
    after_batch
        Called when something was taken in.

    Raises
    ------
    DataError, SolveFailed, Infeasible
        As `Follower.take`; everything committed before stays.
    """
    since = time.monotonic()
    while True:
        counts = [_taken(follower, journal, source) for source in sources]
        if all(count < MOST_AT_ONCE for count in counts):  # nothing else is there now
            follower.settle()
        if any(counts):
            after_batch()
            since = time.monotonic()
        if all(source.ended for source in sources):
            break
        waits = any(counts) or any(source.pending for source in sources)
        if not waits and stop_when_idle is not None and time.monotonic() - since >= stop_when_idle:
            break
        if not any(counts):
            time.sleep(SECONDS if stop_when_idle is None or waits else min(SECONDS, stop_when_idle))
    follower.settle()
    after_batch()


def _taken(follower: Follower, journal: Journal, source: Source) -> int:
    """Take in what a source has now, and return how many records that were."""
    deliveries = source.read(journal.position(source.name))
    if deliveries:
        follower.take(source.name, deliveries)
    return len(deliveries)
