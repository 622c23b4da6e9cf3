"""Cells under rates that are not linear: their linear noise against exact paths, and in filters."""

import numpy as np
import pytest
from scipy.stats import norm

from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.observation import Observation
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.core.statespace import StateSpace
from mscale_uq.errors import InputError, NoGradient
from mscale_uq.filters.augment import Unknown, augment
from mscale_uq.filters.kalman import Kalman
from mscale_uq.filters.loop import run
from mscale_uq.filters.node_sum import GaussianSum
from mscale_uq.filters.particle import ParticleFilter
from mscale_uq.macro.cells import FollowedCells, Population
from mscale_uq.macro.jumps import JumpDynamics, sample_paths
from mscale_uq.macro.linear_sde import matrix
from mscale_uq.macro.network import Hill, Reaction, ReactionNetwork
from mscale_uq.macro.noisy_cells import NoisyCells
from mscale_uq.observe.laws import Gaussian

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
SPECIES = (Quantity("mrna", "1"), Quantity("protein", "1"))


CLOSED = ReactionNetwork("gene", SPECIES, (
    Reaction("transcription", "k_m", makes={"mrna": 1}, hill=Hill("protein", "half", "steepness", True)),
    Reaction("decay of mRNA", "gamma_m", takes={"mrna": 1}),
    Reaction("translation", "k_p", takes={"mrna": 1}, makes={"mrna": 1, "protein": 1}),
    Reaction("decay of protein", "gamma_p", takes={"protein": 1}),
))  # fmt: skip
RATES = {"k_m": 20.0, "gamma_m": 0.1386, "k_p": 0.5, "gamma_p": 0.05, "half": 200.0, "steepness": 2.0}
FIRST = {"mrna": 20.0, "protein": 60.0}
TIMES = np.array([10.0, 25.0, 60.0])


def two_stage(k_m, gamma_m, k_p, gamma_p):
    """The rates without feedback."""
    none = 0 * k_m
    return matrix([[0, 0], [gamma_m, 0], [k_p, 0], [0, gamma_p]]), np.stack([k_m, none, none, none])


def arrays(values):
    return {name: np.asarray(value) for name, value in values.items()}


def test_without_feedback_it_is_the_exact_law_of_followed_cells():
    population = Population(SPECIES, CLOSED.stoichiometry, two_stage, tuple(FIRST.values()))
    exact, noisy, open_loop = (
        FollowedCells(population, 2),
        NoisyCells(CLOSED, 2, FIRST),
        {**RATES, "half": 1e9},
    )
    for interval in ((0.0, 5.0), (7.0, 12.0), (100.0, 400.0)):
        one, other = (dynamics.transition(*interval, arrays(open_loop)) for dynamics in (noisy, exact))
        assert pytest.approx(other.F, rel=1e-5, abs=1e-7) == one.F
        assert one.b == pytest.approx(other.b, rel=1e-5)
        assert pytest.approx(other.Q, rel=1e-5, abs=1e-7 * np.abs(other.Q).max()) == one.Q
        (cells,), (part,) = noisy.blocks(), noisy.block_rows(*interval, arrays(open_loop), 1)
        for places in cells:  # each of the two moves on its own
            assert pytest.approx(one.F[np.ix_(places, places)], rel=1e-12) == part.F[0]
            assert pytest.approx(one.Q[np.ix_(places, places)], rel=1e-12) == part.Q[0]


def test_a_gene_that_represses_itself_has_the_moments_of_exact_paths_at_every_pair_of_times():
    count = 2000
    start = np.tile([FIRST["mrna"], FIRST["protein"]], (count, 1))
    paths = sample_paths(CLOSED, start, CLOSED.vector(RATES), TIMES, key=3).states
    dynamics, now = NoisyCells(CLOSED, 1, FIRST), 0.0
    mean, cov, cross = start[0], np.zeros((2, 2)), []
    for t, time in enumerate(TIMES):
        move = dynamics.transition(now, time, arrays(RATES))
        mean, cov, now = move.F @ mean + move.b, move.F @ cov @ move.F.T + move.Q, time
        cross = [move.F @ part for part in cross] + [cov]
        sd = np.sqrt(np.diag(cov))
        # Linear noise is off by about one molecule in the mean, and so by its share in the covariance.
        assert np.all(np.abs(paths[:, t].mean(axis=0) - mean) < 4 * sd / np.sqrt(count) + 1.0)
        for s, part in enumerate(cross):
            seen = np.cov(paths[:, t].T, paths[:, s].T)[:2, 2:]
            spread = np.sqrt(np.outer(np.diag(cov), np.diag(cross[s] if s == t else np.cov(paths[:, s].T))))
            assert np.abs(seen - part).max() < 0.08 * spread.max(), (t, s)
            assert (np.abs(seen - part) / spread).max() < 0.08
    assert cov[1, 1] / mean[1] < 0.8 * (1 + 0.5 / (0.1386 + 0.05))  # feedback takes noise away


