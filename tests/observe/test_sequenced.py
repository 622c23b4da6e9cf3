"""Summaries of sequenced cells: unbiased, with honest covariances."""

import numpy as np
import pytest
from scipy.stats import binom

from mscale_uq.errors import DataError
from mscale_uq.observe.counts import poisson
from mscale_uq.observe.sequenced import SequencedCells

# Three lognormal genes, means about 0.34, 2.3 and 9.
LOG_MEAN = np.array([-1.2, 0.7, 2.1])
LOG_COV = np.array([[0.13, 0.05, 0.02], [0.05, 0.25, 0.06], [0.02, 0.06, 0.2]])
MEAN = np.exp(LOG_MEAN + np.diag(LOG_COV) / 2)
COV = np.outer(MEAN, MEAN) * np.expm1(LOG_COV)
ROWS, COLUMNS = np.tril_indices(3)
TRUTH = np.concatenate([MEAN, COV[ROWS, COLUMNS]])


def dish(cells, rng, sd=0.4):
    factors = rng.lognormal(0.0, sd, cells)
    latent = np.exp(rng.multivariate_normal(LOG_MEAN, LOG_COV, cells))
    return SequencedCells(rng.poisson(factors[:, None] * latent), factors)


def repeats(cells, count, seed, summary):
    rng = np.random.default_rng(seed)
    made = [summary(dish(cells, rng)) for _ in range(count)]
    return np.array([one.value for one in made]), np.array([one.cov for one in made])


def covered(values, covs, truth):
    """Return how often each entry lies within 1.96 of its stated standard deviations."""
    sd = np.sqrt(np.diagonal(covs, axis1=1, axis2=2))
    return np.mean(np.abs(values - truth) < 1.96 * sd, axis=0)


def test_factorial_moments_are_unbiased_and_say_how_uncertain_they_are():
    values, covs = repeats(400, 1500, 3, SequencedCells.moments)
    error = values.std(axis=0) / np.sqrt(len(values))
    assert np.all(np.abs(values.mean(axis=0) - TRUTH) < 4 * error)
    shares = covered(values, covs, TRUTH)
    assert np.all((shares[:3] > 0.925) & (shares[:3] < 0.97))  # means: published .93 to .96
    assert np.all((shares[3:] > 0.87) & (shares[3:] < 0.96))  # covariances of 400 cells: .89 to .94
    left = values[:, :3] - MEAN
    nees = np.einsum("ri,rij,rj->r", left, np.linalg.inv(covs[:, :3, :3]), left) / 3
    assert 0.9 < nees.mean() < 1.15


@pytest.mark.slow
@pytest.mark.parametrize(("cells", "lowest", "highest"), [(100, 0.82, 0.96), (2000, 0.92, 0.97)])
def test_covariances_are_covered_as_often_as_is_known(cells, lowest, highest):
    shares = covered(*repeats(cells, 1500, 4, SequencedCells.moments), TRUTH)
    assert np.all((shares[:3] > 0.925) & (shares[:3] < 0.97))
    assert np.all((shares[3:] > lowest) & (shares[3:] < highest))


def test_the_variance_of_normalised_logarithms_is_no_variance_of_the_gene():
    # Why counts are not log-normalised here: the first gene's "variance" is several times the true one.
    rng = np.random.default_rng(5)
    snapshot = dish(4000, rng)
    naive = np.log1p(snapshot.counts / snapshot.size_factors[:, None]).var(axis=0)[0]
    latent = np.exp(rng.normal(LOG_MEAN[0], np.sqrt(LOG_COV[0, 0]), 100000))
    assert naive > 5 * np.log1p(latent).var()


@pytest.mark.parametrize("known", [True, False])
def test_pseudobulk_covers_the_mean_with_and_without_knowing_the_variance(known):
    variance = np.diag(COV) if known else None
    values, covs = repeats(60, 2000, 6, lambda s: s.pseudobulk(variance))
    shares = covered(values, covs, MEAN)
    assert np.all((shares > 0.92) & (shares < 0.97))
    assert np.abs(values.mean(axis=0) / MEAN - 1).max() < 0.02


