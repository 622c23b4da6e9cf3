import pickle

import numpy as np
import pytest

from mscale_uq.errors import InputError, SolveFailed
from mscale_uq.solve.banded import BandedPattern
from mscale_uq.solve.linear import SparsePattern


@pytest.fixture
def rng():
    return np.random.default_rng(2)


def springs(n, stiffness):
    """A row of springs between two walls: places and contributions of both triangles."""
    left, right = np.arange(n - 1), np.arange(1, n)
    rows = np.concatenate([left, left, right, right, [0, n - 1]])
    cols = np.concatenate([left, right, left, right, [0, n - 1]])
    inner = stiffness[1:-1]
    return rows, cols, np.concatenate([inner, -inner, -inner, inner, stiffness[[0, -1]]])


def test_a_row_of_springs_deflects_by_the_sum_of_its_compliances(rng):
    stiffness = np.exp(rng.normal(size=31))
    rows, cols, values = springs(30, stiffness)
    pattern = BandedPattern(rows, cols, 30)
    assert pattern.bandwidth == 1
    load = np.zeros(30)
    load[-1] = 1.0  # on the last node: wall - 30 springs - load - 1 spring - wall
    compliance = np.cumsum(1 / stiffness[:-1])
    force = (1 / compliance[-1]) / (1 / compliance[-1] + stiffness[-1])
    deflection = pattern.factorize(pattern.gather @ values).solve(load)
    np.testing.assert_allclose(deflection, force * compliance, rtol=1e-12)


@pytest.mark.parametrize("loads", [(), (4,)])
def test_the_banded_and_the_sparse_solve_are_the_same(rng, loads):
    rows, cols = (index.ravel() for index in np.indices((9, 9)))
    root = rng.normal(size=(9, 9))
    values = (root @ root.T + np.eye(9)).ravel()
    load = rng.normal(size=(9, *loads))
    banded, sparse = BandedPattern(rows, cols, 9), SparsePattern(rows, cols, (9, 9), positive_definite=True)
    expected = sparse.factorize(sparse.gather @ values).solve(load)
    factorization = banded.factorize(banded.gather @ values)
    np.testing.assert_allclose(factorization.solve(load), expected, rtol=1e-10)
    np.testing.assert_allclose(factorization.solve_transposed(load), expected, rtol=1e-10)


def test_a_matrix_that_is_not_positive_definite_fails():
    pattern = BandedPattern([0, 1], [0, 1], 2, name="cell")
    with pytest.raises(SolveFailed, match="cell: the matrix is not positive definite"):
        pattern.factorize(np.array([1.0, -1.0]))


def test_what_is_not_finite_fails():
    pattern = BandedPattern([0, 1], [0, 1], 2)
    with pytest.raises(SolveFailed, match="not finite"):
        pattern.factorize(np.array([1.0, np.nan]))
    with pytest.raises(SolveFailed, match="not finite"):
        pattern.factorize(np.ones(2)).solve([np.inf, 1.0])


def test_factorizing_and_solving_leave_data_and_load_alone():
    rows, cols, values = springs(6, np.ones(7))
    pattern = BandedPattern(rows, cols, 6)
    data, load = pattern.gather @ values, np.ones((6, 2))
    kept = data.copy()
    pattern.factorize(data).solve(load)
    np.testing.assert_array_equal(data, kept)
    np.testing.assert_array_equal(load, 1.0)


def test_a_pattern_survives_pickling():
    rows, cols, values = springs(6, np.ones(7))
    pattern = BandedPattern(rows, cols, 6)
    copy = pickle.loads(pickle.dumps(pattern))
    solve = copy.factorize(copy.gather @ values).solve
    np.testing.assert_allclose(solve(np.ones(6)), [3, 5, 6, 6, 5, 3], rtol=1e-12)


def test_a_place_outside_the_matrix_is_refused():
    with pytest.raises(InputError, match="outside the matrix"):
        BandedPattern([0, 2], [0, 1], 2)
