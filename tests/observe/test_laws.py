import numpy as np
import pytest
from scipy import stats

from mscale_uq.core.law import ObservationOperator
from mscale_uq.errors import ParameterError
from mscale_uq.observe.laws import Gaussian, StudentT

DATA = np.array([1.2, np.nan, -0.4, 3.0])
PREDICTION = np.array([1.0, 0.5, -0.1, 2.0])
VARIANCE = np.array([0.0, 0.1, 0.04, 0.2])
VALUES = {"s": np.array(0.3), "r": np.array(0.1), "channels": np.array([0.1, 0.2, 0.3, 0.4])}

LAWS = {
    "known sd": Gaussian(0.3),
    "unknown sd": Gaussian("s"),
    "one sd per channel": Gaussian((0.1, 0.2, 0.3, 0.4)),
    "unknown sd per channel": Gaussian("channels"),
    "relative": Gaussian("s", relative="r"),
    "one name for both": Gaussian("s", relative="s"),
    "student": StudentT("s", df=5.0),
}


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_all_derivatives_agree_with_differences(law):
    terms = law.logpdf(DATA, PREDICTION, VARIANCE, VALUES)

    def total(prediction=PREDICTION, variance=VARIANCE, values=VALUES):
        return law.logpdf(DATA, prediction, variance, values).total

    def central(function, point):
        steps = 1e-6 * np.eye(point.size).reshape(-1, *point.shape)
        return np.array([(function(point + e) - function(point - e)) / 2e-6 for e in steps]).reshape(
            point.shape
        )

    assert terms.d_prediction == pytest.approx(
        central(lambda p: total(prediction=p), PREDICTION), rel=1e-6, abs=1e-7
    )
    assert terms.d_variance == pytest.approx(
        central(lambda v: total(variance=v), VARIANCE), rel=1e-6, abs=1e-6
    )
    for name in law.reads:
        slope = central(lambda v, name=name: total(values={**VALUES, name: v}), VALUES[name])
        assert terms.d_values[name] == pytest.approx(slope, rel=1e-6)


def test_the_gaussian_is_scipys_with_all_variances_added():
    sd = np.sqrt(0.3**2 + (0.1 * PREDICTION) ** 2 + VARIANCE)
    exact = stats.norm(PREDICTION, sd).logpdf(DATA)
    terms = Gaussian(0.3, relative=0.1).logpdf(DATA, PREDICTION, VARIANCE, {})
    assert terms.pointwise[[0, 2, 3]] == pytest.approx(exact[[0, 2, 3]], rel=1e-13)


def test_the_student_law_is_scipys():
    exact = stats.t(5, PREDICTION, 0.3).logpdf(DATA)
    terms = StudentT(0.3, df=5.0).logpdf(DATA, PREDICTION, np.zeros(4), {})
    assert terms.pointwise[[0, 2, 3]] == pytest.approx(exact[[0, 2, 3]], rel=1e-13)


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_a_missing_reading_says_nothing(law):
    terms = law.logpdf(DATA, PREDICTION, VARIANCE, VALUES)
    assert terms.pointwise[1] == 0
    assert terms.d_prediction[1] == 0
    assert terms.d_variance[1] == 0


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_samples_have_the_stated_mean_and_covariance(law):
    rng = np.random.default_rng(5)
    draws = np.array([law.sample(PREDICTION, VARIANCE, VALUES, rng) for _ in range(20000)])
    sd = np.sqrt(np.diag(law.cov(PREDICTION, VARIANCE, VALUES)))
    # Four standard errors for the mean; for the sd, the t law's kurtosis (9 at df = 5) widens its error.
    assert np.all(np.abs(draws.mean(axis=0) - law.mean(PREDICTION, VALUES)) < 4 * sd / np.sqrt(20000))
    assert draws.std(axis=0) == pytest.approx(sd, rel=0.06)


def test_an_operator_takes_the_predictions_own_variance_by_name():
    operator = ObservationOperator("u", Gaussian(0.3))
    plain = operator.logpdf(DATA, {"u": PREDICTION})
    wide = operator.logpdf(DATA, {"u": PREDICTION, "u_var": np.array(0.16)})
    assert wide.total == pytest.approx(
        Gaussian(0.5).logpdf(DATA, PREDICTION, np.zeros(4), {}).total, rel=1e-13
    )
    assert wide.total != plain.total


@pytest.mark.parametrize(
    "make",
    [
        lambda: Gaussian(-1.0),
        lambda: Gaussian(0.0),
        lambda: Gaussian((0.1, 0.0)),
        lambda: StudentT(0.0),
        lambda: StudentT(1.0, df=2.0),
    ],
)
def test_impossible_noise_levels_are_refused(make):
    with pytest.raises(ParameterError, match=r"law|noise"):
        make()


@pytest.mark.parametrize("shape", [(2,), (4, 1), (1, 2), (1,), (4, 2)])
def test_the_slope_to_a_level_has_its_shape_however_it_is_spread_over_the_readings(shape):
    rng = np.random.default_rng(3)
    data, prediction, level = rng.normal(size=(4, 2)), np.zeros((4, 2)), rng.uniform(0.5, 2.0, shape)

    def total(values):
        return Gaussian("s").logpdf(data, prediction, 0 * data, {"s": values}).total

    slope = Gaussian("s").logpdf(data, prediction, 0 * data, {"s": level}).d_values["s"]
    assert slope.shape == shape
    for place in np.ndindex(shape):
        step = np.zeros(shape)
        step[place] = 1e-6
        difference = (total(level + step) - total(level - step)) / 2e-6
        assert slope[place] == pytest.approx(difference, rel=1e-6)
