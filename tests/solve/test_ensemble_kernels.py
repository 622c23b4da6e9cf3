"""Compiled passes over an ensemble against the formulas they stand for."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from mscale_uq.solve.ensemble_kernels import half_gained, whitened


@pytest.mark.parametrize("readings", [1, 3, 4, 5, 8, 41])
def test_whitening_divides_by_the_factor_and_gives_the_density_of_the_last(readings):
    rng = np.random.default_rng(readings)
    root = rng.standard_normal((readings, readings + 2))
    cov, deviations = root @ root.T, rng.standard_normal((6, readings))
    factor = np.linalg.cholesky(cov)
    white, log = whitened(factor, deviations)
    assert factor @ white == pytest.approx(deviations.T, abs=1e-12)
    assert log == pytest.approx(
        multivariate_normal(np.zeros(readings), cov).logpdf(deviations[-1]), rel=1e-12
    )


def test_half_the_gain_is_the_formula_of_the_deterministic_filter():
    rng = np.random.default_rng(0)
    members, predicted, d = rng.standard_normal((9, 5)), rng.standard_normal((9, 3)), rng.standard_normal(3)
    A, Y, R = members - members.mean(axis=0), predicted - predicted.mean(axis=0), 0.3 * np.eye(3)
    gain = A.T @ Y / 8 @ np.linalg.inv(Y.T @ Y / 8 + R)
    factor = np.linalg.cholesky(Y.T @ Y / 8 + R)
    white, _ = whitened(factor, np.vstack([Y, d]))
    expected = members.mean(axis=0) + gain @ d + A - Y @ gain.T / 2
    assert half_gained(white, members) == pytest.approx(expected, abs=1e-12)
