"""`ProgressFile`: how far a run is, line by line, for whoever watches its folder."""

import json
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import final

from mscale_uq.files import Closing
from mscale_uq.run.memory import held

# (chain, draw, whether it is a tuning draw, statistics)
OnProgress = Callable[[int, int, bool, Mapping[str, float]], None]


@final
class ProgressFile(Closing):
    """Writes a line of ``progress.jsonl`` at most once a second, and passes every report on.

    A line holds the time (s since 1970), seconds since the call, cores in use, main memory (bytes), chain,
    draw, whether it is a tuning draw, and the sampler's statistics.
    """

    def __init__(self, path: Path, cores: int, on_progress: OnProgress | None) -> None:
        self._file = path.open("a", encoding="utf-8")
        self._cores = max(1, cores)
        self._began = time.monotonic()
        self._pass_on = on_progress
        self._last = 0.0

    def __call__(self, chain: int, draw: int, tuning: bool, stats: Mapping[str, float]) -> None:
        """Take one report."""
        if time.monotonic() - self._last >= 1.0:
            self._last = time.monotonic()
            known = {name: value for name, value in stats.items() if math.isfinite(value)}
            used = {"seconds": round(self._last - self._began, 3), "cores": self._cores, "memory": held()}
            place = {"chain": chain, "draw": draw, "tuning": tuning}
            line = {"time": time.time(), **used, **place, **known}
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()
        if self._pass_on is not None:
            self._pass_on(chain, draw, tuning, stats)

    def close(self) -> None:
        """Write no more."""
        self._file.close()
