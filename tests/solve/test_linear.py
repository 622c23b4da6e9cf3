import pickle

import numpy as np
import pytest

from mscale_uq.errors import InputError, SolveFailed
from mscale_uq.solve.linear import SparsePattern


@pytest.fixture
def rng():
    return np.random.default_rng(1)


def chain_laplacian(n, ends):
    """Springs of stiffness one in a row: places, contributions and pattern; `ends` fixes both ends."""
    left, right = np.arange(n - 1), np.arange(1, n)
    rows = np.concatenate([left, left, right, right, [0, n - 1]])
    cols = np.concatenate([left, right, left, right, [0, n - 1]])
    values = np.concatenate([np.ones(n - 1), -np.ones(n - 1), -np.ones(n - 1), np.ones(n - 1), [ends, ends]])
    return rows, cols, values


def test_repeated_contributions_add_up_as_in_a_dense_matrix(rng):
    rows, cols, values = rng.integers(0, 7, 60), rng.integers(0, 9, 60), rng.normal(size=60)
    dense = np.zeros((7, 9))
    np.add.at(dense, (rows, cols), values)
    pattern = SparsePattern(rows, cols, (7, 9))
    np.testing.assert_allclose(pattern.matrix(pattern.data(values)).toarray(), dense, atol=1e-14)


@pytest.mark.parametrize("loads", [(), (3,)])
def test_solve_and_transposed_solve_agree_with_dense_algebra_for_an_unsymmetric_matrix(rng, loads):
    n = 12
    rows, cols = (index.ravel() for index in np.indices((n, n)))
    dense = rng.normal(size=(n, n))
    pattern = SparsePattern(rows, cols, (n, n))
    factorization = pattern.factorize(pattern.data(dense))
    load = rng.normal(size=(n, *loads))
    np.testing.assert_allclose(factorization.solve(load), np.linalg.solve(dense, load), rtol=1e-9)
    np.testing.assert_allclose(
        factorization.solve_transposed(load), np.linalg.solve(dense.T, load), rtol=1e-9
    )


def test_the_symmetric_path_gives_the_exact_deflection_of_a_row_of_springs():
    # -u'' = 1 with differences of second order is exact for a parabola: u_i = (i + 1)(n - i)/2
    n = 50
    rows, cols, values = chain_laplacian(n, ends=1.0)
    pattern = SparsePattern(rows, cols, (n, n), positive_definite=True)
    i = np.arange(n)
    solution = pattern.factorize(pattern.data(values)).solve(np.ones(n))
    np.testing.assert_allclose(solution, (i + 1) * (n - i) / 2, rtol=1e-12)


@pytest.mark.parametrize("positive_definite", [True, False])
@pytest.mark.parametrize("unit", [1e-12, 1.0, 1e12])
def test_a_row_of_springs_that_nothing_holds_is_singular_in_all_units(rng, positive_definite, unit):
    n = 40
    rows, cols, values = chain_laplacian(n, ends=0.0)
    stiffness = unit * np.exp(rng.normal(size=n - 1))
    pattern = SparsePattern(rows, cols, (n, n), positive_definite)
    contributions = values * np.concatenate([np.tile(stiffness, 4), [0.0, 0.0]])
    with pytest.raises(SolveFailed, match="singular"):
        pattern.factorize(pattern.data(contributions))


def test_mixed_units_in_one_regular_matrix_are_no_singularity():
    dense = np.array([[2.0, 1e-12], [1e-12, 3e-24]])
    rows, cols = (index.ravel() for index in np.indices((2, 2)))
    pattern = SparsePattern(rows, cols, (2, 2), positive_definite=True)
    solution = pattern.factorize(pattern.data(dense)).solve([1.0, 1e-12])
    np.testing.assert_allclose(solution, [0.4, 2e11], rtol=1e-12)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_matrix_that_is_not_finite_fails_before_it_is_factorised(bad):
    pattern = SparsePattern([0, 1], [0, 1], (2, 2))
    with pytest.raises(SolveFailed, match="not finite"):
        pattern.factorize(np.array([1.0, bad]))


def test_a_load_that_is_not_finite_fails():
    pattern = SparsePattern([0, 1], [0, 1], (2, 2))
    with pytest.raises(SolveFailed, match="not finite"):
        pattern.factorize(np.ones(2)).solve([1.0, np.nan])


def test_failures_carry_the_name_of_the_solve():
    pattern = SparsePattern([0, 1], [0, 1], (2, 2), name="plate")
    with pytest.raises(SolveFailed) as failure:
        pattern.factorize(np.array([1.0, 0.0]))
    assert failure.value.stage == "plate"


def test_a_pattern_survives_pickling():
    rows, cols, values = chain_laplacian(5, ends=1.0)
    pattern = SparsePattern(rows, cols, (5, 5), positive_definite=True)
    copy = pickle.loads(pickle.dumps(pattern))
    np.testing.assert_array_equal(
        copy.matrix(copy.data(values)).toarray(), pattern.matrix(pattern.data(values)).toarray()
    )


def test_a_place_outside_the_matrix_is_refused():
    with pytest.raises(InputError, match="outside the matrix; allowed: rows and columns inside"):
        SparsePattern([0, 2], [0, 1], (2, 2))
    with pytest.raises(InputError, match="2 rows and 1 columns"):
        SparsePattern([0, 1], [0], (2, 2))
