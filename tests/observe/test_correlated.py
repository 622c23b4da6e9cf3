import pickle

import numpy as np
import pytest
from scipy import stats

from mscale_uq.errors import InputError, SolveFailed
from mscale_uq.observe.approximation import ApproximationError, from_differences
from mscale_uq.observe.correlated import GaussianCorrelated
from mscale_uq.observe.discrepancy import ProcessDiscrepancy, Zero
from mscale_uq.observe.laws import Gaussian

X = np.array([0.1, 0.4, 0.9, 1.5, 2.0])
DATA = np.array([1.2, np.nan, -0.4, 3.0, 0.3])
PREDICTION = np.array([1.0, 0.5, -0.1, 2.0, 0.7])
VARIANCE = np.array([0.0, 0.1, 0.04, 0.2, 0.0])
VALUES = {"s": np.array(0.3), "r": np.array(0.1), "a": np.array(0.6), "l": np.array(0.8)}
WOBBLE = ProcessDiscrepancy(X, "a", ("l",), (Zero((0.0,)), Zero((0.0,), slope=0)))
MIXED = np.random.default_rng(1).standard_normal((5, 5))
COARSE = ApproximationError([0.1, -0.2, 0.0, 0.3, 0.1], MIXED @ MIXED.T / 20)

LAWS = {
    "fixed covariance": GaussianCorrelated(Gaussian(0.3), (COARSE,)),
    "unknown discrepancy": GaussianCorrelated(Gaussian("s", relative="r"), (WOBBLE,)),
    "both": GaussianCorrelated(Gaussian((0.1, 0.2, 0.3, 0.4, 0.2)), (COARSE, WOBBLE)),
    "one name for noise and amplitude": GaussianCorrelated(
        Gaussian("s"), (ProcessDiscrepancy(X, "s", ("l",)), COARSE)
    ),
}
every_law = pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)


@every_law
def test_the_density_is_scipys_for_the_readings_that_are_there(law):
    seen = ~np.isnan(DATA)
    exact = stats.multivariate_normal(
        law.mean(PREDICTION, VALUES)[seen], law.cov(PREDICTION, VARIANCE, VALUES)[np.ix_(seen, seen)]
    ).logpdf(DATA[seen])
    terms = law.logpdf(DATA, PREDICTION, VARIANCE, VALUES)
    assert terms.total == pytest.approx(exact, rel=1e-12)
    assert terms.pointwise[1] == 0


@every_law
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
    assert set(terms.d_values) == set(law.reads)
    for name in law.reads:
        slope = central(lambda v, name=name: total(values={**VALUES, name: v}), VALUES[name])
        assert terms.d_values[name] == pytest.approx(slope, rel=1e-6, abs=1e-8)


def test_without_a_model_error_to_speak_of_it_is_the_independent_law():
    law = GaussianCorrelated(
        Gaussian("s", relative="r"), (ApproximationError(np.zeros(5), np.zeros((5, 5))),)
    )
    here, plain = (one.logpdf(DATA, PREDICTION, VARIANCE, VALUES) for one in (law, law.noise))
    assert here.pointwise == pytest.approx(plain.pointwise, rel=1e-13)
    assert here.d_prediction == pytest.approx(plain.d_prediction, rel=1e-13)
    assert here.d_values["r"] == pytest.approx(plain.d_values["r"], rel=1e-13)


@every_law
def test_pointwise_terms_are_a_chain_of_conditional_densities(law):
    mean, cov = law.mean(PREDICTION, VALUES), law.cov(PREDICTION, VARIANCE, VALUES)
    first = [0, 2, 3]
    joint = [
        stats.multivariate_normal(mean[r], cov[np.ix_(r, r)]).logpdf(DATA[r]) for r in (first, first[:2])
    ]
    terms = law.logpdf(DATA, PREDICTION, VARIANCE, VALUES)
    assert terms.pointwise[3] == pytest.approx(joint[0] - joint[1], rel=1e-11)


