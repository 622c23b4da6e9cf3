"""What samplers are compiled with on this machine, and where compiled code is kept."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import final


@final
@dataclass(frozen=True)
class Toolchain:
    """What PyMC finds.

    Attributes
    ----------
    seconds, busy
        To import PyMC, in this process, and those of them in which it had a core; nearly nothing if it was
        imported before.
    compiler
        C++ compiler, empty if there is none: then a few steps of PyMC's are slow, and no model.
    cache
        Folder of PyTensor's compiled code.
    """

    seconds: float
    busy: float
    compiler: str
    cache: Path


def toolchain() -> Toolchain:
    """Import PyMC and ask it."""
    start, used = time.monotonic(), time.process_time()
    import pymc  # noqa: F401  (the time it takes is what is asked)
    import pytensor

    seconds, busy = time.monotonic() - start, time.process_time() - used
    return Toolchain(seconds, busy, str(pytensor.config.cxx), Path(str(pytensor.config.compiledir)))
