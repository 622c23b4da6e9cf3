"""The verdict on a table of draws says what is wrong with them."""

import re

import numpy as np
import pytest
import xarray as xr

from mscale_uq.results.summary import ONE_CHAIN, diagnose, summarize

COUNTS = {
    "failures": 0,
    "evaluations": 4000,
    "infeasible": 0,
    "troubles": (),
    "single": False,
    "sampler": "slice",
    "settings": {"chains": 2},
}
RAMP = np.arange(2000.0).reshape(2, 1000)


def judged(draws):
    moving = np.random.default_rng(3).normal(size=draws.shape)
    group = xr.Dataset({"x": (("chain", "draw"), draws), "y": (("chain", "draw"), moving)})
    counts = {**COUNTS, "settings": {"chains": len(draws)}}
    return diagnose(summarize(group), counts, 0)


@pytest.mark.parametrize(
    ("draws", "reason"),
    [
        (RAMP, r"bulk ESS of x is \d+, below 400"),
        (np.full_like(RAMP, 0.25), "x does not move: every draw is 0.25"),
        (np.where(RAMP == 5, np.nan, RAMP), "bulk ESS of x is not available: .* not finite"),
    ],
)
def test_why_there_are_too_few_effective_draws_is_said(draws, reason):
    assert any(re.match(reason, part) for part in judged(draws).reasons)


@pytest.mark.parametrize("length", [1000, 1001])
def test_one_chain_is_judged_by_its_halves_and_what_that_is_worth_is_said(length):
    steady = np.random.default_rng(5).normal(size=(1, length))
    drifting = steady + np.linspace(0, 1, length)
    assert judged(steady).ok
    assert judged(steady).notes == (ONE_CHAIN,)
    assert any(re.match(r"R-hat of x is 1\.\d+, above 1.01", part) for part in judged(drifting).reasons)
    assert judged(np.vstack([steady, -steady])).notes == ()


def test_a_chain_too_short_to_have_halves_has_no_r_hat():
    reasons = judged(np.random.default_rng(6).normal(size=(1, 7))).reasons
    assert any("R-hat is not available" in part for part in reasons)
