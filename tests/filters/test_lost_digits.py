"""Digits that a very wide start costs are told; a square root keeps them."""

import numpy as np
import pytest
from mscale_uq.models.reference import linear_gaussian

from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.linear_dynamics import LinearReading
from mscale_uq.core.observation import Observation
from mscale_uq.core.statespace import StateSpace
from mscale_uq.errors import CovarianceError
from mscale_uq.filters.bank import filter_bank
from mscale_uq.filters.conditioning import positive
from mscale_uq.filters.extended import ExtendedKalman
from mscale_uq.filters.kalman import Kalman
from mscale_uq.filters.laplace import LaplaceKalman
from mscale_uq.filters.likelihood import KalmanLikelihood
from mscale_uq.filters.loop import prepared, run, start
from mscale_uq.filters.sigma_point import SigmaPointKalman
from mscale_uq.filters.square_root import SquareRootKalman, condition_factor
from mscale_uq.observe.laws import Gaussian
from mscale_uq.solve.kalman_kernels import SMALL, filter_large, filter_small

THETA = {"inflow": 2.0, "x_initial": 5.0, "y_initial": 1.0}


@pytest.mark.parametrize("wide", [1.0, 1e6, 1e20])
def test_a_negative_variance_is_not_hidden_by_a_wide_one(wide):
    for wrong in (np.diag([wide, -1.0]), np.diag([wide, np.nan])):
        with pytest.raises(CovarianceError, match=r"variance -1|not finite"):
            positive(wrong, 1.0)
    crossed = np.array([[wide, 0.0, 0.0], [0.0, 1.0, 1.1], [0.0, 1.1, 1.0]])  # a correlation of 1.1
    with pytest.raises(CovarianceError, match="not positive"):
        positive(crossed, 1.0)
    # What a step leaves of a variance of one may miss zero by round-off of that.
    assert positive(np.diag([wide, -1e-15]), 1.0, np.diag([wide, 1.0])).shape == (2, 2)


def sum_seen(wide):
    """A start of this standard deviation in two states, of which the sum is read."""
    plain = linear_gaussian.space(start_sd=wide)
    total = LinearReading("total", linear_gaussian.STATE, both, ())
    probes = {"probe": ObservationOperator("total", Gaussian(0.5), total)}
    return StateSpace([], plain.dynamics, probes, plain.parameters, plain.constants)


@pytest.mark.parametrize("filter", [Kalman(), ExtendedKalman(), SigmaPointKalman()])
def test_digits_that_a_very_wide_start_costs_are_told_and_a_square_root_keeps_them(filter):
    def seen(wide):
        after, info = start(filter, sum_seen(wide), THETA).update(Observation(0.0, "probe", "total", 6.0))
        exact = 2 * wide**2 * 0.25 / (2 * wide**2 + 0.25)
        return abs(np.ones(2) @ after.state.cov @ np.ones(2) / exact - 1), info.note

    wrong, note = seen(1e9)
    assert wrong > 1e-3
    assert "digits lost" in note
    for wide in (10.0, 1e4):
        wrong, note = seen(wide)
        assert wrong < 1e-5
        assert note == ""
    state = start(SquareRootKalman(), linear_gaussian.space(start_sd=1e9), THETA).state
    given = condition_factor(state, np.array([0.0]), np.ones((1, 2)), np.array([[0.25]]))
    assert np.linalg.norm(np.ones(2) @ given[1]) ** 2 == pytest.approx(0.25, rel=1e-4)


def test_a_search_for_the_mode_tells_lost_digits():
    reading = Observation(0.0, "probe", "total", 6.0)
    assert start(LaplaceKalman(), sum_seen(1e4), THETA).update(reading)[1].note == ""
    after, info = start(LaplaceKalman(), sum_seen(1e6), THETA).update(reading)
    assert abs(np.ones(2) @ after.state.cov @ np.ones(2) / 0.25 - 1) > 1e-6
    assert "digits lost" in info.note
    with pytest.raises(CovarianceError, match="digits lost"):
        start(LaplaceKalman(), sum_seen(1e9), THETA).update(reading)


def test_a_compiled_likelihood_or_bank_refuses_a_start_that_costs_its_digits():
    times, data = [0.0, 1.0, 2.0], np.array([6.0, 5.0, 5.5])
    stream = [Observation(t, "probe", "total", value) for t, value in zip(times, data, strict=True)]
    theta = [THETA[parameter.name] for parameter in sum_seen(1.0).parameters]

    def compiled(wide):
        likelihood = KalmanLikelihood(sum_seen(wide), stream)
        bank = filter_bank(sum_seen(wide), prepared(sum_seen(wide), THETA), times, {"probe": data[None]})
        return likelihood.logpdf(theta), likelihood.logpdf_gradient(theta)[0], bank.log_evidence[0]

    for wide in (10.0, 1e4):
        loop = sum(info.log_evidence for _, info in run(SquareRootKalman(), sum_seen(wide), THETA, stream))
        assert compiled(wide) == pytest.approx((loop,) * 3, abs=1e-5)
    likelihood = KalmanLikelihood(sum_seen(1e9), stream)
    for evaluate in (likelihood.logpdf, likelihood.logpdf_gradient):
        with pytest.raises(CovarianceError, match="digits lost"):
            evaluate(theta)
    with pytest.raises(CovarianceError, match="digits lost"):
        compiled(1e9)
    bank = sum_seen(1e9)
    with pytest.raises(CovarianceError, match="digits lost"):
        filter_bank(bank, prepared(bank, THETA), times, {"probe": data[None]})


@pytest.mark.parametrize("n", [4, 14])
def test_loops_and_blas_tell_lost_digits(n):
    def done(wide):
        model = np.eye(n)[None], np.zeros((1, n)), np.zeros((1, n, n)), np.array([-1])
        reading = np.ones((1, 2, n)), np.array([[0.25, 0.5]]), np.array([0]), np.array([[6.0, 5.0]])
        mean, cov, logs = np.zeros(n), wide**2 * np.eye(n), np.zeros(1)
        if n > SMALL:
            return filter_large(mean, cov, *model, *reading, None, logs), logs[0]
        return filter_small((0,) * n, mean, cov, *model, *reading, None, logs), logs[0]

    assert done(10.0)[0] == 1
    assert done(1e9) == (0, np.inf)


def both():
    return np.ones((1, 2)), np.zeros(1)
