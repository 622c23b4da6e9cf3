"""Steps of a kernel: what they cost, how they tune, and that they change nothing but their state."""

from dataclasses import replace

import numpy as np
from exact_kernels import KERNELS, TARGETS, Banana, Gaussian, named, run, three_levels, tune

from mscale_uq.infer.delayed import DelayedAcceptance
from mscale_uq.infer.metropolis import Metropolis
from mscale_uq.infer.proposal import CrankNicolson, RandomWalk


def test_a_chain_moves():
    """An exact kernel that stands still would pass everything above."""
    rng = np.random.default_rng(3)
    for make in KERNELS:
        for target in TARGETS:
            starts = target.draws(rng, 40)
            tuned = tune(make(target), starts[0], rng)
            ends = np.array([run(make(target), tuned, z, rng) for z in starts])
            assert np.mean(np.any(starts != ends, axis=1)) > 0.4, f"{named(make)} on {named(target)}"


def test_tuning_finds_the_scale_of_a_narrow_density_and_then_stops():
    narrow = Metropolis(Narrow(), RandomWalk())
    rng, state = np.random.default_rng(5), narrow.start(np.array([0.3, 0.3]))
    for _ in range(3000):
        state, _ = narrow.step(state, rng)
    spread = np.sqrt(np.diag(state.tuning.root @ state.tuning.root.T))
    assert np.allclose(spread, Narrow.sd, rtol=0.5)
    state = narrow.tuned(state)
    frozen, rates = state.tuning, []
    for _ in range(3000):
        state, info = narrow.step(state, rng)
        rates.append(info.acceptance_rate)
    assert state.tuning is frozen
    assert abs(np.mean(rates) - RandomWalk.acceptance) < 0.1


class Narrow:
    sd = np.array([0.01, 1.0])

    def __call__(self, z):
        return -0.5 * float(np.sum((z / self.sd) ** 2))


def test_crank_nicolson_does_not_mind_the_dimension():
    """The same information about the first coefficient is accepted as often in 10 as in 1000 dimensions."""
    rates = {}
    for size in (10, 1000):
        kernel = Metropolis(OneDatum(), CrankNicolson())
        rng = np.random.default_rng(11)
        state, accepted = kernel.tuned(kernel.start(np.zeros(size))), []
        for _ in range(4000):
            state, info = kernel.step(state, rng)
            accepted.append(info.acceptance_rate)
        rates[size] = np.mean(accepted)
    assert abs(rates[10] - rates[1000]) < 0.05


class OneDatum:
    def __call__(self, z):
        return -0.5 * float(z @ z) - 0.5 * ((z[0] - 1.0) / 0.3) ** 2


def test_a_rejected_subchain_costs_no_second_coarse_solve():
    counted = Counted(Gaussian().density)
    kernel = DelayedAcceptance(Gaussian().density, Metropolis(counted, RandomWalk()), length=4, direct=0.0)
    rng, state = np.random.default_rng(2), kernel.start(np.zeros(3))
    for _ in range(100):
        state, _ = kernel.step(state, rng)
    assert counted.calls == 1 + 4 * 100


class Counted:
    def __init__(self, density):
        self.density, self.calls = density, 0

    def __call__(self, z):
        self.calls += 1
        return self.density(z)


def test_steps_are_pure():
    kernel = three_levels(Banana())
    state = kernel.start(np.array([0.2, 0.1]))
    kept = replace(state)
    ends = [kernel.step(state, np.random.default_rng(4))[0] for _ in range(2)]
    assert np.array_equal(ends[0].z, ends[1].z)
    assert np.array_equal(state.z, kept.z)
