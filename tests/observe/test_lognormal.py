"""Readings that scatter by a factor, some of them not detected: against SciPy, quadrature and differences."""

import numpy as np
import pytest
from scipy import integrate, stats

from mscale_uq.core.law import ObservationOperator
from mscale_uq.errors import DataError, ParameterError
from mscale_uq.observe.information import Sensitivity, information, information_of_others
from mscale_uq.observe.lognormal import Lognormal

DATA = np.array([12.0, np.nan, 0.0, 3.0, 40.0, 0.0])
PREDICTION = np.array([10.0, 5.0, 4.0, 9.0, 41.0, 300.0])
VARIANCE = np.array([0.0, 1.0, 0.5, 0.0, 4.0, 0.0])
VALUES = {"r": np.array(0.2)}
LAW = Lognormal("r", detection_limit=5.0)


def test_a_detected_reading_has_scipys_density():
    found = LAW.logpdf(DATA, PREDICTION, np.zeros(6), VALUES).pointwise
    exact = stats.lognorm(0.2, scale=PREDICTION).logpdf(DATA)
    assert found[[0, 4]] == pytest.approx(exact[[0, 4]], rel=1e-13)


def test_what_is_not_detected_has_the_probability_of_lying_below_the_limit():
    found = LAW.logpdf(DATA, PREDICTION, np.zeros(6), VALUES).pointwise
    exact = stats.lognorm(0.2, scale=PREDICTION).logcdf(5.0)
    assert list(LAW.censored(DATA)) == [False, False, True, True, False, True]
    assert found[[2, 3, 5]] == pytest.approx(exact[[2, 3, 5]], rel=1e-10)  # the last is 20 sd below


def test_the_probabilities_of_all_that_can_be_read_add_up_to_one():
    def density(y, m):
        return np.exp(LAW.logpdf(np.array([y]), np.array([m]), np.array([0.3]), VALUES).total)

    for m in (3.0, 5.5, 30.0):
        above = integrate.quad(density, 5.0, np.inf, args=(m,), epsabs=1e-12)[0]
        assert above + density(0.0, m) == pytest.approx(1, abs=1e-9)


def test_all_derivatives_agree_with_differences():
    terms = LAW.logpdf(DATA, PREDICTION, VARIANCE, VALUES)

    def total(prediction=PREDICTION, variance=VARIANCE, r=0.2):
        return LAW.logpdf(DATA, prediction, variance, {"r": np.array(r)}).pointwise

    up, down = (total(prediction=PREDICTION * (1 + sign * 1e-6)) for sign in (1, -1))
    assert terms.d_prediction * PREDICTION == pytest.approx((up - down) / 2e-6, rel=1e-6, abs=1e-6)
    up, down = (total(variance=VARIANCE + sign * 1e-6) for sign in (1, -1))
    assert terms.d_variance == pytest.approx((up - down) / 2e-6, rel=1e-5, abs=1e-7)
    up, down = (total(r=0.2 + sign * 1e-6) for sign in (1, -1))
    assert terms.d_values["r"] == pytest.approx((up - down).sum() / 2e-6, rel=1e-6)


def test_a_missing_reading_says_nothing():
    terms = LAW.logpdf(DATA, PREDICTION, VARIANCE, VALUES)
    assert terms.pointwise[1] == terms.d_prediction[1] == terms.d_variance[1] == 0


def test_an_impossible_prediction_has_no_probability_and_no_slope():
    terms = LAW.logpdf(np.array([12.0, 0.0]), np.array([0.0, -1.0]), np.zeros(2), VALUES)
    assert list(terms.pointwise) == [-np.inf, -np.inf]
    assert not terms.d_prediction.any()


