"""Reaction networks, declared once: chance against master equations, smooth limits against exact moments."""

import numpy as np
import pytest
from scipy.linalg import expm
from scipy.stats import chi2, poisson

from mscale_uq.core.dynamics import Rollout, initial_name
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.diagnose.gradient import check_gradient
from mscale_uq.errors import InputError, NoGradient, SolveFailed, WiringError
from mscale_uq.macro.cells import MomentPath, Population
from mscale_uq.macro.jumps import JumpDynamics, SampledMeans, sample_paths
from mscale_uq.macro.linear_noise import linear_noise, mean_field
from mscale_uq.macro.moments import moment_state
from mscale_uq.macro.network import Hill, Reaction, ReactionNetwork
from mscale_uq.macro.ode import OdePath
from mscale_uq.macro.ode_dynamics import OdeDynamics
from mscale_uq.solve.philox import philox, uniform

GENE = ReactionNetwork(
    "gene expression",
    (Quantity("mrna", "1"), Quantity("protein", "1")),
    (
        Reaction("transcription", "k_m", makes={"mrna": 1}),
        Reaction("decay of mRNA", "gamma_m", takes={"mrna": 1}),
        Reaction("translation", "k_p", takes={"mrna": 1}, makes={"mrna": 1, "protein": 1}),
        Reaction("decay of protein", "gamma_p", takes={"protein": 1}),
    ),
)
RATES = {"k_m": 2.0, "gamma_m": 0.1386, "k_p": 4.0, "gamma_p": 0.0231}
PAIRS = ReactionNetwork(
    "pairs that vanish",
    (Quantity("a", "1"),),
    (Reaction("inflow", "supply", makes={"a": 1}), Reaction("pairing", "c", takes={"a": 2})),
)
SWITCH = ReactionNetwork(
    "a gene that represses itself",
    (Quantity("x", "1"),),
    (
        Reaction("making", "k", makes={"x": 1}, hill=Hill("x", "half", "steepness", represses=True)),
        Reaction("decay", "gamma", takes={"x": 1}),
    ),
)
SWITCHED = {"k": 20.0, "gamma": 1.0, "half": 6.0, "steepness": 2.5}


def known(network, **means):
    """A start from these numbers and no others, without any doubt."""
    names = [variable.name for variable in moment_state(network.species)]
    return {initial_name(name): np.asarray(float(means.get(name, 0))) for name in names}


def generator_matrix(network, p, size):
    """The master equation of one species with up to `size` molecules, from the rates as they are written."""
    x, Q = np.arange(size + 1.0), np.zeros((size + 1, size + 1))
    for reaction in network.reactions:
        rate = p[reaction.rate] * (x * (x - 1) / 2 if reaction.takes.get("a") == 2 else 1.0 + 0 * x)
        rate = rate * (x if reaction.takes.get("x") else 1.0)
        if reaction.hill:
            n, K = p["steepness"], p["half"]
            rate = rate * K**n / (K**n + x**n)
        (step,) = reaction.change.values()
        for i in range(size + 1):
            if 0 <= i + step <= size:
                Q[i, i + step] += rate[i]
                Q[i, i] -= rate[i]
    return Q


def fits(seen, law):
    """Chi-squared test of counted outcomes against their law, outcomes rarer than five in one bin."""
    expected = law * seen.size
    observed = np.bincount(seen.astype(int), minlength=law.size)[: law.size]
    often = expected >= 5
    statistic = ((observed - expected)[often] ** 2 / expected[often]).sum()
    rest = max(expected[~often].sum(), 1e-9)
    if rest > 5:
        statistic += (observed[~often].sum() - rest) ** 2 / rest
    return statistic < chi2.ppf(0.999, often.sum() - 1 + (rest > 5))


