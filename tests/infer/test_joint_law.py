"""Unknowns given data and data given unknowns, in turn, keep their joint law."""

import numpy as np
import pytest
from exact_kernels import LEVEL, smallest
from scipy import stats

from mscale_uq.core.formula import Formula
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.parameter import Parameter
from mscale_uq.diagnose.replicate import given, simulate
from mscale_uq.infer.coordinates import to_sampler
from mscale_uq.infer.delayed import DelayedAcceptance
from mscale_uq.infer.ledger import Ledger
from mscale_uq.infer.likelihood import Likelihood
from mscale_uq.infer.metropolis import Metropolis
from mscale_uq.infer.plain import PlainDensity, prior_of_z
from mscale_uq.infer.proposal import CrankNicolson, RandomWalk
from mscale_uq.observe.laws import Gaussian as GaussianLaw
from mscale_uq.stats.experiment import Experiment
from mscale_uq.stats.posterior import Posterior
from mscale_uq.stats.priors import Gamma, HalfNormal, Normal


def readings(level, times):
    return level + 0 * times


def small_posterior():
    """A level with a normal prior whose spread is unknown, seen three times with an unknown noise."""
    model = ForwardModel(
        [Formula(readings, "reading")],
        [Parameter("level", "K", 0.0, meaning="what is measured")],
        outputs=["reading"],
        constants={"times": np.arange(3.0)},
    )
    operator = ObservationOperator("reading", GaussianLaw("noise"))
    experiment = Experiment("one", model, {"reading": np.zeros(3)}, {"reading": operator})
    priors = {"spread": Gamma(3.0, 2.0), "level": Normal(1.0, "spread"), "noise": HalfNormal(0.7)}
    return Posterior(priors, [experiment])


def density_of(posterior):
    return PlainDensity(posterior, Likelihood(posterior, Ledger(), gradient=False))


def coarse_density_of(posterior):
    """The likelihood at a wrong theta, with the right prior."""
    likelihood = Likelihood(posterior, Ledger(), gradient=False)
    return lambda z: prior_of_z(posterior, z)[1] + likelihood(posterior.pack(shift(posterior, z)))[0]


def shift(posterior, z):
    values = posterior.split(prior_of_z(posterior, z)[0])
    return {**values, "level": values["level"] + 0.3, "noise": values["noise"] + 0.2}


def without_jacobian(posterior):
    exact = density_of(posterior)

    def density(z):
        theta, prior = prior_of_z(posterior, z)
        return exact(z) - prior + posterior.log_prior(theta)

    return density


GEWEKE = {
    "random walk": lambda p: Metropolis(density_of(p), RandomWalk()),
    "crank-nicolson": lambda p: Metropolis(density_of(p), CrankNicolson()),
    "delayed": lambda p: DelayedAcceptance(
        density_of(p), Metropolis(coarse_density_of(p), RandomWalk()), length=2, direct=0.1
    ),
}


def joint_test(make, replicates, rounds, seed=13):
    """Alternate unknowns given data and data given unknowns; smallest p of tests of the joint law."""
    blank, rng = small_posterior(), np.random.default_rng(seed)
    ends = np.array([joint_chain(make, blank, rounds, rng) for _ in range(replicates)])
    return smallest(ends)


def joint_chain(make, blank, rounds, rng):
    theta = blank.sample_prior(rng)
    posterior = given(blank, simulate(blank, blank.split(theta), rng))
    z = to_sampler(blank, theta)
    for _ in range(rounds):
        kernel = make(posterior)
        state = kernel.tuned(kernel.start(z))
        for _ in range(3):
            state, _ = kernel.step(state, rng)
        z, values = state.z, blank.split(prior_of_z(blank, state.z)[0])
        data = posterior.experiments[0].observed["reading"]
        posterior = given(blank, simulate(blank, values, rng))
    spread, level, noise = values["spread"], values["level"], values["noise"]
    chi_square = np.sum(((data - level) / noise) ** 2)
    return [
        stats.gamma.cdf(spread, 3.0, scale=0.5),
        stats.norm.cdf((level - 1.0) / spread),
        stats.halfnorm.cdf(noise, scale=0.7),
        stats.chi2.cdf(chi_square, 3),
    ]


FEW_ROUNDS, MANY_ROUNDS = (100, 5), (1000, 10)


@pytest.mark.parametrize("name", GEWEKE)
def test_unknowns_given_data_and_data_given_unknowns_keep_the_joint_law(name):
    assert joint_test(GEWEKE[name], *FEW_ROUNDS) > LEVEL


@pytest.mark.slow
@pytest.mark.parametrize("name", GEWEKE)
def test_the_joint_law_is_kept_for_long(name):
    assert joint_test(GEWEKE[name], *MANY_ROUNDS) > LEVEL


def test_the_joint_test_catches_a_missing_jacobian():
    assert joint_test(lambda p: Metropolis(without_jacobian(p), RandomWalk()), *FEW_ROUNDS) < LEVEL
