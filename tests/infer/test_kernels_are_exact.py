"""Every kernel of our own leaves its density unchanged: many chains start from exact draws and stay exact.

A target is a map from independent coordinates of known law (uniform, after their distribution function) to z,
so that draws are exact and the law of any z can be tested with one-sample Kolmogorov-Smirnov tests: of every
coordinate, and of a sum of them, which sees dependence. The same harness must fail for kernels with a planted
mistake. Geweke's joint test does the same for the densities that kernels get from a posterior.

Source: J. Geweke, Getting It Right: Joint Distribution Tests of Posterior Simulators, Journal of the American
Statistical Association 99 (2004) 799-804, doi:10.1198/016214504000001132.
"""

from dataclasses import dataclass, replace
from math import exp, hypot, log, sin

import numpy as np
import pytest
from scipy import stats

from mscale_uq.core.formula import Formula
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.parameter import Parameter
from mscale_uq.diagnose.replicate import given, simulate
from mscale_uq.infer.coordinates import to_sampler
from mscale_uq.infer.delayed import DelayedAcceptance, Stacked
from mscale_uq.infer.kernel import accept, log_ratio
from mscale_uq.infer.ledger import Ledger
from mscale_uq.infer.likelihood import Likelihood
from mscale_uq.infer.metropolis import Metropolis
from mscale_uq.infer.plain import PlainDensity, prior_of_z
from mscale_uq.infer.proposal import CrankNicolson, RandomWalk
from mscale_uq.observe.laws import Gaussian as GaussianLaw
from mscale_uq.stats.experiment import Experiment
from mscale_uq.stats.posterior import Posterior
from mscale_uq.stats.priors import Gamma, HalfNormal, Normal

CHAINS, STEPS = 300, 20
MANY = 3000
# About 100 tests below: a correct kernel is called wrong for one choice of the seed in ten thousand.
LEVEL = 1e-6


class Gaussian:
    root = np.array([[1.0, 0.0, 0.0], [0.9, 0.3, 0.0], [-0.5, 0.4, 2.0]])

    precision = np.linalg.inv(root @ root.T)

    def density(self, z):
        return -0.5 * float(z @ self.precision @ z)

    def draws(self, rng, count):
        return rng.standard_normal((count, 3)) @ self.root.T

    def uniforms(self, z):
        return stats.norm.cdf(np.linalg.solve(self.root, z.T).T)


class Banana:
    """z1 standard normal, z2 normal around its square."""

    def density(self, z):
        first, second = z.tolist()
        return -0.5 * (first**2 + ((second - first**2) / 0.3) ** 2)

    def draws(self, rng, count):
        first = rng.standard_normal(count)
        return np.column_stack([first, first**2 + 0.3 * rng.standard_normal(count)])

    def uniforms(self, z):
        return stats.norm.cdf(np.column_stack([z[:, 0], (z[:, 1] - z[:, 0] ** 2) / 0.3]))


class Funnel:
    """Neal's: the logarithm of the spread of z2 is z1."""

    def density(self, z):
        first, second = z.tolist()
        return -0.5 * (first**2 + second**2 * exp(-2 * first)) - first

    def draws(self, rng, count):
        first = rng.standard_normal(count)
        return np.column_stack([first, np.exp(first) * rng.standard_normal(count)])

    def uniforms(self, z):
        return stats.norm.cdf(np.column_stack([z[:, 0], z[:, 1] * np.exp(-z[:, 0])]))


class Donut:
    """Radius normal around 3 with sd 0.4 (its mass below zero is 3e-14), angle uniform."""

    def density(self, z):
        radius = hypot(*z.tolist())
        return -0.5 * ((radius - 3.0) / 0.4) ** 2 - log(radius)

    def draws(self, rng, count):
        radius, angle = 3.0 + 0.4 * rng.standard_normal(count), rng.uniform(0, 2 * np.pi, count)
        return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])

    def uniforms(self, z):
        radius = stats.norm.cdf((np.hypot(*z.T) - 3.0) / 0.4)
        return np.column_stack([radius, np.arctan2(z[:, 1], z[:, 0]) / (2 * np.pi) + 0.5])