def watched(dynamics, law=Gaussian(10.0)):  # noqa: B008
    """A space whose camera reads the protein."""
    camera = ObservationOperator("protein", law)
    parameters = [Parameter(name, "1", value, lower=0) for name, value in RATES.items()]
    first = {f"{name}_initial": np.asarray(value) for name, value in FIRST.items()}
    return StateSpace([], dynamics, {"camera": camera}, parameters, first)


def movie(frames=8, seed=5):
    """One cell, simulated reaction by reaction, every ten minutes."""
    times = 10.0 * np.arange(1, frames + 1)
    start = np.array([[FIRST["mrna"], FIRST["protein"]]])
    path = sample_paths(CLOSED, start, CLOSED.vector(RATES), times, key=seed).states[0]
    seen = path[:, 1] + 10.0 * np.random.default_rng(seed).standard_normal(frames)
    return [Observation(t, "camera", "protein", y) for t, y in zip(times, seen, strict=True)]


def test_its_kalman_filter_agrees_with_particles_that_are_moved_reaction_by_reaction():
    data = movie()
    exact = list(run(ParticleFilter(2000), watched(JumpDynamics(CLOSED)), RATES, data, key=1))
    kalman = list(run(Kalman(), watched(NoisyCells(CLOSED, 1, FIRST)), RATES, data))
    for (cloud, _), (law, _) in zip(exact, kalman, strict=True):
        mean = cloud.weights @ cloud.members
        sd = np.sqrt(cloud.weights @ (cloud.members - mean) ** 2)
        assert np.all(np.abs(law.mean - mean) < 0.2 * sd)
        assert np.sqrt(np.diag(law.cov)) == pytest.approx(sd, rel=0.12)
    evidence = [sum(info.log_evidence for _, info in steps) for steps in (exact, kalman)]
    assert np.diff(evidence) == pytest.approx(0, abs=0.3)


def test_a_gaussian_sum_learns_a_rate_of_it_as_by_quadrature():
    data, prior = movie(), Unknown(17.0, 0.5)
    rest = {name: value for name, value in RATES.items() if name != "k_m"}
    space = watched(NoisyCells(CLOSED, 1, FIRST))
    *_, (state, _) = run(GaussianSum(32), augment(space, {"k_m": prior}), rest, data)
    z = np.linspace(-3, 3, 21)
    logs = norm.logpdf(z)
    for k, value in enumerate(17.0 * np.exp(0.5 * z)):
        steps = run(Kalman(), space, {**rest, "k_m": value}, data)
        logs[k] += sum(info.log_evidence for _, info in steps)
    weights = np.exp(logs - logs.max())
    weights /= weights.sum()
    u = np.log(17.0) + 0.5 * z
    mean = weights @ u
    sd = np.sqrt(weights @ (u - mean) ** 2)
    assert state.mean[-1] == pytest.approx(mean, abs=0.1 * sd)
    assert np.sqrt(state.cov[-1, -1]) == pytest.approx(sd, rel=0.1)
    assert sd < 0.25


def test_what_cannot_be_is_refused():
    cells = NoisyCells(CLOSED, 1, FIRST, begin=10.0)
    with pytest.raises(InputError, match="cells moved from 3; allowed: 10 or later"):
        cells.transition(3.0, 5.0, arrays(RATES))
    with pytest.raises(NoGradient, match="cells of gene"):
        cells.linearize_transitions([(10.0, 12.0)], arrays(RATES))
