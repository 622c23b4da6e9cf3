"""The metric of NUTS departs from its first guess where draws are not of it, and nowhere else."""

import numpy as np
import pytest

from mscale_uq.infer.metric import CORRELATED, NearGaussian, spikes, told_apart

N, DRAWS = 30, 200


def gaussian(wide=1.0):
    """A correlated covariance, its root, and a sample's; the guess lacks that one direction is wider."""
    rng = np.random.default_rng(4)
    root = np.linalg.cholesky(np.cov(rng.standard_normal((N, 3 * N))))
    shape = np.ones(N)
    shape[0] = wide
    draws = (rng.standard_normal((DRAWS, N)) * np.sqrt(shape)) @ root.T
    return root, root @ (shape[:, None] * root.T), np.cov(draws.T)


def spread(one, other):
    """How much longer than needed trees are: the root of the condition number of one, relative to other."""
    values = np.linalg.eigvals(np.linalg.solve(other, one)).real
    return np.sqrt(values.max() / values.min())


def test_draws_of_the_gaussian_change_nothing_though_their_covariance_does():
    root, exact, sample = gaussian()
    assert spread(sample, exact) > 2.0
    assert told_apart(sample, root, DRAWS) == pytest.approx(exact, abs=1e-12)


@pytest.mark.parametrize("wide", [0.02, 50.0])
def test_a_direction_that_is_wider_or_narrower_is_learnt_and_no_other(wide):
    root, exact, sample = gaussian(wide)
    guess = root @ root.T
    assert spread(guess, exact) > 7.0
    assert spread(told_apart(sample, root, DRAWS), exact) < min(2.0, spread(sample, exact))


def test_many_draws_are_believed():
    rng = np.random.default_rng(5)
    exact = np.diag(np.geomspace(0.01, 100.0, 12))
    sample = np.cov((rng.standard_normal((100_000, 12)) * np.sqrt(np.diag(exact))).T)
    chance = np.sqrt(12 / 100_000)
    assert spread(told_apart(sample, np.eye(12), 100_000), exact) < (1 + chance) / (1 - chance)


@pytest.mark.parametrize("ratio", [0.1, 0.7])
def test_eigenvalues_lose_the_bias_of_a_sample(ratio):
    """What an eigenvalue becomes in a sample, Donoho et al. (2018), is undone; the rest is one."""
    true = np.array([0.02, 0.05, 3.0, 20.0])
    seen = true + ratio * true / (true - 1.0)
    assert spikes(seen, ratio) == pytest.approx(true)
    edge = np.sqrt(ratio)
    assert spikes(np.linspace((1 - edge) ** 2, (1 + edge) ** 2, 9), ratio) == pytest.approx(np.ones(9))


def test_with_fewer_draws_than_unknowns_no_direction_is_taken_for_narrow():
    assert np.array_equal(spikes(np.array([0.0, 0.0, 0.3]), 2.0), np.ones(3))
    assert spikes(np.array([40.0]), 2.0) == pytest.approx(37.9, abs=0.1)


def test_the_metric_while_tuning_is_the_guess_as_long_as_draws_are_of_it():
    root, exact, _ = gaussian()
    rng = np.random.default_rng(6)
    metric = NearGaussian(np.zeros(N), exact, rng)
    worst = 0.0
    for draw in rng.standard_normal((350, N)) @ root.T:
        metric.update(draw, None, True)
        worst = max(worst, spread(metric._cov, exact))
    assert worst < 1.6
    assert CORRELATED > 1.0
    assert metric._chol @ metric._chol.T == pytest.approx(metric._cov)