def test_200_cells_of_which_a_tenth_is_counted_tell_14_43_messages_to_0_849():
    """Binomial capture of Poisson mRNA: the mean's variance is (Var m + m (1 - b) / b) / n."""
    rng, cells, capture = np.random.default_rng(9), 200, 0.1
    counts = rng.binomial(rng.poisson(14.43, (4000, cells)), capture)
    made = [SequencedCells(one[:, None], np.full(cells, capture)).pseudobulk() for one in counts]
    # One dish errs by 6 % in its own sd, 4000 dishes by 1.1 % in theirs: within four errors of each.
    assert np.sqrt(np.mean([one.cov for one in made])) == pytest.approx(0.849, rel=4 * 0.06 / np.sqrt(4000))
    assert np.std([one.value for one in made]) == pytest.approx(0.849, rel=4 * 0.011)
    told = cells * capture**2 / poisson().spread(np.array(capture * 14.43), {})  # by the law of single counts
    assert told**-0.5 == pytest.approx(0.849, abs=5e-4)


def test_the_logarithm_of_pseudobulk_covers_that_of_the_mean():
    values, covs = repeats(60, 2000, 7, lambda s: s.log_pseudobulk(np.diag(COV) / MEAN**2))
    shares = covered(values, covs, np.log(MEAN))
    assert np.all((shares > 0.92) & (shares < 0.97))


def test_a_gene_that_nobody_counted_has_a_finite_logarithm_and_no_infinite_weight():
    silent = SequencedCells(np.zeros((10, 1)), np.ones(10)).log_pseudobulk(np.zeros(1))
    assert silent.value[0] == pytest.approx(np.log(0.05))
    assert silent.cov[0, 0] == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("counts", "factors"),
    [
        ([[1.5]], [1.0]),
        ([[-1.0]], [1.0]),
        ([[np.nan]], [1.0]),
        ([[1.0]], [0.0]),
        ([[1.0], [2.0]], [1.0]),
        (np.zeros((0, 2)), []),
    ],
)
def test_what_are_no_counts_are_refused(counts, factors):
    with pytest.raises(DataError):
        SequencedCells(np.array(counts), np.array(factors))


def test_two_cells_have_no_factorial_moments():
    with pytest.raises(DataError, match="at least 3"):
        SequencedCells(np.ones((2, 1)), np.ones(2)).moments()


def test_factorial_moments_of_poisson_counts_have_the_covariance_that_is_known():
    """V(y) = mu, C(y, y (y - 1)) = 2 mu^2, V(y (y - 1)) = 4 mu^3 + 2 mu^2, over the number of cells."""
    mu, cells = 1.7, 400_000
    found = SequencedCells(
        np.random.default_rng(8).poisson(mu, (cells, 1)), np.ones(cells)
    ).factorial_moments()
    exact = np.array([[mu, 2 * mu**2], [2 * mu**2, 4 * mu**3 + 2 * mu**2]]) / cells
    assert found.cov == pytest.approx(exact, rel=0.02)
    miss = found.value - [mu, mu**2]
    assert miss @ np.linalg.solve(exact, miss) < 13.8  # 99.9 % of a chi-square of two


def test_both_factorial_moments_of_negative_binomial_counts_are_covered_as_often_as_said():
    """In 800 dishes 95 % intervals hold 0.95 of the truth, within what chance allows in 999 of 1000 times."""
    rng, cells, noise = np.random.default_rng(9), 2000, 0.3
    truth = np.array([2.0, 4.0 * (1 + noise)])
    made = []
    for _ in range(800):
        size = rng.lognormal(0.0, 0.2, cells)
        counts = rng.poisson(size * truth[0] * rng.gamma(1 / noise, noise, cells))
        made.append(SequencedCells(counts[:, None], size).factorial_moments())
    values, covs = (np.array([getattr(one, part) for one in made]) for part in ("value", "cov"))
    band = binom.ppf([0.0005, 0.9995], 800, 0.95) / 800
    shares = covered(values, covs, truth)
    assert np.all((shares >= band[0]) & (shares <= band[1]))
    left = values - truth
    inside = np.einsum("ri,rij,rj->r", left, np.linalg.inv(covs), left) < -2 * np.log(0.05)
    assert band[0] <= inside.mean() <= band[1]
