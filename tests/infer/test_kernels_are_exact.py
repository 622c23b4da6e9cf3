"""Every kernel of our own leaves its density unchanged: many chains start from exact draws and stay exact.

A target is a map from independent coordinates of known law (uniform, after their distribution function) to z,
so that draws are exact and the law of any z can be tested with one-sample Kolmogorov-Smirnov tests: of every
coordinate, and of a sum of them, which sees dependence. The same harness must fail for kernels with a planted
mistake. Geweke's joint test does the same for the densities that kernels get from a posterior.

Source: J. Geweke, Getting It Right: Joint Distribution Tests of Posterior Simulators, Journal of the American
Statistical Association 99 (2004) 799-804, doi:10.1198/016214504000001132.
"""

from dataclasses import dataclass

import numpy as np
import pytest
from exact_kernels import (
    CHAINS,
    KERNELS,
    LEVEL,
    TARGETS,
    Mixture,
    Shifted,
    named,
    run,
    smallest,
    tune,
    two_levels,
)

from mscale_uq.infer.delayed import DelayedAcceptance, Stacked
from mscale_uq.infer.kernel import accept, log_ratio
from mscale_uq.infer.metropolis import Metropolis
from mscale_uq.infer.proposal import CrankNicolson, RandomWalk

MANY = 3000


class CrankNicolsonTakenForSymmetric(CrankNicolson.__mro__[1]):
    acceptance = 0.25

    def start(self, z):
        return CrankNicolson().start(z)

    def move(self, z, tuning, rng):
        return CrankNicolson().move(z, tuning, rng)

    def log_reference(self, z):
        return 0.0


@dataclass(frozen=True)
class Uncorrected:
    """Delayed acceptance that forgets the coarse density in its ratio."""

    true: DelayedAcceptance

    def start(self, z):
        return self.true.start(z)

    def tuned(self, state):
        return self.true.tuned(state)

    def moved(self, state, z):
        return self.true.moved(state, z)

    def step(self, state, rng):
        end = state.below
        for _ in range(self.true.length):
            end, _ = self.true.below.step(end, rng)
        value = self.true.density(end.z)
        accepted, _ = accept(log_ratio(value, state.value), rng)
        return (Stacked(value, end) if accepted else state), None


def negative_crank_nicolson(target):
    return Metropolis(target.density, CrankNicolsonTakenForSymmetric())


def negative_two_levels(target):
    return Uncorrected(two_levels(target))


def negative_coarse_only(target):
    return Metropolis(Shifted(target), RandomWalk())


BROKEN = [negative_crank_nicolson, negative_two_levels, negative_coarse_only]


def worst_p_value(kernel, target, chains, seed=7):
    """Smallest p of the tests of each coordinate and of their sum, after STEPS steps from exact draws."""
    rng = np.random.default_rng(seed)
    starts = target.draws(rng, chains)
    tuned = tune(kernel, starts[0], rng)
    return smallest(target.uniforms(np.array([run(kernel, tuned, z, rng) for z in starts])))


@pytest.mark.parametrize("target", TARGETS, ids=named)
def test_the_exact_draws_are_exact(target):
    assert smallest(target.uniforms(target.draws(np.random.default_rng(1), 20_000))) > LEVEL


@pytest.mark.parametrize("target", TARGETS, ids=named)
@pytest.mark.parametrize("make", KERNELS, ids=named)
def test_the_law_is_unchanged(make, target):
    assert worst_p_value(make(target), target, CHAINS) > LEVEL


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS, ids=named)
@pytest.mark.parametrize("make", KERNELS, ids=named)
def test_the_law_is_unchanged_with_many_chains(make, target):
    assert worst_p_value(make(target), target, MANY) > LEVEL


@pytest.mark.parametrize("make", BROKEN, ids=named)
def test_the_harness_catches_a_wrong_kernel(make):
    assert worst_p_value(make(Mixture()), Mixture(), CHAINS) < LEVEL
