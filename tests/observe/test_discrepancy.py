"""The discrepancy against brute force, and the "simple machine" of Brynjarsdóttir and O'Hagan.

Their machine does y = 0.65 x / (1 + x/20); the model says theta x, with theta its efficiency, 0.65. Given
amplitude and length the posterior of theta is normal in closed form; the two are summed over a grid.
"""

from functools import cache

import numpy as np
import pytest
from scipy import stats

from mscale_uq.errors import InputError, ParameterError
from mscale_uq.observe.correlated import GaussianCorrelated
from mscale_uq.observe.discrepancy import SmoothDiscrepancy, Zero
from mscale_uq.observe.laws import Gaussian

VALUES = {"a": np.array(0.7), "l": np.array(1.3), "m": np.array(0.6)}
AT_ZERO = (Zero((0.0,)), Zero((0.0,), slope=0))


def test_value_and_slope_are_zero_where_they_are_said_to_be():
    x = np.array([-1e-4, 0.0, 1e-4, 2.0])
    cov = SmoothDiscrepancy(x, 0.7, (1.3,), AT_ZERO).cov({})
    sd = np.sqrt(np.abs(np.diag(cov)))
    assert sd[1] < 1e-7
    # What is left beside the zero is of second order: a (h/l)^2 sqrt(3)/2.
    assert sd[[0, 2]] == pytest.approx(0.7 * (1e-4 / 1.3) ** 2 * np.sqrt(3) / 2, abs=2e-8)
    assert sd[3] > 0.3


def test_it_is_the_process_given_differences_that_vanish():
    """A slope is the limit of a difference; conditioning on values at 0 and +-h gives the same law."""
    x, h = np.array([0.3, 0.8, 2.0, 4.0]), 1e-3
    grid = np.concatenate([x, [0.0, h, -h]])
    k = 0.49 * np.exp(-0.5 * ((grid[:, None] - grid) / 1.3) ** 2)
    see = np.zeros((2, 7))
    see[0, 4], see[1, 5:] = 1.0, [1.0, -1.0]
    cross, prior = k @ see.T, see @ k @ see.T
    brute = k - cross @ np.linalg.solve(prior, cross.T)
    assert SmoothDiscrepancy(x, 0.7, (1.3,), AT_ZERO).cov({}) == pytest.approx(brute[:4, :4], abs=1e-6)


def test_in_two_coordinates_a_zero_slope_is_along_its_own_one():
    points, h = np.array([[0.2, 0.5], [1.0, -0.3]]), 1e-4
    zeros = (Zero((0.0, 0.0), slope=0), Zero((0.4, 0.1), slope=1), Zero((1.0, 1.0)))
    near = np.array([[h, 0.0], [-h, 0.0], [0.4, 0.1 + h], [0.4, 0.1 - h], [0.0, h], [0.0, -h]])
    cov = SmoothDiscrepancy(np.vstack([points, near]), 1.0, (1.1, 0.7), zeros).cov({})
    along_0, along_1, across = (np.eye(8)[i] - np.eye(8)[i + 1] for i in (2, 4, 6))
    assert along_0 @ cov @ along_0 / (2 * h) ** 2 < 1e-6
    assert along_1 @ cov @ along_1 / (2 * h) ** 2 < 1e-6
    assert across @ cov @ across / (2 * h) ** 2 > 0.1


def test_without_zeros_it_is_the_squared_exponential():
    x = np.array([0.0, 1.0, 3.0])
    exact = 0.49 * np.exp(-0.5 * ((x[:, None] - x) / 1.3) ** 2)
    assert SmoothDiscrepancy(x, 0.7, (1.3,)).cov({}) == pytest.approx(exact, rel=1e-14)


