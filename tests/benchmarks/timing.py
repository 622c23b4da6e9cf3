"""Interleaved medians of thread time: ratios that hold on a busy machine."""

import time
from collections.abc import Callable, Mapping

import numpy as np


def medians(
    contestants: Mapping[str, Callable[[], object]], rounds: int = 15, blocks: int = 3
) -> dict[str, np.ndarray]:
    """Return each contestant's median seconds of thread time in every block ``(blocks,)``, run in turn."""
    for run in contestants.values():
        run()  # compile, and make what is made once
    found = {name: [] for name in contestants}
    for _ in range(blocks):
        times = {name: [] for name in contestants}
        for _ in range(rounds):
            for name, run in contestants.items():
                start = time.thread_time()
                run()
                times[name].append(time.thread_time() - start)
        for name, one in times.items():
            found[name].append(float(np.median(one)))
    return {name: np.array(values) for name, values in found.items()}


def ratio(found: Mapping[str, np.ndarray], ours: str, theirs: str) -> tuple[float, float]:
    """Return how many times faster ours is, median over blocks, and the blocks' relative spread."""
    each = found[theirs] / found[ours]
    middle = float(np.median(each))
    return middle, float(np.ptp(each)) / middle