def test_drawn_readings_have_the_stated_moments_and_those_below_the_limit_are_zero():
    law, rng, many = Lognormal(0.2), np.random.default_rng(5), np.full(40_000, 6.0)
    drawn = law.sample(many, np.zeros_like(many), {}, rng)
    mean, variance = law.mean(np.array([6.0]), {}), law.cov(np.array([6.0]), np.zeros(1), {})
    assert drawn.mean() == pytest.approx(mean.item(), abs=4 * np.sqrt(variance.item() / 40_000))
    assert drawn.var() == pytest.approx(variance.item(), rel=0.05)
    exact = stats.lognorm(0.2, scale=6.0)
    assert (mean.item(), variance.item()) == pytest.approx((exact.mean(), exact.var()))
    seen = LAW.sample(many, np.zeros_like(many), VALUES, rng)
    share = exact.cdf(5.0)
    assert (seen == 0).mean() == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / 40_000))
    assert seen[seen > 0].min() > 5.0


@pytest.mark.parametrize("limit", [None, 5.0])
@pytest.mark.parametrize("m", [3.0, 5.5, 8.0])
def test_the_information_is_the_expected_square_of_the_score(limit, m):
    law, one = Lognormal("r", limit), np.ones(1)
    at = Sensitivity(m * one, 0.4 * one, VALUES, np.array([[1.0, 0.0, 2.0]]), np.array([[0.0, 0.0, 0.7]]),
                     {"r": np.array([[0.0, 1.0, 0.3]])})  # fmt: skip

    def score(y):
        terms = law.logpdf(y * one, m * one, 0.4 * one, VALUES)
        slope = terms.d_prediction @ at.d_prediction + terms.d_variance @ at.d_variance
        return slope + terms.d_values["r"] * at.d_values["r"][0], np.exp(terms.total)

    def weighted(y, i, j):
        slope, density = score(y)
        return slope[i] * slope[j] * density

    low = limit or 1e-3
    expected = np.array([[integrate.quad(weighted, low, 60, args=(i, j), epsabs=1e-11, limit=200)[0]
                          for j in range(3)] for i in range(3)])  # fmt: skip
    if limit is not None:
        expected += np.array([[weighted(0.0, i, j) for j in range(3)] for i in range(3)])
    assert information(law, at, np.array([True])) == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_each_reading_tells_its_own_and_what_is_sure_to_be_missed_tells_nothing():
    at = Sensitivity(np.array([9.0, 0.1]), np.zeros(2), VALUES, np.eye(2), np.zeros((2, 2)),
                     {"r": np.zeros((1, 2))})  # fmt: skip
    assert np.diag(information(LAW, at, np.ones(2, bool))) == pytest.approx([1 / (0.2 * 9) ** 2, 0], rel=0.1)
    first, second = information_of_others(LAW, at, np.ones(2, bool))
    assert first[0, 0] == second[1, 1] == 0


def test_an_operator_takes_the_predictions_own_variance_by_name():
    operator, m = ObservationOperator("V", Lognormal(0.3)), np.array([10.0])
    wide = operator.logpdf(np.array([12.0]), {"V": m, "V_var": np.array([16.0])})
    assert wide.total == pytest.approx(stats.lognorm(0.5, scale=10.0).logpdf(12.0), rel=1e-13)


def test_a_zero_without_a_detection_limit_is_refused():
    with pytest.raises(DataError, match=r"reading of 0 under a lognormal law.*detection_limit"):
        Lognormal(0.2).logpdf(np.array([3.0, 0.0]), np.ones(2), np.zeros(2), {})


@pytest.mark.parametrize(
    "make", [lambda: Lognormal(0.0), lambda: Lognormal(-0.1), lambda: Lognormal(0.1, 0.0)]
)
def test_impossible_levels_are_refused(make):
    with pytest.raises(ParameterError, match=r"relative|detection_limit"):
        make()


def test_a_reading_of_nothing_is_drawn_as_nothing():
    drawn = Lognormal(0.1).sample(np.array([0.0, 1.0]), np.zeros(2), {}, np.random.default_rng(1))
    assert drawn[0] == 0.0
    assert drawn[1] > 0