def test_slopes_to_amplitude_and_lengths_agree_with_differences():
    points = np.random.default_rng(0).uniform(size=(6, 2))
    zeros = (Zero((0.0, 0.0)), Zero((0.0, 0.5), slope=1))
    error = SmoothDiscrepancy(points, "a", ("l", "m"), zeros)
    slopes = dict(error.cov_slopes(VALUES))
    assert set(slopes) == set(error.reads) == {"a", "l", "m"}
    for name, slope in slopes.items():
        up, down = (error.cov({**VALUES, name: VALUES[name] + sign * 1e-6}) for sign in (1, -1))
        assert slope == pytest.approx((up - down) / 2e-6, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(
    "make",
    [
        lambda: SmoothDiscrepancy([0.0, 1.0], 0.0, (1.0,)),
        lambda: SmoothDiscrepancy([0.0, 1.0], 1.0, (-1.0,)),
        lambda: SmoothDiscrepancy([0.0, 1.0], 1.0, (1.0, 1.0)),
        lambda: SmoothDiscrepancy([0.0, np.nan], 1.0, (1.0,)),
        lambda: SmoothDiscrepancy([0.0, 1.0], 1.0, (1.0,), (Zero((0.0, 0.0)),)),
        lambda: SmoothDiscrepancy([0.0, 1.0], 1.0, (1.0,), (Zero((0.0,), slope=1),)),
        lambda: SmoothDiscrepancy([0.0, 1.0], 1.0, (1.0,), (Zero((0.0,)), Zero((0.0,)))),
    ],
)
def test_an_impossible_discrepancy_is_refused(make):
    with pytest.raises((InputError, ParameterError), match="discrepancy"):
        make()


X, SD, EFFICIENCY = np.linspace(0.2, 4.0, 11), 0.01, 0.65
MACHINE = EFFICIENCY * X / (1 + X / 20)
PRIOR_MEAN, PRIOR_SD = 1.0, 1.0  # of theta
AMPLITUDES = np.exp(np.linspace(np.log(0.005), np.log(20), 30))
LENGTHS = np.exp(np.linspace(np.log(0.5), np.log(20), 30))
# Priors: an error of a few tenths, that bends over the range of the data (95 % between 1.1 and 8).
WEIGHTS = (
    stats.lognorm(1.0, scale=0.2).pdf(AMPLITUDES)[:, None]
    * AMPLITUDES[:, None]
    * (stats.lognorm(0.5, scale=3.0).pdf(LENGTHS) * LENGTHS)
)


def conditional(cov, data):
    """Return log evidence, mean and sd of theta, for readings with covariance `cov` around theta X."""
    pull = np.linalg.solve(cov, np.stack([X, data - PRIOR_MEAN * X], axis=1))
    precision = PRIOR_SD**-2 + X @ pull[:, 0]
    shift = X @ pull[:, 1] / precision
    fit = (data - PRIOR_MEAN * X) @ pull[:, 1] - precision * shift**2
    evidence = -0.5 * (fit + np.linalg.slogdet(cov)[1] + np.log(precision))
    return evidence, PRIOR_MEAN + shift, precision**-0.5


@cache
def covariances(zeros):
    law = GaussianCorrelated(Gaussian(SD), (SmoothDiscrepancy(X, "a", ("l",), zeros),))
    zero = np.zeros(X.size)
    return [[law.cov(zero, zero, {"a": a, "l": b}) for b in LENGTHS] for a in AMPLITUDES]


def interval(zeros, data):
    """Return the central 95 % interval of theta, summed over amplitude and length."""
    parts = np.array([[conditional(cov, data) for cov in row] for row in covariances(zeros)])
    weight = WEIGHTS * np.exp(parts[..., 0] - parts[..., 0].max())
    theta = np.linspace(0.0, 2.0, 2001)
    steps = stats.norm.cdf((theta[:, None, None] - parts[..., 1]) / parts[..., 2])
    cdf = (weight * steps).sum(axis=(1, 2)) / weight.sum()
    return np.interp([0.025, 0.975], cdf, theta)


def test_without_a_discrepancy_the_simple_machine_is_misjudged_for_sure():
    _, mean, sd = conditional(SD**2 * np.eye(X.size), MACHINE)
    assert (mean, sd) == pytest.approx((0.5626, 0.00125), abs=1e-4)
    # The interval's upper end is normal with this sd over repeated readings: 69 sds from the truth.
    assert mean + 1.96 * sd + 6 * sd < EFFICIENCY


def test_a_discrepancy_that_starts_at_zero_and_flat_finds_the_simple_machine():
    low, high = interval(AT_ZERO, MACHINE)
    assert low < EFFICIENCY < high
    assert high - low < 0.1


@pytest.mark.slow
def test_with_the_zeros_the_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(11)
    intervals = [interval(AT_ZERO, MACHINE + SD * rng.standard_normal(X.size)) for _ in range(40)]
    covered = sum(low < EFFICIENCY < high for low, high in intervals)
    assert covered >= stats.binom(40, 0.95).ppf(1e-3)


def test_without_the_zeros_the_interval_is_wide_and_leans_the_wrong_way():
    """The curve can do what theta does: the interval is several times wider, and its middle is no better."""
    free, tied = interval((), MACHINE), interval(AT_ZERO, MACHINE)
    assert free[1] - free[0] > 2.5 * (tied[1] - tied[0])
    assert abs(np.mean(free) - EFFICIENCY) > 5 * abs(np.mean(tied) - EFFICIENCY)
