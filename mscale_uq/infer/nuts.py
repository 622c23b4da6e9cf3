"""The No-U-Turn sampler, PyMC's, with a diagonal metric adapted while tuning.

Source: M. D. Hoffman, A. Gelman, The No-U-Turn Sampler: adaptively setting path lengths in Hamiltonian Monte
Carlo, Journal of Machine Learning Research 15 (2014) 1593-1623.
"""

from typing import Any

import numpy as np
import pymc as pm
from pymc.step_methods.hmc.quadpotential import QuadPotentialDiagAdapt

from mscale_uq.core.parameter import Array
from mscale_uq.infer.density import Density
from mscale_uq.infer.job import Job, Report
from mscale_uq.infer.store import ChainStore
from mscale_uq.infer.walk import walk

NAMES = {
    "model_logp": "lp",
    "mean_tree_accept": "acceptance_rate",
    "diverging": "diverging",
    "energy": "energy",
    "energy_error": "energy_error",
    "max_energy_error": "max_energy_error",
    "tree_size": "n_steps",
    "step_size": "step_size",
    "step_size_bar": "step_size_bar",
    "depth": "tree_depth",
    "index_in_trajectory": "index_in_trajectory",
    "reached_max_treedepth": "reached_max_treedepth",
}
PRIOR_WEIGHT = 10  # tuning draws that the first guess of the metric, the prior's own scale, counts for


def run(job: Job, store: ChainStore, report: Report) -> None:
    """Run or continue a chain."""
    walk(job, store, report, build, NAMES)


def build(density: Density, start: Array, rng: np.random.Generator, job: Job) -> Any:
    """Return PyMC's step method; coordinates have unit scale under the prior, so the metric begins there."""
    for_momentum, for_tree = rng.spawn(2)
    metric = QuadPotentialDiagAdapt(start.size, start, np.ones(start.size), PRIOR_WEIGHT, rng=for_momentum)
    return pm.NUTS(
        model=density.model,
        potential=metric,
        logp_dlogp_func=density.gradient_function(),
        initial_point=density.origin,
        target_accept=job.settings.target_accept,
        rng=for_tree,
    )
