"""Differential evolution Metropolis with the chain's own past, PyMC's: needs no derivative.

Source: C. J. F. ter Braak, J. A. Vrugt, Differential Evolution Markov Chain with snooker updater and fewer
chains, Statistics and Computing 18 (2008) 435-446, doi:10.1007/s11222-008-9104-9.
"""

import warnings
from typing import Any

import numpy as np
import pymc as pm

from mscale_uq.core.parameter import Array
from mscale_uq.infer.density import MODE, Density
from mscale_uq.infer.job import Job, Report
from mscale_uq.infer.store import ChainStore
from mscale_uq.infer.walk import walk

NAMES = {"accept": "acceptance_rate", "accepted": "accepted", "scaling": "scaling", "lambda": "lambda"}


def run(job: Job, store: ChainStore, report: Report) -> None:
    """Run or continue a chain."""
    walk(job, store, report, build, NAMES)


def build(density: Density, start: Array, rng: np.random.Generator, job: Job) -> tuple[Any, Array]:  # noqa: ARG001
    """Return PyMC's step method, and the start."""
    with warnings.catch_warnings():
        # A note of PyTensor's on its own speed, where two points have many unknowns: a loop is cut.
        warnings.filterwarnings("ignore", "Loop fusion failed")
        step = pm.DEMetropolisZ(
            model=density.model, initial_point=density.origin, compile_kwargs={"mode": MODE}, rng=rng
        )
    return step, start
