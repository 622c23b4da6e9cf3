"""Preconditioned Crank-Nicolson: for fields of many coefficients under a normal prior, without derivatives.

`mscale_uq.infer.proposal` has the move and its source.
"""

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.infer.density import Density
from mscale_uq.infer.job import Job, Report
from mscale_uq.infer.kernel_step import KernelStep
from mscale_uq.infer.metropolis import Metropolis
from mscale_uq.infer.plain import PlainDensity
from mscale_uq.infer.proposal import CrankNicolson
from mscale_uq.infer.store import ChainStore
from mscale_uq.infer.walk import walk

NAMES = {name: name for name in ("acceptance_rate", "accepted", "scale")}


def run(job: Job, store: ChainStore, report: Report) -> None:
    """Run or continue a chain."""
    walk(job, store, report, build, NAMES)


def build(density: Density, start: Array, rng: np.random.Generator, job: Job) -> tuple[KernelStep, Array]:
    """Return the chain, ready to move, and its start."""
    kernel = Metropolis(PlainDensity(job.target, density.likelihood), CrankNicolson())
    return KernelStep(kernel, start, rng, density), start
