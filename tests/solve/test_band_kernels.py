"""Cholesky on a band gives what dense algebra gives."""

import numpy as np
import pytest

from mscale_uq.solve.band_kernels import factor_band, solve_band


def banded(n, b, rng):
    dense = np.triu(np.tril(rng.standard_normal((n, n)), b), -b)
    dense = np.triu(np.tril(dense @ dense.T, b), -b)
    dense += np.diag(np.abs(dense).sum(axis=1))
    band = np.zeros((n, b + 1))
    for i in range(n):
        for j in range(max(0, i - b), i + 1):
            band[i, b + j - i] = dense[i, j]
    return dense, band


@pytest.mark.parametrize(("n", "b"), [(1, 0), (2, 1), (9, 3), (30, 29), (40, 5)])
def test_a_band_system_is_solved_as_a_dense_one(n, b):
    rng = np.random.default_rng(3)
    dense, band = banded(n, b, rng)
    loads = rng.standard_normal((n, 3))
    solved = loads.copy()
    assert factor_band(band)
    solve_band(band, solved)
    assert solved == pytest.approx(np.linalg.solve(dense, loads), rel=1e-12)


def test_a_matrix_that_is_not_positive_definite_is_refused():
    assert not factor_band(np.array([[0.0, 1.0], [2.0, 1.0]]))
