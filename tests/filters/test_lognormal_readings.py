"""Readings that scatter by a factor, of a state that is the logarithm of what is read: a conjugate pair."""

import numpy as np
import pytest
from scipy.stats import norm

from mscale_uq.core.formula import Formula
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.observation import Observation
from mscale_uq.core.parameter import Quantity
from mscale_uq.core.statespace import StateSpace
from mscale_uq.core.step_formula import StepFormula
from mscale_uq.filters.extended import ExtendedKalman
from mscale_uq.filters.laplace import LaplaceKalman
from mscale_uq.filters.records import GaussianState
from mscale_uq.observe.lognormal import Lognormal

SD, MEAN, VARIANCE = 0.15, 5.0, 0.09


def still(log_volume):
    return 1.0 * log_volume


def volume(log_volume):
    return np.exp(log_volume)


SPACE = StateSpace(
    [],
    StepFormula(still, (Quantity("log_volume", "1"),)),
    {"caliper": ObservationOperator("volume", Lognormal(SD, 20.0), Formula(volume, "volume"))},
    [],
    {"log_volume_initial": MEAN},
)


def update(filter, reading):
    prior = GaussianState(0.0, np.array([MEAN]), np.array([[VARIANCE]]))
    return filter.analyse(SPACE, SPACE.prepare({}), prior, [Observation(0.0, "caliper", "volume", reading)])


@pytest.mark.parametrize("reading", [90.0, 148.0, 400.0])
def test_the_most_probable_state_is_the_exact_mean_of_the_normal_posterior(reading):
    weight = VARIANCE / (VARIANCE + SD**2)
    exact = MEAN + weight * (np.log(reading) - MEAN)
    state, info = update(LaplaceKalman(), reading)
    assert state.mean[0] == pytest.approx(exact, abs=1e-5)
    # A law counts by its covariance: exp(sd^2) - 1 for sd^2, one per cent here.
    assert state.cov[0, 0] == pytest.approx((1 - weight) * VARIANCE, rel=0.015)
    density = norm(MEAN, np.sqrt(VARIANCE + SD**2)).logpdf(np.log(reading)) - np.log(reading)
    assert info.log_evidence == pytest.approx(density, abs=0.01)


def test_an_extended_filter_expects_the_mean_and_not_the_median():
    info = update(ExtendedKalman(), 148.0)[1]
    assert 148.0 - info.innovation[0] == pytest.approx(np.exp(MEAN + SD**2 / 2))


def test_what_was_not_detected_moves_the_state_to_the_exact_mode():
    """A prior near the limit, and nothing found."""
    prior = GaussianState(0.0, np.array([np.log(25.0)]), np.array([[VARIANCE]]))
    reading = [Observation(0.0, "caliper", "volume", 0.0)]
    state = LaplaceKalman().analyse(SPACE, SPACE.prepare({}), prior, reading)[0]
    x = np.linspace(1.5, 4.5, 300_001)
    height = norm(np.log(25.0), np.sqrt(VARIANCE)).logpdf(x) + norm.logcdf((np.log(20.0) - x) / SD)
    assert state.mean[0] == pytest.approx(x[np.argmax(height)], abs=1e-3)
