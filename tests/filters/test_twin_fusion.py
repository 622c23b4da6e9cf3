"""Microscopy and sequencing together, in twin experiments whose cells are simulated reaction by reaction.

Six hours after induction, a frame every ten minutes of four cells, three dishes of 200 sequenced cells; rate
of transcription and gain of the camera are unknown within a factor of two.
"""

from itertools import pairwise

import numpy as np
import pytest
from numba import njit
from scipy.stats import binom, norm
from tracked_cells import GAIN, KNOWN, RATES, SPECIES, population

from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.linear_dynamics import LinearDynamics, LinearReading, Transition
from mscale_uq.core.parameter import Quantity
from mscale_uq.core.statespace import StateSpace
from mscale_uq.filters.augment import Unknown
from mscale_uq.filters.gaussian_sum import GaussianSumBank
from mscale_uq.macro.cells import FollowedCells
from mscale_uq.observe.fluorescence import Fluorescence
from mscale_uq.observe.sequenced import SequencedCells

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
TWINS, CELLS, SEQUENCED, FRAMES, INTERVAL = 400, 4, 200, 36, 10.0
DISHES = (5, 17, 29)  # frames after which a dish is taken
GAMMA_M, K_P, GAMMA_P = (float(KNOWN[name]) for name in ("gamma_m", "k_p", "gamma_p"))
CAPTURE, DISH_SD, SPREAD = 0.1, 0.05, 0.4
CAMERA = Fluorescence(20.0, shot=0.05, relative=0.03, background=100.0)
FIRST = {"k_m": Unknown(2.0, SPREAD), "gain": Unknown(1.5, SPREAD)}


class Induced(LinearDynamics):
    """`FollowedCells` of one cell where the rate of transcription alone is unknown: b and Q are k_m times."""

    name, inputs, shapes, autonomous = "induced cell", ("k_m",), {}, False
    state = tuple(Quantity(s.name, s.unit, shape=(1,), tracked=True) for s in SPECIES)

    def __init__(self):
        pairs = list(pairwise(INTERVAL * np.arange(FRAMES + 1)))
        unit = {**{p.name: KNOWN[p.name] for p in RATES}, "k_m": np.array(1.0)}
        self.unit = dict(zip(pairs, FollowedCells(population(), 1).transitions(pairs, unit), strict=True))

    def transitions(self, intervals, values):
        k, moves = values["k_m"], [self.unit[pair] for pair in intervals]
        return [Transition(one.F, k * one.b, k * one.Q) for one in moves]

    def linearize_transitions(self, intervals, values):
        raise NotImplementedError


def light(gain):
    return gain * np.array([[0.0, 1.0]]), 100.0 * np.ones(1)


def bank():
    dynamics = Induced()
    camera = ObservationOperator("light", CAMERA, LinearReading("light", dynamics.state, light, shape=()))
    space = StateSpace([], dynamics, {"camera": camera}, (RATES[0], GAIN), population().start())
    return GaussianSumBank(space, FIRST, spacing=1.0)


@njit
def by_events(k_m, rng):
    """Every reaction of every cell: numbers of mRNA and protein ``(FRAMES, CELLS, 2)``."""
    seen = np.zeros((FRAMES, CELLS, 2))
    for cell in range(CELLS):
        m, p, now = 0, 0, 0.0
        for frame in range(FRAMES):
            stop = (frame + 1) * INTERVAL
            while True:
                death, making = GAMMA_M * m, K_P * m
                total = k_m + death + making + GAMMA_P * p
                now += rng.exponential(1 / total)
                if now >= stop:
                    now = stop
                    break
                pick = rng.random() * total
                if pick < k_m:
                    m += 1
                elif pick < k_m + death:
                    m -= 1
                elif pick < k_m + death + making:
                    p += 1
                else:
                    p -= 1
            seen[frame, cell, 0], seen[frame, cell, 1] = m, p
    return seen


def expected_mrna(k_m, frame):
    return k_m / GAMMA_M * -np.expm1(-GAMMA_M * INTERVAL * (frame + 1))


def dish(k_m, frame, rng):
    """Counts of other cells: mRNA is Poisson, a molecule is counted or not, the dish has its own level."""
    factor = rng.lognormal(0.0, 0.3, SEQUENCED)
    mean = CAPTURE * expected_mrna(k_m, frame) * np.exp(DISH_SD * rng.standard_normal())
    return SequencedCells(rng.poisson(factor * mean)[:, None], factor).log_pseudobulk(np.zeros(1))


def told(seen, frame):
    """What a dish says of the rate of transcription."""
    sd = np.sqrt(seen.cov[0, 0] + DISH_SD**2)

    def log_likelihood(named):
        return norm.logpdf(seen.value[0], np.log(CAPTURE * expected_mrna(named["k_m"], frame)), sd)

    return log_likelihood


class Twin:
    """A truth from the prior, its movie and its dishes; filtered with and without the dishes."""

    def __init__(self, filter, seed):
        rng = np.random.default_rng(seed)
        k_m, gain = np.array([2.0, 1.5]) * np.exp(SPREAD * rng.standard_normal(2))
        self.truth, self.path = np.log([k_m, gain]), by_events(k_m, rng)
        light = 100.0 + gain * self.path[:, :, 1]
        self.movie = [CAMERA.sample(row, np.zeros(CELLS), {}, rng) for row in light]
        seen = {frame: dish(k_m, frame, rng) for frame in DISHES}
        dishes = {frame: told(summary, frame) for frame, summary in seen.items()}
        # The rate is proportional to the expected mRNA: each dish is a normal reading of log k_m.
        self.sd_dishes = [sum(1 / (one.cov[0, 0] + DISH_SD**2) for one in seen.values()) ** -0.5]
        self.alone, self.sd_alone = self.followed(filter, {})
        self.fused, self.sd_fused = self.followed(filter, dishes)

    def followed(self, filter, dishes):
        """Where the truth of rate, gain, mRNA and protein lies in its law, from 0 to 1; sds of the first."""
        state = filter.init({}, CELLS)
        for frame, row in enumerate(self.movie):
            state, _ = filter.analyse(filter.forecast(state, INTERVAL * (frame + 1)), "camera", row)
            if frame in dishes:
                state, _ = filter.observe_shared(state, dishes[frame])
        places = np.concatenate([state.cdf(self.truth), state.cell_cdf(self.path[-1])[0]])
        return places, np.sqrt(np.diag(state.cov))


@pytest.fixture(scope="module")
def twins():
    filter = bank()
    return [Twin(filter, seed) for seed in range(TWINS)]


@pytest.mark.parametrize("way", ["alone", "fused"])
def test_ninety_per_cent_intervals_hold_the_truth_as_often_as_they_say(twins, way):
    places = np.array([getattr(twin, way) for twin in twins])
    inside = (np.abs(places - 0.5) < 0.45).sum(axis=0)
    low, high = binom.ppf([0.0005, 0.9995], TWINS, 0.9)
    assert np.all((inside >= low) & (inside <= high)), inside / TWINS


def test_fusion_adds_the_information_of_the_dishes_and_more_than_halves_the_sd_of_the_rate(twins):
    alone, fused, dishes = (
        np.array([getattr(twin, sd)[0] for twin in twins]) for sd in ("sd_alone", "sd_fused", "sd_dishes")
    )
    assert np.median(fused * np.hypot(1 / alone, 1 / dishes)) == pytest.approx(1.0, abs=0.05)
    assert np.median(fused / alone) < 0.5  # 0.27: the sds of log k_m are 0.156 and 0.042
