import numpy as np
import pytest

from mscale_uq.errors import InputError
from mscale_uq.filters.inflation import Inflation
from mscale_uq.filters.rotation import rotated, uniform_orthogonal

MEMBERS = np.random.default_rng(1).standard_normal((12, 5)) * [1, 2, 3, 4, 0.1] + 3
OTHERS = np.random.default_rng(2).standard_normal((12, 5))


def test_inflation_on_anomalies_multiplies_the_covariance_by_its_square():
    wide = Inflation(on_anomalies=1.1).after(OTHERS, MEMBERS)
    assert wide.mean(axis=0) == pytest.approx(MEMBERS.mean(axis=0), rel=1e-14)
    assert np.cov(wide.T) == pytest.approx(1.1**2 * np.cov(MEMBERS.T), rel=1e-12)


def test_inflation_on_variance_multiplies_the_covariance_by_itself():
    wide = Inflation(on_variance=1.1).after(OTHERS, MEMBERS)
    assert np.cov(wide.T) == pytest.approx(1.1 * np.cov(MEMBERS.T), rel=1e-12)


def test_prior_inflation_acts_before_and_posterior_inflation_after():
    prior, posterior = Inflation(1.2, when="prior"), Inflation(1.2)
    assert np.array_equal(prior.after(OTHERS, MEMBERS), MEMBERS)
    assert np.array_equal(posterior.before(MEMBERS), MEMBERS)
    assert np.array_equal(prior.before(MEMBERS), posterior.after(OTHERS, MEMBERS))


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_relaxation_ends_at_the_mixture_of_the_two_spreads(share):
    relaxed = Inflation(relax_to_prior_spread=share).after(OTHERS, MEMBERS)
    expected = (1 - share) * MEMBERS.std(axis=0) + share * OTHERS.std(axis=0)
    assert relaxed.std(axis=0) == pytest.approx(expected, rel=1e-13)
    assert relaxed.mean(axis=0) == pytest.approx(MEMBERS.mean(axis=0), rel=1e-13)
    assert np.corrcoef(relaxed.T) == pytest.approx(np.corrcoef(MEMBERS.T), abs=1e-12)


def test_relaxation_leaves_a_state_without_spread_alone():
    certain = np.tile(MEMBERS[0], (12, 1))
    assert np.array_equal(Inflation(relax_to_prior_spread=0.5).after(OTHERS, certain), certain)


def test_the_default_does_nothing():
    assert Inflation().after(OTHERS, MEMBERS) is MEMBERS


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"on_anomalies": 0}, "positive factors"),
        ({"on_anomalies": 1.1, "on_variance": 1.2}, "one of the two"),
        ({"when": "later"}, "'prior' or 'posterior'"),
        ({"relax_to_prior_spread": -0.1}, "a share from 0 on"),
    ],
)
def test_impossible_inflation_is_refused(given, message):
    with pytest.raises(InputError, match=message):
        Inflation(**given)


def test_a_rotation_keeps_mean_and_covariance_and_moves_every_member():
    mixed = rotated(MEMBERS, np.random.default_rng(3))
    assert mixed.mean(axis=0) == pytest.approx(MEMBERS.mean(axis=0), rel=1e-13)
    assert np.cov(mixed.T) == pytest.approx(np.cov(MEMBERS.T), rel=1e-11)
    assert np.all(np.abs(mixed - MEMBERS).max(axis=1) > 1e-3)


def test_orthogonal_matrices_are_uniform():
    # Haar measure: each entry has mean 0 and variance 1/n, and the trace has mean 0 and variance 1.
    rng, n, count = np.random.default_rng(4), 4, 4000
    draws = np.array([uniform_orthogonal(n, rng) for _ in range(count)])
    assert np.abs(draws.mean(axis=0)).max() < 4.5 * np.sqrt(1 / n / count)
    traces = np.trace(draws, axis1=1, axis2=2)
    assert abs(traces.mean()) < 4 / np.sqrt(count)
    assert traces.var() == pytest.approx(1.0, abs=4 * np.sqrt(2 / count))
