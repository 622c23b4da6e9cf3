import arviz as az
import numpy as np
import pytest
from known_posteriors import NOISE as NOISE_OF_FIVE
from known_posteriors import PLACES as FIVE_PLACES
from known_posteriors import PRIOR_MEAN as FIVE_PRIOR_MEAN
from known_posteriors import PRIOR_SD as FIVE_PRIOR_SD
from known_posteriors import READINGS as FIVE_READINGS
from known_posteriors import log_evidence, straight

from mscale_uq.core.law import ObservationOperator
from mscale_uq.diagnose.compare import Candidate, candidate, combined_evidence, compare, score
from mscale_uq.errors import CaseError
from mscale_uq.infer.chains import sample
from mscale_uq.infer.settings import Settings
from mscale_uq.observe.approximation import ApproximationError
from mscale_uq.observe.correlated import GaussianCorrelated
from mscale_uq.observe.laws import Gaussian
from mscale_uq.stats.posterior import Posterior
from mscale_uq.stats.predictive import predict

COUNT, NOISE, PRIOR_MEAN, PRIOR_SD = 16, 0.5, np.array([0.5, 0.5]), np.array([2.0, 1.5])
PLACES = np.linspace(-1.0, 1.0, COUNT)
DESIGN = np.c_[np.ones(COUNT), PLACES]
READINGS = DESIGN @ [1.0, 1.4] + NOISE * np.random.default_rng(12).standard_normal(COUNT)
KEYS = (("line", "reading"),) * COUNT


def smooth(log_ratios):
    """Pareto smoothing, ArviZ's, which wants the draws last."""
    weights, shapes = az.psislw(log_ratios.T)
    return weights.T, shapes


def plain(log_ratios):
    """Importance weights as they are."""
    weights = log_ratios - np.logaddexp.reduce(log_ratios, axis=0)
    return weights, np.zeros(log_ratios.shape[1])


def normal(x, mean, variance):
    return -0.5 * ((x - mean) ** 2 / variance + np.log(2 * np.pi * variance))


def exact_posterior(design, rows, sd):
    precision = design[rows].T @ design[rows] / NOISE**2 + np.diag(sd**-2.0)
    covariance = np.linalg.inv(precision)
    mean = covariance @ (design[rows].T @ READINGS[rows] / NOISE**2 + PRIOR_MEAN[: len(sd)] / sd**2)
    return mean, covariance


def exact_elpd(design, sd):
    """Log-density of each reading given the others, and its expectation, by normal algebra."""
    density, expected = [], []
    for left_out in range(COUNT):
        rows = np.arange(COUNT) != left_out
        mean, covariance = exact_posterior(design, rows, sd)
        row = design[left_out]
        expected.append(row @ mean)
        density.append(normal(READINGS[left_out], row @ mean, row @ covariance @ row + NOISE**2))
    return np.array(density), np.array(expected)


def drawn(name, design, sd, evidence=(), draws=20_000):
    mean, covariance = exact_posterior(design, np.full(COUNT, True), sd)
    thetas = np.random.default_rng(1).multivariate_normal(mean, covariance, size=draws)
    predicted = thetas @ design.T
    pointwise = normal(READINGS, predicted, NOISE**2)
    return Candidate(name, KEYS, READINGS, pointwise, predicted, np.array(evidence))


LINE = drawn("line", DESIGN, PRIOR_SD)
LEVEL = drawn("level", DESIGN[:, :1], PRIOR_SD[:1])


@pytest.mark.parametrize("weigh", [smooth, plain])
def test_leaving_one_out_by_weights_is_leaving_one_out(weigh):
    density, expected = exact_elpd(DESIGN, PRIOR_SD)
    found = score(LINE, weigh)
    assert found.elpd == pytest.approx(density, abs=0.03)
    assert found.error[KEYS[0]] == pytest.approx(np.sqrt(np.mean((READINGS - expected) ** 2)), rel=0.02)


def test_readings_on_a_line_prefer_the_line():
    found = compare(LINE, LEVEL, smooth)
    line, level = exact_elpd(DESIGN, PRIOR_SD)[0], exact_elpd(DESIGN[:, :1], PRIOR_SD[:1])[0]
    assert found.elpd == pytest.approx(np.sum(line - level), rel=0.05)
    assert "By leave-one-out: line (" in found.verdict
    assert "By evidence: unknown" in found.verdict


