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
    seconds
        To import PyMC, in this process; nearly nothing if it was imported before.
    compiler
        C++ compiler, empty if there is none: then a few steps of PyMC's are slow, and no model.
    cache
        Folder of PyTensor's compiled code.
    """

    seconds: float
    compiler: str
    cache: Path


def toolchain() -> Toolchain:
    """Import PyMC and ask it."""
    start = time.monotonic()
    import pymc  # noqa: F401  (the time it takes is what is asked)
    import pytensor

    seconds = time.monotonic() - start
    return Toolchain(seconds, str(pytensor.config.cxx), Path(str(pytensor.config.compiledir)))
