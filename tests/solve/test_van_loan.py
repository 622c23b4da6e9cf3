"""A linear stochastic equation over a finite time, against matrix exponentials and closed forms."""

import numpy as np
import pytest
from scipy.linalg import expm, solve_continuous_lyapunov

from mscale_uq.solve.van_loan import Discrete, discretise, discretise_tangents


def equation(n, rng, stable=True):
    A = rng.normal(size=(n, n)) - (1.5 * np.sqrt(n) if stable else 0.0) * np.eye(n)
    L = rng.normal(size=(n, n))
    return A, rng.normal(size=n), L @ L.T


@pytest.mark.parametrize("time", [1e-6, 0.03, 0.7, 2.0])
@pytest.mark.parametrize("n", [1, 2, 5])
def test_the_three_integrals_are_blocks_of_matrix_exponentials(n, time):
    A, c, G = equation(n, np.random.default_rng(n), stable=False)
    F, b, Q = discretise(A, c, G, time)
    wide = expm(np.block([[-A, G], [np.zeros((n, n)), A.T]]) * time)
    assert pytest.approx(expm(A * time), rel=1e-12, abs=1e-13) == F
    assert pytest.approx(wide[n:, n:].T @ wide[:n, n:], rel=1e-10, abs=1e-12 * time) == Q
    affine = expm(np.block([[A, c[:, None]], [np.zeros((1, n + 1))]]) * time)
    assert b == pytest.approx(affine[:n, n], rel=1e-11, abs=1e-13)


def test_after_a_long_time_the_noise_is_the_stationary_covariance():
    A, c, G = equation(4, np.random.default_rng(3))
    F, b, Q = discretise(A, c, G, 1e4)
    assert np.abs(F).max() < 1e-100
    assert pytest.approx(solve_continuous_lyapunov(A, -G), rel=1e-12) == Q
    assert b == pytest.approx(-np.linalg.solve(A, c), rel=1e-12)


def test_a_stiff_equation_keeps_a_positive_covariance():
    A = np.array([[-1e6, 1e6, 0.0], [0.0, -1.0, 1.0], [0.0, 0.0, -1e-6]])
    for time in (1e-7, 1.0, 1e7):
        Q = discretise(A, np.zeros(3), np.diag([0.0, 0.0, 1.0]), time).Q
        assert np.array_equal(Q, Q.T)
        assert np.linalg.eigvalsh(Q).min() > -1e-15 * np.trace(Q)


def test_two_short_steps_are_one_long_step():
    A, c, G = equation(3, np.random.default_rng(4))
    one, two = discretise(A, c, G, 0.4), discretise(A, c, G, 0.8)
    assert pytest.approx(one.F @ one.F, rel=1e-12) == two.F
    assert two.b == pytest.approx(one.F @ one.b + one.b, rel=1e-12)
    assert pytest.approx(one.F @ one.Q @ one.F.T + one.Q, rel=1e-12) == two.Q


def test_a_random_walk_adds_its_variance_with_time():
    F, b, Q = discretise(np.zeros((1, 1)), np.array([2.0]), np.array([[3.0]]), 1.7)
    assert (F[0, 0], b[0], Q[0, 0]) == (1.0, pytest.approx(3.4), pytest.approx(5.1))


def test_no_time_changes_nothing():
    A, c, G = equation(3, np.random.default_rng(5))
    F, b, Q = discretise(A, c, G, 0.0)
    assert np.array_equal(F, np.eye(3))
    assert not b.any()
    assert not Q.any()


@pytest.mark.parametrize("time", [0.05, 1.3, 30.0])
def test_the_derivatives_of_the_three_integrals_are_exact(time):
    rng = np.random.default_rng(6)
    A, c, G = equation(3, rng)
    dG = rng.normal(size=(2, 3, 3))
    along = Discrete(rng.normal(size=(2, 3, 3)), rng.normal(size=(2, 3)), dG + np.swapaxes(dG, 1, 2))
    now, moved = discretise_tangents(A, c, G, along, time)
    for plain, same in zip(discretise(A, c, G, time), now, strict=True):
        assert np.array_equal(plain, same)
    h = 1e-5 / max(1.0, time)
    for k in range(2):
        up, down = (
            discretise(A + s * h * along.F[k], c + s * h * along.b[k], G + s * h * along.Q[k], time)
            for s in (1, -1)
        )
        for high, low, slope in zip(up, down, moved, strict=True):
            scale = np.abs(slope[k]).max() + np.abs(high).max()
            assert (high - low) / (2 * h) == pytest.approx(slope[k], abs=1e-8 * scale)
