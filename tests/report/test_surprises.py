"""Readings that the calibrated model cannot explain are told by name; those that it can are not."""

import re

import numpy as np
import pytest

from mscale_uq.report.band import Band
from mscale_uq.report.content import Measured
from mscale_uq.report.surprises import surprises

PLACES = np.linspace(0.0, 19.0, 20)


def measured(observed, sd=1.0, draws=400):
    rng = np.random.default_rng(4)
    replicated = sd * rng.standard_normal((draws, 20))
    band = Band(replicated, np.zeros((draws, 20)), np.asarray(observed, float), np.full(20, np.nan))
    return Measured("film", "concentration", "umol/L", "", {"depth": (PLACES, "um")}, band)


def test_good_readings_are_no_surprise():
    """Of 500 tables of 20 readings the rule of too few inside may name one in a thousand."""
    rng = np.random.default_rng(11)
    told = sum(bool(surprises([measured(rng.standard_normal(20))])) for _ in range(500))
    assert told <= 4  # chance of more, at 1e-3 each: 2e-4


def test_a_mistaken_reading_is_told_with_its_place_and_distance():
    readings = np.zeros(20)
    readings[3] = -999.0
    (said,) = surprises([measured(readings)])
    assert said.startswith("film: concentration: far from what the calibrated model expects: ")
    distance = int(re.search(r"−999 umol/L at depth 3 um by (\d+) sds", said)[1])
    assert distance == pytest.approx(999, rel=0.15)  # as far as 400 draws tell the sd


def test_a_crowd_of_readings_outside_is_told_although_none_is_far():
    (said,) = surprises([measured(np.where(np.arange(20) % 2, 2.5, -2.5))])
    assert "0 of 20 readings lie inside their 95 % intervals, too few" in said


def test_missing_readings_and_few_draws_are_no_evidence():
    assert surprises([measured(np.full(20, np.nan))]) == []
    assert surprises([measured(np.full(20, 99.0), draws=5)]) == []


@pytest.mark.parametrize("far", [4, 5])
def test_only_the_worst_are_named_one_by_one(far):
    readings = np.zeros(20)
    readings[:far] = 50.0
    (said,) = surprises([measured(readings)])
    assert f"and {far - 3} more" in said
