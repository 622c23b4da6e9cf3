import numpy as np
import pytest
from scipy.stats import binom, kstest

from mscale_uq.diagnose.uniform_band import band, coverage, p_value


@pytest.mark.parametrize(("total", "parts"), [(50, 20), (200, 100)])
def test_uniform_numbers_stay_in_the_band_as_often_as_it_says(total, parts):
    low, high = band(total, parts, 0.05)
    repeats = 40_000
    counts = np.random.default_rng(3).multinomial(total, np.full(parts, 1 / parts), size=repeats)
    below = counts.cumsum(axis=1)[:, :-1]
    inside = np.mean(np.all((below >= low) & (below <= high), axis=1))
    # counts are whole numbers, so the band holds a little more than it has to
    assert 0.95 - 4 * np.sqrt(0.05 * 0.95 / repeats) < inside < 0.957


def test_one_point_is_a_binomial():
    low, high = band(30, 2, 0.1)
    assert (low[0], high[0]) == (binom.ppf(0.05, 30, 0.5), binom.ppf(0.95, 30, 0.5))


def test_two_numbers_in_three_parts_by_hand():
    """Limits 0..1 below 1/3 and 1..2 below 2/3 leave out: both below 1/3 (1/9), both above 2/3 (1/9)."""
    assert coverage(2, 3, 0.3) == pytest.approx(7 / 9, rel=1e-12)


def test_p_values_of_uniform_numbers_are_uniform():
    counts = np.random.default_rng(5).multinomial(400, np.full(50, 1 / 50), size=400)
    p = np.array([p_value(row) for row in counts])
    assert kstest(p, "uniform").pvalue > 1e-3


def test_the_band_and_the_p_value_agree():
    low, high = band(60, 20, 0.05)
    for counts in np.random.default_rng(6).multinomial(60, np.full(20, 1 / 20), size=300):
        below = counts.cumsum()[:-1]
        inside = np.all((below >= low) & (below <= high))
        p = p_value(counts)
        assert inside == (p > 0.05) or 0.04 < p < 0.06


@pytest.mark.parametrize("where", [0, 7, 19])
def test_numbers_that_are_all_in_one_place_are_not_uniform(where):
    assert p_value(np.bincount(np.full(40, where), minlength=20)) < 1e-6
