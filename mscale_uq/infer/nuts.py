"""The No-U-Turn sampler, PyMC's, with a metric that begins with the shape of the posterior around its mode.

Every chain climbs from a prior draw of its own to the mode above it, and begins at a draw of the Gaussian
that touches the posterior there; that Gaussian's covariance is the first guess of a dense metric, which is
then adapted while tuning. Data that pin down a combination of parameters make posteriors thousands of times
narrower than the prior, and correlated: finding that out by walking costs most of the tuning. With many
unknowns, or where there is no mode to find, the metric is diagonal and begins with the prior's scale.

Source: M. D. Hoffman, A. Gelman, The No-U-Turn Sampler: adaptively setting path lengths in Hamiltonian Monte
Carlo, Journal of Machine Learning Research 15 (2014) 1593-1623.
"""

import warnings
from typing import Any

import numpy as np
import pymc as pm
from pymc.step_methods.hmc.quadpotential import QuadPotential, QuadPotentialDiagAdapt, QuadPotentialFullAdapt

from mscale_uq.core.parameter import Array
from mscale_uq.infer.density import Density
from mscale_uq.infer.job import Job, Report
from mscale_uq.infer.optimum import Optimum, climb
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
GUESS_WEIGHT = 10  # tuning draws that the first guess of the metric counts for
DENSE_UP_TO = 100  # unknowns; beyond, the climb's second derivatives cost more than they save


def run(job: Job, store: ChainStore, report: Report) -> None:
    """Run or continue a chain."""
    walk(job, store, report, build, NAMES, begin)


def begin(density: Density, rng: np.random.Generator, tries: int) -> Array:
    """Return a draw of the Gaussian around the mode above a prior draw, or the prior draw itself."""
    start = density.find_start(rng, tries)
    mode = _mode(density, start)
    if mode is None:
        return start
    spread = np.linalg.cholesky(np.linalg.inv(mode.precision)) @ rng.standard_normal(start.size)
    near = mode.z + spread
    return near if np.isfinite(density.likelihood(density.physical(near))[0]) else mode.z


def build(density: Density, start: Array, rng: np.random.Generator, job: Job) -> Any:
    """Return PyMC's step method; the metric depends on nothing but the density and the start."""
    for_momentum, for_tree = rng.spawn(2)
    return pm.NUTS(
        model=density.model,
        potential=_metric(density, start, for_momentum),
        logp_dlogp_func=density.gradient_function(),
        initial_point=density.origin,
        target_accept=job.settings.target_accept,
        rng=for_tree,
    )


def _metric(density: Density, start: Array, rng: np.random.Generator) -> QuadPotential:
    mode = _mode(density, start)
    if mode is None:
        return QuadPotentialDiagAdapt(start.size, start, np.ones(start.size), GUESS_WEIGHT, rng=rng)
    with warnings.catch_warnings():
        # PyMC calls its dense metric experimental; ours is held to exact posteriors in the tests.
        warnings.filterwarnings("ignore", "QuadPotentialFullAdapt is an experimental feature")
        covariance = np.linalg.inv(mode.precision)
        return QuadPotentialFullAdapt(start.size, mode.z, covariance, GUESS_WEIGHT, rng=rng)


def _mode(density: Density, start: Array) -> Optimum | None:
    """Return the mode above `start`, if there is one and it is cheap to find."""
    if start.size > DENSE_UP_TO:
        return None
    found = climb(density.function(), start)
    return None if found.trouble else found