def test_the_order_does_not_matter():
    there, back = compare(LINE, LEVEL, plain), compare(LEVEL, LINE, plain)
    assert there.elpd == -back.elpd
    assert there.elpd_error == back.elpd_error


def test_an_explanation_is_not_clearly_better_than_itself():
    again = drawn("the line again", DESIGN, PRIOR_SD)
    assert "no clear difference" in compare(LINE, again, plain).verdict


def test_different_data_cannot_be_compared():
    other = Candidate("other", KEYS, READINGS + 1.0, LINE.pointwise, LINE.predicted, np.array([]))
    with pytest.raises(CaseError, match=r"not all of the same values.*the same data"):
        compare(LINE, other, plain)


def test_a_datum_that_weighs_too_much_is_told():
    pointwise = LINE.pointwise.copy()
    pointwise[:, 2] = np.where(np.arange(len(pointwise)) == 17, -800.0, 0.0)
    outlier = Candidate("outlier", KEYS, READINGS, pointwise, LINE.predicted, np.array([]))
    assert "1 data weigh too much in outlier" in compare(outlier, LINE, smooth).verdict


def test_evidence_is_averaged_where_it_is_unbiased():
    """Two chains with evidence 1 and 3: mean 2, standard error 1, so 0.5 of the mean."""
    mean, error = combined_evidence(np.log([1.0, 3.0]))
    assert mean == pytest.approx(np.log(2.0))
    assert error == pytest.approx(1.0 / 2.0)


@pytest.mark.slow
def test_the_error_of_smcs_evidence_is_what_it_says():
    settings = Settings(sampler="smc", draws=1000, chains=8, cores=0, seed=1)
    mean, error = combined_evidence(sample(straight(), settings).log_evidence)
    assert error < 0.1
    assert abs(mean - log_evidence()) < 4 * error


def test_where_errors_hang_together_each_datum_is_left_out_given_the_others():
    """One error common to all readings and noise: leave-one-out by normal algebra, with no draws at all."""
    common = np.full((5, 5), 0.3**2)
    law = GaussianCorrelated(Gaussian(NOISE_OF_FIVE), (ApproximationError(np.zeros(5), common),))
    plain_posterior = straight()
    experiment = plain_posterior.experiments[0]
    correlated = experiment.changed(operators={"reading": ObservationOperator("reading", law)})
    posterior = Posterior(plain_posterior.priors, [correlated])
    design = np.c_[np.ones(5), FIVE_PLACES]
    error_cov = common + NOISE_OF_FIVE**2 * np.eye(5)
    joint = np.linalg.inv(design @ np.diag(FIVE_PRIOR_SD**2) @ design.T + error_cov)
    variance = 1 / np.diag(joint)
    away = variance * (joint @ (FIVE_READINGS - design @ FIVE_PRIOR_MEAN))
    exact_density = -0.5 * (np.log(2 * np.pi * variance) + away**2 / variance)
    precision = design.T @ np.linalg.solve(error_cov, design) + np.diag(FIVE_PRIOR_SD**-2.0)
    pull = design.T @ np.linalg.solve(error_cov, FIVE_READINGS) + FIVE_PRIOR_MEAN / FIVE_PRIOR_SD**2
    rng = np.random.default_rng(3)
    thetas = rng.multivariate_normal(np.linalg.solve(precision, pull), np.linalg.inv(precision), size=2000)
    found = score(candidate("line", posterior, predict(posterior, thetas, rng)), smooth)
    assert found.elpd == pytest.approx(exact_density, abs=0.15)


def test_predictions_at_posterior_draws_make_a_candidate():
    posterior = straight()
    thetas = np.array([[0.5, 1.0], [0.6, 1.1], [5.0, 5.0]])
    gated = straight(limit=1.0)
    made = candidate("line", gated, predict(gated, thetas, np.random.default_rng(1)))
    assert made.keys == KEYS[:5]
    assert made.predicted == pytest.approx(thetas[:2] @ np.c_[np.ones(5), FIVE_PLACES].T)
    assert made.pointwise.sum(axis=1) == pytest.approx([posterior.log_likelihood(t) for t in thetas[:2]])
