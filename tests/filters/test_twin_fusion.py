"""Microscopy and sequencing together, in twin experiments whose cells are simulated reaction by reaction.

Model and filter are those of the case `cell_state_fusion`, with fewer nodes: six hours after induction, four
cells seen every hour and a half, three dishes of 50 sequenced cells; rate of transcription and gain of the
camera are unknown within a factor of two. All unknowns of the case: `tests/benchmarks/bench_twins.py`.
"""

import numpy as np
import pytest
from scipy.stats import binom
from twins import Setting, Twin

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
TWINS, BOTH = 400, 40
SETTING = Setting(cells=4, frames=4, interval=90.0, sequenced=50, dishes=(0, 1, 3), nodes=32)


@pytest.fixture(scope="module")
def twins():
    return [Twin(SETTING, seed) for seed in range(TWINS)]


def test_ninety_per_cent_intervals_hold_the_truth_as_often_as_they_say(twins):
    z = np.array([twin.fused.z for twin in twins])
    inside = (np.abs(z) < 1.6448536).sum(axis=0)
    low, high = binom.ppf([0.0005, 0.9995], TWINS, 0.9)
    assert np.all((inside >= low) & (inside <= high)), inside / TWINS


def test_dishes_add_their_information_and_where_decays_and_capture_are_known_halve_the_sd_of_the_rate(twins):
    alone, fused = (np.array([one.sd[0] for one in made]) for made in (
        [twin.followed(with_dishes=False) for twin in twins[:BOTH]], [twin.fused for twin in twins[:BOTH]]
    ))  # fmt: skip
    dishes = np.array([twin.sd_of_dishes for twin in twins[:BOTH]])
    assert np.median(fused * np.hypot(1 / alone, 1 / dishes)) == pytest.approx(1.0, abs=0.05)
    assert np.median(fused / alone) < 0.5
