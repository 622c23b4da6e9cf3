"""The verdict on a table of draws says what is wrong with them."""

import re

import numpy as np
import pytest
import xarray as xr

from mscale_uq.results.summary import diagnose, summarize

COUNTS = {
    "failures": 0,
    "evaluations": 4000,
    "infeasible": 0,
    "troubles": (),
    "single": False,
    "sampler": "slice",
}
RAMP = np.arange(2000.0).reshape(2, 1000)


def reasons(draws):
    moving = np.random.default_rng(3).normal(size=draws.shape)
    group = xr.Dataset({"x": (("chain", "draw"), draws), "y": (("chain", "draw"), moving)})
    return diagnose(summarize(group), COUNTS, 0).reasons


@pytest.mark.parametrize(
    ("draws", "reason"),
    [
        (RAMP, r"bulk ESS of x is \d+, below 400"),
        (np.full_like(RAMP, 0.25), "x does not move: every draw is 0.25"),
        (np.where(RAMP == 5, np.nan, RAMP), "bulk ESS of x is not available: .* not finite"),
    ],
)
def test_why_there_are_too_few_effective_draws_is_said(draws, reason):
    assert any(re.match(reason, part) for part in reasons(draws))
