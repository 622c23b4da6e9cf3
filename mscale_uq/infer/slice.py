"""Slice sampling, one coordinate after the other, PyMC's: needs no derivative and hardly any tuning.

Source: R. M. Neal, Slice sampling, Annals of Statistics 31 (2003) 705-767, doi:10.1214/aos/1056562461.
"""

from collections.abc import Callable
from typing import Any, final

import numpy as np
import pymc as pm

from mscale_uq.core.parameter import Array
from mscale_uq.infer.density import MODE, Density
from mscale_uq.infer.job import Job, Report
from mscale_uq.infer.store import ChainStore
from mscale_uq.infer.walk import walk

NAMES = {"nstep_out": "nstep_out", "nstep_in": "nstep_in"}
LONGEST = 10_000  # steps out or in; a density that is flat for ever is an error, not an endless loop


def run(job: Job, store: ChainStore, report: Report) -> None:
    """Run or continue a chain."""
    walk(job, store, report, build, NAMES)


def build(density: Density, start: Array, rng: np.random.Generator, job: Job) -> tuple[Any, Array]:  # noqa: ARG001
    """Return PyMC's step method for all coordinates, so that the density is compiled once, and the start."""
    step = pm.Slice(
        model=density.model,
        initial_point=density.origin,
        compile_kwargs={"mode": MODE},
        iter_limit=LONGEST,
        blocked=True,
        rng=rng,
    )
    step.logp = Guarded(step.logp)
    return step, start


@final
class Guarded:
    """A log-density that is never NaN: a slice sampler accepts NaN, since no comparison with it is true."""

    def __init__(self, density: Callable[[Array], Any]) -> None:
        self._density = density

    def __call__(self, z: Array) -> float:
        """Return the log-density, -inf for NaN."""
        value = float(self._density(z))
        return value if value == value else -np.inf
