"""Laplace's approximation: a normal law at the mode, in sampler coordinates, where unknowns have no bounds.

Where the model has no answer the posterior is zero, so such draws are drawn again. Each draw carries the log
of the ratio posterior / approximation: if that varies much, the approximation is poor.
"""

import math

import numpy as np
from scipy.linalg import solve_triangular

from mscale_uq.core.parameter import Array
from mscale_uq.errors import SolveFailed
from mscale_uq.infer.density import Density, Function
from mscale_uq.infer.job import Job, Report
from mscale_uq.infer.ledger import Ledger
from mscale_uq.infer.optimum import Optimum, find_mode
from mscale_uq.infer.store import ChainStore

MOST_TRIES = 1000  # for one draw at which there is a likelihood


def run(job: Job, store: ChainStore, report: Report) -> None:
    """Find the mode and draw around it.

    Raises
    ------
    SolveFailed
        If no mode is found, or hardly any draw around it has a likelihood.
    """
    density = Density(job.target, Ledger(job.chain), job.method.gradient)
    for_search, for_draws = job.generators(2)
    function = density.function()
    mode = find_mode(density, function, for_search, job.settings.starts)
    if mode.trouble:
        raise SolveFailed("laplace", density.named(mode.z), f"found no mode: {mode.trouble}")
    root = np.linalg.cholesky(mode.precision).astype(float)
    tried = 0
    for draw in range(job.settings.draws):
        density.ledger.draw = draw
        z, lp, tries = _draw(density, function, mode, root, for_draws)
        tried += tries
        ratio = lp - _log_normal(root, z - mode.z)
        store.note(density.ledger)
        store.append(z, density.physical(z), [lp, ratio])
        if not report(draw, False, {"lp": lp}):
            return
    inside = math.log(job.settings.draws / tried)
    evidence = mode.value - _log_normal(root, np.zeros(mode.z.size)) + inside
    store.save(density.ledger, mode.z, extras={"log_evidence": evidence})


def _draw(
    density: Density, function: Function, mode: Optimum, root: Array, rng: np.random.Generator
) -> tuple[Array, float, int]:
    """Return a draw with a likelihood, its log-density, and how many it took."""
    for tries in range(1, MOST_TRIES + 1):
        z = mode.z + solve_triangular(root, rng.standard_normal(mode.z.size), lower=True, trans=1)
        lp, _ = function(z)
        if np.isfinite(lp):
            return z, lp, tries
    raise SolveFailed(
        "laplace", density.named(mode.z), f"{MOST_TRIES} draws around the mode have no likelihood"
    )


def _log_normal(root: Array, away: Array) -> float:
    """Log-density of the normal law whose precision has the Cholesky factor `root`."""
    scaled = root.T @ away
    return float(
        -0.5 * scaled @ scaled + np.log(np.diag(root)).sum() - 0.5 * away.size * math.log(2 * math.pi)
    )