def test_random_numbers_are_the_published_ones():
    answers = {
        (0,) * 6: (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8),
        (0xFFFFFFFF,) * 6: (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344, 0xA4093822, 0x299F31D0): (
            0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1,
        ),
    }  # fmt: skip
    for given, answer in answers.items():
        assert philox(*(np.uint64(word) for word in given)) == answer


def test_numbers_of_neighbouring_streams_and_counts_are_uniform_and_unrelated():
    u = np.array([[[uniform(7, m, r, n) for n in range(40)] for r in range(20)] for m in range(20)])
    assert np.histogram(u, bins=20, range=(0, 1))[0] == pytest.approx(u.size / 20, rel=0.2)
    for axis in range(3):
        pairs = [np.take(u, range(size, u.shape[axis] - 1 + size), axis=axis).ravel() for size in (0, 1)]
        assert abs(np.corrcoef(*pairs)[0, 1]) < 4 / np.sqrt(pairs[0].size)


def test_molecules_that_come_and_go_are_poisson_at_every_time():
    birth = ReactionNetwork("birth and death", (Quantity("x", "1"),), (
        Reaction("birth", "k", makes={"x": 1}), Reaction("death", "g", takes={"x": 1}),
    ))  # fmt: skip
    times = np.array([0.5, 2.0])
    paths = sample_paths(birth, np.zeros((4000, 1)), np.array([6.0, 0.7]), times, key=3)
    for t, time in enumerate(times):
        mean = 6.0 / 0.7 * (1 - np.exp(-0.7 * time))
        assert fits(paths.states[:, t, 0], poisson.pmf(np.arange(40), mean))


def test_pairs_meet_as_the_master_equation_says():
    p = {"supply": 3.0, "c": 0.2}
    law = expm(1.5 * generator_matrix(PAIRS, p, 40))[7]
    paths = sample_paths(PAIRS, np.full((4000, 1), 7.0), PAIRS.vector(p), np.array([1.5]), key=5)
    assert fits(paths.states[:, 0, 0], law)


def test_a_gene_represses_itself_as_the_master_equation_says():
    law = expm(0.8 * generator_matrix(SWITCH, SWITCHED, 60))[2]
    paths = sample_paths(SWITCH, np.full((4000, 1), 2.0), SWITCH.vector(SWITCHED), np.array([0.8]), key=6)
    assert fits(paths.states[:, 0, 0], law)


def test_reactions_happen_as_often_on_average_as_the_integral_of_their_rates():
    paths = sample_paths(GENE, np.zeros((400, 2)), GENE.vector(RATES), np.array([10.0]), key=8)
    surplus = paths.counts - paths.exposure
    assert np.all(np.abs(surplus.mean(axis=0)) < 4 * surplus.std(axis=0) / np.sqrt(400))
    # The surplus is a martingale whose variance is the mean count.
    assert surplus.var(axis=0) == pytest.approx(paths.counts.mean(axis=0), rel=0.3)
    S = GENE.stoichiometry
    assert np.array_equal(paths.counts @ S.T, paths.states[:, -1])


def test_a_path_does_not_depend_on_when_it_is_looked_at():
    start, p = np.zeros((3, 2)), GENE.vector(RATES)
    often = sample_paths(GENE, start, p, np.array([1.0, 4.0, 9.0]), key=1).states
    once = sample_paths(GENE, start, p, np.array([9.0]), key=1).states
    assert np.array_equal(often[:, -1], once[:, 0])


def test_common_random_numbers_make_neighbouring_parameters_differ_little():
    base, near = (GENE.vector({**RATES, "k_p": k}) for k in (4.0, 4.04))
    start, time = np.zeros((300, 2)), np.array([30.0])
    here, there, other = (
        sample_paths(GENE, start, p, time, key).states[:, 0, 1]
        for p, key in [(base, 1), (near, 1), (near, 2)]
    )
    assert np.var(there - here) < 0.05 * np.var(other - here)
    exact = np.diff([OdePath(mean_field(GENE), time).value(
        {**RATES, "k_p": k, "mrna_initial": 0.0, "protein_initial": 0.0})["protein"][0] for k in (4.0, 4.04)
    ])[0]  # fmt: skip
    assert np.mean(there - here) == pytest.approx(exact, abs=4 * np.std(there - here) / np.sqrt(300))


