"""What a machine gives a calculation: cores, threads, and a disk that keeps what was written."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

QUOTA = Path("/sys/fs/cgroup/cpu.max")  # of a container: "<microseconds> <period>", or "max <period>"


@final
@dataclass(frozen=True)
class Share:
    """How a busy process is served.

    Attributes
    ----------
    threads
        Processor time over elapsed time of a matrix product: the threads that worked on it, less what other
        programs took from them.
    """

    threads: float

    @property
    def is_crowded(self) -> bool:
        """Whether not even one thread got most of a core."""
        return self.threads < 0.7


def usable_cores(quota: Path = QUOTA) -> float:
    """Return how many cores this process may use, by affinity and by a container's quota."""
    cores = float(len(os.sched_getaffinity(0)))
    try:
        limit, period = quota.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return cores
    return cores if limit == "max" else min(cores, float(limit) / float(period))


def share_of_processor(seconds: float = 0.3, size: int = 400) -> Share:
    """Multiply matrices for a while, and say how many threads were busy."""
    matrix = np.full((size, size), 1e-3)
    _ = matrix @ matrix  # starts the threads
    return Share(_busy(lambda: matrix @ matrix, seconds))


def sync_seconds(folder: Path, times: int = 5) -> float:
    """Return the median time (s) to write a small file and be sure that it is on the disk.

    Raises
    ------
    OSError
        If nothing can be written there.
    """
    path = folder / f".mscale_uq.{os.getpid()}.probe"
    try:
        return float(np.median([_synced(path) for _ in range(times)]))
    finally:
        path.unlink(missing_ok=True)


def _busy(work: Callable[[], object], seconds: float) -> float:
    start, used = time.monotonic(), time.process_time()
    while time.monotonic() - start < seconds:
        work()
    return (time.process_time() - used) / (time.monotonic() - start)


def _synced(path: Path) -> float:
    start = time.monotonic()
    with path.open("wb") as file:
        file.write(b"0" * 4096)
        file.flush()
        os.fsync(file.fileno())
    return time.monotonic() - start
