"""Sequential Monte Carlo from the prior to the posterior, with PyMC's kernel; gives the evidence.

The particles of a step know nothing of each other: their likelihoods go through the job's map.

Source: J. Ching, Y.-C. Chen, Transitional Markov Chain Monte Carlo Method for Bayesian Model Updating, Model
Class Selection, and Model Averaging, Journal of Engineering Mechanics 133 (2007) 816-832,
doi:10.1061/(ASCE)0733-9399(2007)133:7(816).
"""

import numpy as np
from pymc.smc.kernels import IMH
from scipy.stats import multivariate_normal

from mscale_uq.core.parameter import Array
from mscale_uq.errors import ParameterError, explain
from mscale_uq.infer.coordinates import to_sampler
from mscale_uq.infer.density import MODE, Density
from mscale_uq.infer.job import Job, Report
from mscale_uq.infer.ledger import Ledger
from mscale_uq.infer.particles import AheadProposal, ParticleLikelihood
from mscale_uq.infer.store import ChainStore

LEAST_ACCEPTANCE = 0.05
REGULAR = 1e-9  # added to the particles' covariance, relative to its diagonal


def run(job: Job, store: ChainStore, report: Report) -> None:
    """Move a population of `draws` particles from the prior to the posterior."""
    density = Density(job.target, Ledger(job.chain), job.method.gradient)
    for_start, for_kernel = job.generators(2)
    kernel = _kernel(density, job.settings.draws, for_start, for_kernel)
    likelihood = ParticleLikelihood(density.target, density.ledger, density.physical, job.map)
    density.call(_populate, kernel, density, likelihood)
    stage, acceptance = 0, 1.0
    while kernel.beta < 1:
        density.ledger.draw = stage
        density.call(_stage, kernel, likelihood)
        store.note(density.ledger)
        stage, acceptance = stage + 1, float(kernel.acc_rate)
        if not report(stage, True, {"beta": float(kernel.beta), "acceptance_rate": acceptance}):
            return
    for z, log_likelihood, log_prior in zip(
        kernel.tempered_posterior, kernel.likelihood_logp, kernel.prior_logp, strict=True
    ):
        store.append(z, density.physical(z), [float(log_likelihood), float(log_prior)])
    evidence = float(kernel.log_marginal_likelihood)
    stuck = f"in the last stage only {acceptance:.1%} of the moves were accepted: the particles did not mix"
    trouble = stuck if acceptance < LEAST_ACCEPTANCE else ""
    store.save(
        density.ledger, kernel.tempered_posterior[0], extras={"log_evidence": evidence, "trouble": trouble}
    )


def _kernel(density: Density, draws: int, for_start: np.random.Generator, rng: np.random.Generator) -> IMH:
    with density.model:
        kernel = IMH(draws=draws, random_seed=int(rng.integers(2**31)), compile_kwargs={"mode": MODE})
    target = density.target
    population = [density.point(to_sampler(target, target.sample_prior(for_start))) for _ in range(draws)]
    kernel.start = {name: np.array([point[name] for point in population]) for name in population[0]}
    kernel.rng = rng
    return kernel


def _populate(kernel: IMH, density: Density, likelihood: ParticleLikelihood) -> None:
    """Evaluate the prior draws."""
    kernel.likelihood_logp_func = likelihood
    starts = [{name: array[i] for name, array in kernel.start.items()} for i in range(kernel.draws)]
    likelihood.find(np.array([density.vector(point) for point in starts]))
    kernel._initialize_kernel()
    if not np.any(np.isfinite(kernel.likelihood_logp)):
        given = f"none of {kernel.draws} prior draws has a likelihood: {density.ledger.summary()}"
        raise ParameterError(explain(given, hint="narrow the priors, or check the model at its defaults"))


def _stage(kernel: IMH, likelihood: ParticleLikelihood) -> None:
    kernel.update_beta_and_weights()
    kernel.resample()
    kernel.proposal_dist = AheadProposal(_proposal(kernel.tempered_posterior), likelihood)
    kernel.mutate()


def _proposal(particles: Array) -> multivariate_normal:
    """A normal like the particles; PyMC's own adds 1e-6 to the variances, too much where data say a lot."""
    covariance = np.atleast_2d(np.cov(particles, ddof=0, rowvar=False))
    covariance += REGULAR * np.diag(np.diag(covariance))
    return multivariate_normal(particles.mean(axis=0), covariance)