def test_the_mean_field_and_linear_noise_of_linear_rates_are_the_exact_moments():
    times = np.array([2.0, 10.0, 60.0])
    population = Population(GENE.species, GENE.stoichiometry, GENE.linear_rates)
    exact = MomentPath(population, times, "F", "Q").value({n: np.array(v) for n, v in RATES.items()})
    noise = OdePath(linear_noise(GENE), times).value({**RATES, **known(GENE)})
    mean = OdePath(mean_field(GENE), times).value({**RATES, "mrna_initial": 0.0, "protein_initial": 0.0})
    for name, path in noise.items():
        assert path == pytest.approx(exact[name], rel=1e-6)
    assert mean["protein"] == pytest.approx(exact["protein_mean"], rel=1e-6)


def test_the_derivative_of_linear_noise_is_that_of_the_exact_moments():
    times = np.array([10.0, 60.0])
    population = Population(GENE.species, GENE.stoichiometry, GENE.linear_rates)
    given = {name: np.array(value) for name, value in RATES.items()}
    exact = MomentPath(population, times, "F", "Q").linearize(given)[1]
    slopes = OdePath(linear_noise(GENE), times).linearize({**given, **known(GENE)})[1]
    for name in RATES:
        here, there = slopes.jvp({name: np.array(1.0)}), exact.jvp({name: np.array(1.0)})
        for made, slope in here.items():
            assert slope == pytest.approx(there[made], rel=1e-5)


def test_linear_noise_with_a_hill_factor_has_exact_derivatives():
    parameters = [Parameter(name, "1", value, lower=0) for name, value in SWITCHED.items()]
    path = OdePath(linear_noise(SWITCH), [0.5, 2.0])
    model = ForwardModel([path], parameters, ["x_mean", "x_var"], known(SWITCH, x_mean=3.0))
    assert check_gradient(model, model.theta(), np.random.default_rng(1)).ok


@pytest.mark.parametrize("system_size", [10])
def test_what_linear_noise_leaves_out_halves_when_there_are_twice_as_many_molecules(system_size):
    def missed(size):
        """Deviation from the master equation of mean and variance over the size, for pairs at rest."""
        p = {"supply": 1.0 * size, "c": 1.0 / size}
        most = 6 * size
        law = expm(40.0 * generator_matrix(PAIRS, p, most))[size]
        x = np.arange(most + 1)
        mean = law @ x
        made = OdePath(linear_noise(PAIRS), [40.0]).value({**p, **known(PAIRS, a_mean=size)})
        return np.array([made["a_mean"][0] - mean, made["a_var"][0] - law @ (x - mean) ** 2]) / size

    few, many = missed(system_size), missed(2 * system_size)
    assert few / many == pytest.approx(2.0, rel=0.15)


def test_sampled_means_say_how_far_off_they_are():
    times = np.array([5.0, 20.0])
    stage = SampledMeans(GENE, times, replicas=20)
    start = {"mrna_initial": 0.0, "protein_initial": 0.0}
    exact = OdePath(mean_field(GENE), times).value({**RATES, **start})
    made = [stage.value({**RATES, **start, "key": key}) for key in range(60)]
    for name in ("mrna", "protein"):
        off = np.array([one[name] for one in made]) - exact[name]
        stated = np.mean([one[f"{name}_var"] for one in made], axis=0)
        # 60 runs: the ratio of variances scatters by sqrt(2 / 60) = 18 %, that of the stated one by less.
        assert off.var(axis=0) / stated == pytest.approx(1.0, abs=4 * np.sqrt(2 / 60))
        assert np.all(np.abs(off.mean(axis=0)) < 4 * np.sqrt(stated / 60))
    with pytest.raises(NoGradient, match="replicas"):
        stage.linearize({**RATES, **start, "key": 0})


