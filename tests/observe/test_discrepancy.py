"""The discrepancy against conditioning by brute force, and against differences."""

import numpy as np
import pytest
from autoregressive import autoregressive, drawn

from mscale_uq.errors import InputError, ParameterError
from mscale_uq.observe.correlated import GaussianCorrelated
from mscale_uq.observe.discrepancy import ProcessDiscrepancy, Zero
from mscale_uq.observe.laws import Gaussian

VALUES = {"a": np.array(0.7), "l": np.array(1.3), "m": np.array(0.6)}
AT_ZERO = (Zero((0.0,)), Zero((0.0,), slope=0))


def test_value_and_slope_are_zero_where_they_are_said_to_be():
    x = np.array([-1e-4, 0.0, 1e-4, 2.0])
    cov = ProcessDiscrepancy(x, 0.7, (1.3,), AT_ZERO).cov({})
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
    assert ProcessDiscrepancy(x, 0.7, (1.3,), AT_ZERO).cov({}) == pytest.approx(brute[:4, :4], abs=1e-6)


def test_in_two_coordinates_a_zero_slope_is_along_its_own_one():
    points, h = np.array([[0.2, 0.5], [1.0, -0.3]]), 1e-4
    zeros = (Zero((0.0, 0.0), slope=0), Zero((0.4, 0.1), slope=1), Zero((1.0, 1.0)))
    near = np.array([[h, 0.0], [-h, 0.0], [0.4, 0.1 + h], [0.4, 0.1 - h], [0.0, h], [0.0, -h]])
    cov = ProcessDiscrepancy(np.vstack([points, near]), 1.0, (1.1, 0.7), zeros).cov({})
    along_0, along_1, across = (np.eye(8)[i] - np.eye(8)[i + 1] for i in (2, 4, 6))
    assert along_0 @ cov @ along_0 / (2 * h) ** 2 < 1e-6
    assert along_1 @ cov @ along_1 / (2 * h) ** 2 < 1e-6
    assert across @ cov @ across / (2 * h) ** 2 > 0.1


def test_without_zeros_it_is_the_squared_exponential():
    x = np.array([0.0, 1.0, 3.0])
    exact = 0.49 * np.exp(-0.5 * ((x[:, None] - x) / 1.3) ** 2)
    assert ProcessDiscrepancy(x, 0.7, (1.3,)).cov({}) == pytest.approx(exact, rel=1e-14)


def test_slopes_to_amplitude_and_lengths_agree_with_differences():
    points = np.random.default_rng(0).uniform(size=(6, 2))
    zeros = (Zero((0.0, 0.0)), Zero((0.0, 0.5), slope=1))
    error = ProcessDiscrepancy(points, "a", ("l", "m"), zeros)
    slopes = dict(error.cov_slopes(VALUES))
    assert set(slopes) == set(error.reads) == {"a", "l", "m"}
    for name, slope in slopes.items():
        up, down = (error.cov({**VALUES, name: VALUES[name] + sign * 1e-6}) for sign in (1, -1))
        assert slope == pytest.approx((up - down) / 2e-6, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ProcessDiscrepancy([0.0, 1.0], 0.0, (1.0,)),
        lambda: ProcessDiscrepancy([0.0, 1.0], 1.0, (-1.0,)),
        lambda: ProcessDiscrepancy([0.0, 1.0], 1.0, (1.0, 1.0)),
        lambda: ProcessDiscrepancy([0.0, np.nan], 1.0, (1.0,)),
        lambda: ProcessDiscrepancy([0.0, 1.0], 1.0, (1.0,), (Zero((0.0, 0.0)),)),
        lambda: ProcessDiscrepancy([0.0, 1.0], 1.0, (1.0,), (Zero((0.0,), slope=1),)),
        lambda: ProcessDiscrepancy([0.0, 1.0], 1.0, (1.0,), (Zero((0.0,)), Zero((0.0,)))),
    ],
)
def test_an_impossible_discrepancy_is_refused(make):
    with pytest.raises((InputError, ParameterError), match="discrepancy"):
        make()


# Voltages of a battery: white noise of the instrument, and an autoregressive process that the model misses.
READ_SD, MISSED_SD, MEMORY, STEP = 2e-3, 1e-2, 90.0, 10.0  # V, V, s, s
TIMES = STEP * np.arange(60)


def law(times=TIMES):
    return GaussianCorrelated(
        Gaussian("noise"), (ProcessDiscrepancy(times, "missed", ("memory",), kernel="exponential"),)
    )