@every_law
def test_a_held_out_reading_has_its_conditional_density(law):
    mean, cov = law.mean(PREDICTION, VALUES), law.cov(PREDICTION, VARIANCE, VALUES)
    everything, others = [0, 2, 3, 4], [0, 2, 4]
    joint = [
        stats.multivariate_normal(mean[r], cov[np.ix_(r, r)]).logpdf(DATA[r]) for r in (everything, others)
    ]
    held_out = law.held_out(DATA, PREDICTION, VARIANCE, VALUES)
    assert held_out[3] == pytest.approx(joint[0] - joint[1], rel=1e-11)
    assert held_out[1] == 0


@every_law
def test_samples_have_the_stated_mean_and_covariance(law):
    rng = np.random.default_rng(5)
    draws = np.array([law.sample(PREDICTION, VARIANCE, VALUES, rng) for _ in range(20000)])
    mean, cov = law.mean(PREDICTION, VALUES), law.cov(PREDICTION, VARIANCE, VALUES)
    sd = np.sqrt(np.diag(cov))
    assert np.all(np.abs(draws.mean(axis=0) - mean) < 4 * sd / np.sqrt(20000))
    # A covariance's standard error is at most sqrt(2) sd_i sd_j / sqrt(draws); four of them.
    assert np.all(np.abs(np.cov(draws.T) - cov) < 4 * np.sqrt(2 / 20000) * np.outer(sd, sd))


def test_no_readings_at_all_say_nothing():
    terms = LAWS["both"].logpdf(np.full(5, np.nan), PREDICTION, VARIANCE, VALUES)
    assert terms.total == 0
    assert np.all(terms.d_prediction == 0)


def test_readings_of_any_shape_keep_it():
    law = GaussianCorrelated(Gaussian(0.3), (ApproximationError(np.zeros(4), np.eye(4)),))
    data, prediction = np.ones((2, 2)), np.zeros((2, 2))
    terms = law.logpdf(data, prediction, np.zeros((2, 2)), {})
    assert terms.pointwise.shape == terms.d_prediction.shape == law.mean(prediction, {}).shape == (2, 2)


def test_the_law_travels_to_a_worker():
    law = pickle.loads(pickle.dumps(LAWS["both"]))
    assert law.logpdf(DATA, PREDICTION, VARIANCE, VALUES).total == pytest.approx(
        LAWS["both"].logpdf(DATA, PREDICTION, VARIANCE, VALUES).total, rel=1e-15
    )


def test_an_error_for_other_readings_is_refused():
    law = GaussianCorrelated(Gaussian(0.3), (ApproximationError(np.zeros(4), np.eye(4)),))
    with pytest.raises(InputError, match="4 readings and a prediction of 5"):
        law.logpdf(DATA, PREDICTION, VARIANCE, VALUES)


def test_a_covariance_that_is_none_is_a_failed_solve():
    law = GaussianCorrelated(Gaussian(0.1), (ApproximationError(np.zeros(5), -np.eye(5)),))
    with pytest.raises(SolveFailed, match="positive definite"):
        law.logpdf(DATA, PREDICTION, VARIANCE, VALUES)


def test_differences_of_a_known_law_give_it_back():
    rng = np.random.default_rng(2)
    root = np.array([[0.5, 0.0], [0.4, 0.3]])
    found = from_differences(rng.standard_normal((40000, 2)) @ root.T + [1.0, -2.0])
    assert found.mean == pytest.approx([1.0, -2.0], abs=4 * 0.5 / 200)
    assert found.covariance == pytest.approx(root @ root.T, abs=4 * np.sqrt(2) * 0.25 / 200)


def test_the_next_difference_is_no_more_often_outside_than_stated():
    """With few draws the estimated mean is uncertain, which the covariance must cover: E z^2 = 1."""
    rng = np.random.default_rng(3)
    draws = rng.standard_normal((20000, 6))
    laws = [from_differences(row[:5, None]) for row in draws]
    # The sample variance s^2 of 5 is independent of its mean, so E (next - mean)^2 / E covariance = 1.
    miss = np.mean([(row[5] - law.mean[0]) ** 2 for row, law in zip(draws, laws, strict=True)])
    assert miss == pytest.approx(np.mean([law.covariance[0, 0] for law in laws]), rel=0.05)


@pytest.mark.parametrize("rows", [np.zeros(3), np.zeros((1, 3)), np.full((4, 2), np.nan)])
def test_too_few_or_broken_differences_are_refused(rows):
    with pytest.raises(InputError, match="approximation error"):
        from_differences(rows)
