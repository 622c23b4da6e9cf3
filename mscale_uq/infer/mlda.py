"""Multilevel delayed acceptance: chains on coarse levels look ahead, the finest level has the last word.

`mscale_uq.infer.delayed` has the kernel and its sources. The coarsest level moves by a random walk that
learns the posterior's shape while tuning.
"""

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.errors import CaseError, explain
from mscale_uq.infer.delayed import DelayedAcceptance
from mscale_uq.infer.density import Density
from mscale_uq.infer.job import Job, Report
from mscale_uq.infer.kernel import Kernel
from mscale_uq.infer.kernel_step import KernelStep
from mscale_uq.infer.levels import Levels
from mscale_uq.infer.likelihood import Likelihood
from mscale_uq.infer.metropolis import Metropolis
from mscale_uq.infer.plain import PlainDensity
from mscale_uq.infer.proposal import RandomWalk
from mscale_uq.infer.store import ChainStore
from mscale_uq.infer.target import Target
from mscale_uq.infer.walk import walk

NAMES = {name: name for name in ("acceptance_rate", "accepted", "scale", "coarse_acceptance_rate")}


def run(job: Job, store: ChainStore, report: Report) -> None:
    """Run or continue a chain.

    Raises
    ------
    CaseError
        If there is only one level.
    """
    walk(job, store, report, build, NAMES)


def build(density: Density, start: Array, rng: np.random.Generator, job: Job) -> tuple[KernelStep, Array]:
    """Return the chain, ready to move, and its start; one ledger counts for all levels."""
    if not isinstance(job.target, Levels):
        hint = "name coarser meshes or cells as levels, or choose another sampler"
        raise CaseError(explain("sampler 'mlda' with one level only", hint=hint))
    first, *rest = [_density(level, density) for level in job.target.coarse]
    kernel: Kernel = Metropolis(first, RandomWalk())
    finer = [*rest, PlainDensity(job.target, density.likelihood)]
    for level, length in zip(finer, job.target.lengths, strict=True):
        kernel = DelayedAcceptance(level, kernel, length)
    return KernelStep(kernel, start, rng, density), start


def _density(level: Target, density: Density) -> PlainDensity:
    return PlainDensity(level, Likelihood(level, density.ledger, gradient=False))
