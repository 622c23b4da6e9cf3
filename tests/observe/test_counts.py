"""Laws of counts against SciPy, differences and limits."""

import numpy as np
import pytest
from scipy.stats import nbinom
from scipy.stats import poisson as scipy_poisson

from mscale_uq.errors import DataError, ParameterError
from mscale_uq.observe.counts import NegativeBinomial, log_probability, poisson

COUNTS = np.array([0.0, 1.0, 2.0, 7.0, 40.0, 300.0])
MEANS = np.array([0.3, 2.0, 0.01, 12.0, 35.0, 500.0])


@pytest.mark.parametrize("alpha", [1e-3, 0.02, 0.3, 4.0])
def test_a_negative_binomial_count_has_scipys_probability(alpha):
    terms = NegativeBinomial(alpha).logpdf(COUNTS, MEANS, np.zeros(6), {})
    exact = nbinom(1 / alpha, 1 / (1 + alpha * MEANS)).logpmf(COUNTS)
    assert terms.pointwise == pytest.approx(exact, rel=1e-10)


def test_a_count_without_overdispersion_is_poisson():
    terms = poisson().logpdf(COUNTS, MEANS, np.zeros(6), {})
    assert terms.pointwise == pytest.approx(scipy_poisson(MEANS).logpmf(COUNTS), rel=1e-13)


def test_the_overdispersion_may_be_as_small_as_one_likes():
    # log p is smooth in alpha: the linear part of the change is its slope at zero, known in closed form.
    slope = 0.5 * COUNTS * (COUNTS - 1) - COUNTS * MEANS + 0.5 * MEANS**2
    base = log_probability(COUNTS, MEANS, np.zeros(6))
    assert base[2] == pytest.approx(slope, rel=1e-12)
    for alpha in (1e-14, 1e-11, 1e-9):
        moved = log_probability(COUNTS, MEANS, np.full(6, alpha))[0]
        assert moved == pytest.approx(base[0] + alpha * slope, rel=1e-12, abs=1e-9)


@pytest.mark.parametrize("alpha", [1e-7, 3e-5, 1e-3, 0.05, 0.7])
@pytest.mark.parametrize("variance", [0.0, 0.2])
def test_the_derivatives_of_a_count_agree_with_differences(alpha, variance):
    law, extra = NegativeBinomial("alpha"), np.full(6, variance)
    terms = law.logpdf(COUNTS, MEANS, extra, {"alpha": np.array(alpha)})

    def total(alpha=alpha, means=MEANS, extra=extra):
        return law.logpdf(COUNTS, means, extra, {"alpha": np.array(alpha)}).pointwise

    step = 1e-5
    up, down = (total(means=MEANS * (1 + sign * step)) for sign in (1, -1))
    assert terms.d_prediction * MEANS == pytest.approx((up - down) / (2 * step), rel=1e-6, abs=1e-6)
    up, down = (total(alpha=alpha * (1 + sign * 1e-3)) for sign in (1, -1))
    assert terms.d_values["alpha"] * alpha == pytest.approx((up - down).sum() / 2e-3, rel=1e-4, abs=1e-7)
    if variance:
        up, down = (total(extra=extra * (1 + sign * step)) for sign in (1, -1))
        assert terms.d_variance * variance == pytest.approx((up - down) / (2 * step), rel=1e-5, abs=1e-6)


def test_an_uncertain_mean_makes_poisson_counts_negative_binomial():
    mixed = poisson().logpdf(np.array([3.0]), np.array([2.0]), np.array([1.2]), {})
    assert (
        mixed.pointwise
        == NegativeBinomial(0.3).logpdf(np.array([3.0]), np.array([2.0]), np.zeros(1), {}).pointwise
    )


def test_drawn_counts_have_the_stated_mean_and_variance():
    law, mean = NegativeBinomial(0.5), np.full(40_000, 3.0)
    drawn = law.sample(mean, np.full(40_000, 0.6), {}, np.random.default_rng(5))
    variance = 3.0 + 0.5 * 9 + 0.6
    assert drawn.mean() == pytest.approx(3.0, abs=4 * np.sqrt(variance / 40_000))
    assert drawn.var() == pytest.approx(variance, rel=0.06)  # the fourth moment makes its sd about 1.3 %
    assert law.cov(np.array([3.0]), np.array([0.6]), {}) == pytest.approx(variance)


def test_probabilities_of_counts_add_up_to_one():
    counts = np.arange(3000.0)
    terms = NegativeBinomial(0.4).logpdf(counts, np.full(3000, 20.0), np.zeros(3000), {})
    assert np.exp(terms.pointwise).sum() == pytest.approx(1, abs=1e-12)


def test_an_impossible_mean_has_no_probability_and_no_slope():
    terms = poisson().logpdf(np.array([2.0, 0.0, 0.0]), np.array([0.0, 0.0, -1.0]), np.zeros(3), {})
    assert list(terms.pointwise) == [-np.inf, 0.0, -np.inf]
    assert np.all(np.isfinite(terms.d_prediction))


def test_a_missing_count_says_nothing():
    terms = poisson().logpdf(np.array([np.nan, 1.0]), np.array([5.0, 1.0]), np.zeros(2), {})
    assert terms.pointwise[0] == terms.d_prediction[0] == 0


@pytest.mark.parametrize("datum", [1.5, -1.0, 0.6931])
def test_normalised_counts_are_refused(datum):
    with pytest.raises(DataError, match="raw counts"):
        poisson().logpdf(np.array([datum]), np.ones(1), np.zeros(1), {})


def test_a_negative_overdispersion_is_refused():
    with pytest.raises(ParameterError, match="overdispersion"):
        NegativeBinomial(-0.1)