LEVELS = {
    "noise": np.array(READ_SD),
    "missed": np.array(MISSED_SD),
    "memory": np.array(MEMORY),
}


@pytest.mark.parametrize("steps", ["equal", "unequal", "some missing"])
def test_the_exponential_kernel_is_the_autoregressive_process_with_all_its_slopes(steps):
    rng = np.random.default_rng(4)
    times = np.sort(rng.uniform(0, 600, 60)) if steps == "unequal" else TIMES
    data = 4.0 + drawn(rng, (READ_SD, MISSED_SD, MEMORY), times)
    if steps == "some missing":
        data[[0, 7, 8, 59]] = np.nan
    prediction, zero = np.full(60, 3.995), np.zeros(60)
    found = law(times).logpdf(data, prediction, zero, LEVELS)
    levels, apart = np.array(list(LEVELS.values())), np.diff(times)
    assert found.total == pytest.approx(autoregressive(data - prediction, levels, apart), rel=1e-12)
    for position, name in enumerate(LEVELS):
        moved = levels.astype(complex)
        moved[position] *= 1 + 1e-30j
        slope = autoregressive(data - prediction, moved, apart).imag / (1e-30 * levels[position])
        assert float(found.d_values[name]) == pytest.approx(slope, rel=1e-9)
    for position in (1, 30):
        moved = prediction.astype(complex)
        moved[position] += 1e-30j
        slope = autoregressive(data - moved, levels, apart).imag / 1e-30
        assert found.d_prediction[position] == pytest.approx(slope, rel=1e-9, abs=1e-9)


def test_without_noise_each_reading_knows_the_last_one_alone():
    """log p = sum of log N(e_t; phi e_(t-1), a^2 (1 - phi^2)): the AR(1) likelihood of every textbook."""
    error, phi = drawn(np.random.default_rng(5), (READ_SD, MISSED_SD, MEMORY), TIMES), np.exp(-STEP / MEMORY)
    left = np.append(error[0], (error[1:] - phi * error[:-1]) / np.sqrt(1 - phi**2)) / MISSED_SD
    exact = -0.5 * np.sum(left**2) - 60 * np.log(MISSED_SD * np.sqrt(2 * np.pi)) - 59 / 2 * np.log(1 - phi**2)
    bare = GaussianCorrelated(
        Gaussian(1e-9), (ProcessDiscrepancy(TIMES, MISSED_SD, (MEMORY,), kernel="exponential"),)
    )
    assert bare.logpdf(error, np.zeros(60), np.zeros(60), {}).total == pytest.approx(exact, rel=1e-9)


def test_simulated_errors_have_the_correlations_of_an_autoregressive_process():
    rng = np.random.default_rng(6)
    rows = np.array([law().sample(np.zeros(60), np.zeros(60), LEVELS, rng) for _ in range(4000)])
    products = [np.mean(rows[:, 20] * rows[:, 20 + lag]) for lag in (1, 3, 9)]
    exact = MISSED_SD**2 * np.exp(-STEP * np.array([1, 3, 9]) / MEMORY)
    assert products == pytest.approx(exact, abs=5 * 1.1e-4 / np.sqrt(4000))
    assert rows[:, 20].var() == pytest.approx(MISSED_SD**2 + READ_SD**2, rel=0.12)


def test_between_two_zeros_the_rough_curve_is_a_bridge():
    """Given zeros at 0 and T, the variance is a^2 2 sinh(x/l) sinh((T - x)/l) / sinh(T/l)."""
    x = np.array([0.0, 0.4, 1.0, 2.0])
    error = ProcessDiscrepancy(x, "a", ("l",), (Zero((0.0,)), Zero((2.0,))), "exponential")
    exact = 0.49 * 2 * np.sinh(x / 1.3) * np.sinh((2 - x) / 1.3) / np.sinh(2 / 1.3)
    assert np.diag(error.cov(VALUES)) == pytest.approx(exact, abs=1e-14)
    for name, slope in error.cov_slopes(VALUES):
        up, down = (error.cov({**VALUES, name: VALUES[name] + sign * 1e-6}) for sign in (1, -1))
        assert slope == pytest.approx((up - down) / 2e-6, rel=1e-6, abs=1e-9)


def test_a_rough_curve_has_no_slope():
    with pytest.raises(InputError, match="smooth curves have slopes"):
        ProcessDiscrepancy(TIMES, 1.0, (1.0,), (Zero((0.0,), slope=0),), "exponential")
    with pytest.raises(InputError, match="did you mean 'exponential'"):
        ProcessDiscrepancy(TIMES, 1.0, (1.0,), kernel="exponentials")
