"""The No-U-Turn sampler, PyMC's, with a metric that begins with the shape of the posterior around its mode.

Every chain climbs from a prior draw of its own to the mode above it, and begins at a draw of the Gaussian
that touches the posterior there; that Gaussian's covariance is the first guess of a dense metric, which is
then adapted while tuning. Data that pin down a combination of parameters make posteriors thousands of times
narrower than the prior, and correlated: finding that out by walking costs most of the tuning. With many
unknowns, or where there is no mode to find (a noise level of data that can be met exactly), the metric is
diagonal and begins with the prior's scale.

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
from mscale_uq.infer.optimum import climb
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
MOST_STEPS = 60  # of a climb: modes that were looked at take 7 to 16, and where there is none it never ends


def run(job: Job, store: ChainStore, report: Report) -> None:
    """Run or continue a chain."""
    walk(job, store, report, build, NAMES)


def build(density: Density, start: Array, rng: np.random.Generator, job: Job) -> tuple[Any, Array]:
    """Return PyMC's step method and where it begins; a chain that goes on climbs again, to the same mode."""
    for_momentum, for_tree, for_first = rng.spawn(3)
    shape = _shape(density, start)
    step = pm.NUTS(
        model=density.model,
        potential=_metric(shape, start, for_momentum),
        logp_dlogp_func=density.gradient_function(),
        initial_point=density.origin,
        target_accept=job.settings.target_accept,
        rng=for_tree,
    )
    return step, start if shape is None else _near(density, *shape, for_first)


def _shape(density: Density, start: Array) -> tuple[Array, Array] | None:
    """Return the mode above `start`, and the covariance of the Gaussian that touches the posterior there.

    None if there is no mode, or it is dear to find.
    """
    if start.size > DENSE_UP_TO:
        return None
    found = climb(density.function(), start, MOST_STEPS)
    return None if found.trouble else (found.z, np.asarray(np.linalg.inv(found.precision), dtype=float))


def _metric(shape: tuple[Array, Array] | None, start: Array, rng: np.random.Generator) -> QuadPotential:
    if shape is None:
        return QuadPotentialDiagAdapt(start.size, start, np.ones(start.size), GUESS_WEIGHT, rng=rng)
    with warnings.catch_warnings():
        # PyMC calls its dense metric experimental; ours is held to exact posteriors in the tests.
        warnings.filterwarnings("ignore", "QuadPotentialFullAdapt is an experimental feature")
        return QuadPotentialFullAdapt(start.size, *shape, GUESS_WEIGHT, rng=rng)


def _near(density: Density, mode: Array, covariance: Array, rng: np.random.Generator) -> Array:
    """Return a draw of the Gaussian around a mode, or the mode if there is no likelihood."""
    near = mode + np.linalg.cholesky(covariance) @ rng.standard_normal(mode.size)
    return near if np.isfinite(density.likelihood(density.physical(near))[0]) else mode
