"""The discrepancy against conditioning by brute force, and against differences."""

import numpy as np
import pytest

from mscale_uq.errors import InputError, ParameterError
from mscale_uq.observe.discrepancy import SmoothDiscrepancy, Zero

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
