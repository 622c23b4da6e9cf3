"""How much main memory a run holds: this process and its children."""

import multiprocessing
import os
from pathlib import Path


def held() -> int | None:
    """Return bytes of main memory of this process and its children; None where the system does not say.

    Pages that processes share are counted in each of them.
    """
    processes = [os.getpid(), *(child.pid for child in multiprocessing.active_children())]
    pages = [_resident(process) for process in processes if process is not None]
    known = [count for count in pages if count is not None]
    return sum(known) * os.sysconf("SC_PAGE_SIZE") if known else None


def _resident(process: int) -> int | None:
    """Return the pages of one process; None if it is gone, or there is no /proc."""
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except OSError:
        return None