class Mixture:
    """Two bumps of different weight and width."""

    weights, places, widths = np.array([0.7, 0.3]), np.array([-1.5, 2.0]), np.array([1.0, 0.4])

    def density(self, z):
        first, second = z.tolist()
        bumps = zip(self.weights.tolist(), self.places.tolist(), self.widths.tolist(), strict=True)
        return log(sum(w / s * exp(-0.5 * ((first - m) / s) ** 2) for w, m, s in bumps)) - 0.5 * second**2

    def draws(self, rng, count):
        which = rng.choice(2, count, p=self.weights)
        first = self.places[which] + self.widths[which] * rng.standard_normal(count)
        return np.column_stack([first, rng.standard_normal(count)])

    def uniforms(self, z):
        first = stats.norm.cdf((z[:, :1] - self.places) / self.widths) @ self.weights
        return np.column_stack([first, stats.norm.cdf(z[:, 1])])


@dataclass(frozen=True)
class Shifted:
    """A coarse model that is wrong: moved, twisted and too sharp."""

    fine: object

    def __call__(self, z):
        return 1.5 * self.fine.density(z - 0.4) + 0.5 * sin(2 * z[0])


@dataclass(frozen=True)
class Blurred:
    """A coarse model that is wrong: too flat."""

    fine: object

    def __call__(self, z):
        return 0.6 * self.fine.density(z)


@dataclass(frozen=True)
class Missing:
    """A coarse model that has no answer in a half-space where the fine one has."""

    fine: object

    def __call__(self, z):
        return self.fine.density(z) if z[0] < 0.3 else -np.inf


def random_walk(target):
    return Metropolis(target.density, RandomWalk())


def crank_nicolson(target):
    return Metropolis(target.density, CrankNicolson())


def two_levels(target):
    return DelayedAcceptance(target.density, Metropolis(Shifted(target), RandomWalk()), length=3)


def two_levels_for_fields(target):
    return DelayedAcceptance(target.density, Metropolis(Shifted(target), CrankNicolson()), length=3)


def three_levels(target):
    middle = DelayedAcceptance(Shifted(target), Metropolis(Blurred(target), RandomWalk()), length=3)
    return DelayedAcceptance(target.density, middle, length=2)


def coarse_model_without_answers(target):
    return DelayedAcceptance(target.density, Metropolis(Missing(target), RandomWalk()), length=3, direct=0.3)


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


TARGETS = [Gaussian(), Banana(), Funnel(), Donut(), Mixture()]
KERNELS = [
    random_walk,
    crank_nicolson,
    two_levels,
    two_levels_for_fields,
    three_levels,
    coarse_model_without_answers,
]
BROKEN = [negative_crank_nicolson, negative_two_levels, negative_coarse_only]


def worst_p_value(kernel, target, chains, seed=7):
    """Smallest p of the tests of each coordinate and of their sum, after STEPS steps from exact draws."""
    rng = np.random.default_rng(seed)
    starts = target.draws(rng, chains)
    tuned = tune(kernel, starts[0], rng)
    return smallest(target.uniforms(np.array([run(kernel, tuned, z, rng) for z in starts])))


def smallest(uniforms):
    normal = stats.norm.ppf(np.clip(uniforms, 1e-16, 1 - 1e-16))
    together = stats.norm.cdf(normal.sum(axis=1) / np.sqrt(normal.shape[1]))
    return min(stats.kstest(column, "uniform").pvalue for column in [*uniforms.T, together])


def tune(kernel, z, rng):
    state = kernel.start(z)
    for _ in range(STEPS * 20):
        state, _ = kernel.step(state, rng)
    return kernel.tuned(state)


def run(kernel, tuned, z, rng):
    state = kernel.moved(tuned, z)
    for _ in range(STEPS):
        state, _ = kernel.step(state, rng)
    return state.z


def named(item):
    return getattr(item, "__name__", type(item).__name__)


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