def test_jumps_are_dynamics_whose_members_may_differ_in_their_rates():
    jumps = JumpDynamics(GENE)
    values = {name: np.full(600, value) for name, value in RATES.items()}
    values["k_m"] = np.repeat([2.0, 4.0], 300)
    states = jumps.step(np.zeros((600, 2)), 0.0, 10.0, values, np.random.default_rng(4))
    mean = np.array([2.0, 4.0]) / 0.1386 * (1 - np.exp(-1.386))
    for rows, exact in zip((slice(0, 300), slice(300, 600)), mean, strict=True):
        assert states[rows, 0].mean() == pytest.approx(exact, abs=4 * np.sqrt(exact / 300))
    start = {initial_name(s.name): 0.0 for s in GENE.species}
    path = Rollout(jumps, [1.0, 2.0]).value({**RATES, **start, "key": 1})
    assert np.array_equal(path["mrna"], np.round(path["mrna"]))


def test_what_cannot_be_is_refused():
    species = (Quantity("a", "1"),)
    with pytest.raises(WiringError, match="species 'b'"):
        ReactionNetwork("n", species, (Reaction("r", "c", takes={"b": 1}),))
    with pytest.raises(WiringError, match="a change"):
        ReactionNetwork("n", species, (Reaction("r", "c", takes={"a": 1}, makes={"a": 1}),))
    with pytest.raises(InputError, match="linear"):
        _ = PAIRS.linear_rates
    with pytest.raises(InputError, match="whole"):
        sample_paths(PAIRS, np.array([[0.5]]), np.ones(2), np.array([1.0]), key=0)
    with pytest.raises(InputError, match="at least two"):
        SampledMeans(GENE, [1.0], replicas=1)
    with pytest.raises(SolveFailed, match="more than 10 reactions"):
        sample_paths(PAIRS, np.array([[0.0]]), np.array([100.0, 0.0]), np.array([10.0]), key=0, most=10)


def test_the_mean_field_moves_members_with_rates_of_their_own_and_has_a_step_derivative():
    dynamics = OdeDynamics(mean_field(GENE))
    values = {**{name: np.array(value) for name, value in RATES.items()}, "k_m": np.array([2.0, 4.0])}
    made = dynamics.step(np.zeros((2, 2)), 0.0, 10.0, values, None)
    mean = np.array([2.0, 4.0]) / 0.1386 * (1 - np.exp(-1.386))
    assert made[:, 0] == pytest.approx(mean, rel=1e-6)
    one = {name: np.array(value) for name, value in RATES.items()}
    slopes = dynamics.linearize_step(np.zeros(2), 0.0, 10.0, one)[1].jvp({"k_m": np.array(1.0)})["state"]
    assert slopes == pytest.approx(made[0] / 2.0, rel=1e-6)  # everything is in proportion to transcription


def test_a_row_of_many_reactions_is_played_as_one_of_few_is():
    """More than 64 reactions are held in a tournament: two rows that do not touch make one network of it."""
    names = [f"x_{i}" for i in range(40)]
    pairs = [(Reaction(f"birth of {n}", "k", makes={n: 1}), Reaction(f"death of {n}", "g", takes={n: 1}))
             for n in names]  # fmt: skip
    reactions = [reaction for pair in pairs for reaction in pair]
    species = tuple(Quantity(n, "1") for n in names)
    start, p, times = np.zeros((50, 40)), np.array([3.0, 0.5]), np.array([2.0])
    many = sample_paths(ReactionNetwork("many", species, reactions), start, p, times, key=2)
    few = sample_paths(ReactionNetwork("few", species[:20], reactions[:40]), start[:, :20], p, times, key=2)
    assert np.array_equal(many.states[:, 0, :20], few.states[:, 0])
    assert np.array_equal(many.counts[:, :40], few.counts)
