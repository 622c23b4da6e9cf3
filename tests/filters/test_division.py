"""Cell division as a jump, against a simulation of it, and what fluorescence says through it."""

import numpy as np
import pytest
from division import divide

from mscale_uq.filters.division import partition_gain

MEAN, COV = np.array([14.0, 2500.0]), np.array([[14.0, 350.0], [350.0, 64000.0]])


def test_division_moves_mean_and_covariance_as_binomial_partition_does():
    rng, p = np.random.default_rng(0), 0.4
    mothers = np.rint(rng.multivariate_normal(MEAN, COV, 200_000)).clip(0).astype(int)
    one = rng.binomial(mothers, p)
    both = np.concatenate([one, mothers - one], axis=1)
    # the law of the whole, non-negative mothers
    mean, cov = divide(mothers.mean(axis=0), np.cov(mothers, rowvar=False), p)
    sd = np.sqrt(np.diag(cov))
    assert both.mean(axis=0) == pytest.approx(mean, rel=2e-3)
    assert np.cov(both, rowvar=False) / np.outer(sd, sd) == pytest.approx(cov / np.outer(sd, sd), abs=0.012)


def test_daughters_add_up_to_their_mother():
    mean, cov = divide(MEAN, COV, 0.3)
    total = np.hstack([np.eye(2), np.eye(2)])
    assert total @ mean == pytest.approx(MEAN)
    assert total @ cov @ total.T == pytest.approx(COV)


def test_daughters_of_a_poisson_mother_are_independent():
    _, cov = divide(MEAN, np.diag(MEAN))
    assert cov == pytest.approx(np.diag(np.tile(MEAN / 2, 2)))


def test_daughters_of_a_mother_that_is_known_exactly_are_opposite():
    _, cov = divide(MEAN, np.zeros((2, 2)))
    assert cov[:2, 2:] == pytest.approx(-cov[:2, :2])


def daughters(pairs, gain, noise_sd, rng):
    mothers = rng.poisson(400, pairs)
    one = rng.binomial(mothers, 0.5)
    noise = noise_sd * rng.standard_normal((2, pairs))
    return gain * one + noise[0], gain * (mothers - one) + noise[1]


def test_partition_noise_gives_the_light_of_one_molecule():
    # gain 25 and noise 50, as in the published simulated tree
    rng = np.random.default_rng(1)
    found = np.array([partition_gain(*daughters(200, 25.0, 50.0, rng), 50.0**2) for _ in range(400)])
    gain, error = found.T
    assert gain.mean() == pytest.approx(25.0, abs=4 * gain.std() / 20)
    assert np.mean(np.abs(gain - 25.0) < 1.96 * error) == pytest.approx(0.95, abs=0.035)


def test_noise_of_the_reading_that_is_forgotten_makes_molecules_too_bright():
    rng = np.random.default_rng(2)
    naive, _ = partition_gain(*daughters(200_000, 25.0, 50.0, rng))
    assert naive == pytest.approx(25.0 + 2 * 50.0**2 / (25.0 * 400), rel=0.01)
