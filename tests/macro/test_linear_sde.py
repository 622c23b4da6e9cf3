"""Linear stochastic dynamics and readings: one declaration for paths, filters and members."""

import numpy as np
import pytest
from scipy.linalg import expm

from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.linear_dynamics import LinearReading
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.core.statespace import StateSpace
from mscale_uq.diagnose.gradient import check_gradient
from mscale_uq.errors import Infeasible, WiringError
from mscale_uq.macro.linear_sde import LinearSDE, matrix
from mscale_uq.observe.laws import Gaussian

STATE = (Quantity("x", "1"), Quantity("v", "1", shape=(2,)))
VALUES = {"pull": np.array(0.4), "push": np.array(0.7), "kick": np.array([0.3, 0.2])}


def law(pull, push, kick):
    A = matrix([[-pull, 0.3, 0.0], [0.1, -0.2, pull], [0.0, -0.5, -0.1 * push]])
    noise = [[0.3, 0.1 * pull, 0.0], [0.1 * pull, kick[0] ** 2, 0.0], [0.0, 0.0, kick[1] ** 2]]
    return A, np.stack([push, kick[0], 0.2 * push**2]), matrix(noise)


def pair(gain, pull):
    return matrix([[gain, 0.0, 0.0], [0.0, pull, 1.0]]), np.stack([0.5 * gain, 0 * gain])


def wheel():
    return LinearSDE("wheel", STATE, law, {"kick": (2,)})


def space():
    return StateSpace(
        [],
        wheel(),
        {"eye": ObservationOperator("pair", Gaussian(0.3), LinearReading("pair", STATE, pair))},
        [
            Parameter("pull", "1", 0.4),
            Parameter("push", "1", 0.7),
            Parameter("kick", "1", (0.3, 0.2), shape=(2,)),
            Parameter("gain", "1", 1.3),
            Parameter("x_initial", "1", 1.0),
        ],
        {"v_initial": [0.5, -0.5]},
    )


def test_a_path_and_its_readings_have_an_exact_gradient():
    model = space().forward([0.0, 0.4, 3.0, 40.0])
    assert check_gradient(model, model.theta(), np.random.default_rng(0)).ok


def test_a_step_is_the_exponential_of_the_law():
    A, c, _ = (np.asarray(part) for part in law(0.4, 0.7, VALUES["kick"]))
    start = np.array([[1.0, 0.5, -0.5], [0.0, 2.0, 1.0]])
    moved = wheel().step(start, 1.0, 2.7, VALUES, np.random.default_rng(0))
    rest = -np.linalg.solve(A, c)
    assert moved == pytest.approx(rest + (start - rest) @ expm(1.7 * A).T, rel=1e-12)


def test_a_path_with_noise_has_the_stated_covariance():
    # Euler steps of 1/200 of the time, many paths: the covariance agrees within its sampling error.
    A, c, G = (np.asarray(part) for part in law(0.4, 0.7, VALUES["kick"]))
    rng, paths, steps = np.random.default_rng(1), 20_000, 200
    x, L = np.zeros((paths, 3)), np.linalg.cholesky(G)
    for _ in range(steps):
        x = x + (x @ A.T + c) / steps + rng.normal(size=(paths, 3)) @ L.T / np.sqrt(steps)
    found, stated = np.cov(x.T), wheel().noise(0.0, 1.0, VALUES)
    scale = np.sqrt(np.outer(np.diag(stated), np.diag(stated)))
    assert np.abs(found - stated).max() < 0.05 * scale.max()
    assert np.all(np.abs(found - stated) < 0.05 * scale)


def test_members_may_have_values_of_their_own():
    start = np.array([[1.0, 0.5, -0.5], [0.0, 2.0, 1.0]])
    several = {**VALUES, "pull": np.array([0.4, 0.9]), "kick": np.array([[0.3, 0.2], [0.5, 0.1]])}
    rng = np.random.default_rng(0)
    both = wheel().step(start, 0.0, 1.0, several, rng)
    for row in range(2):
        own = {**VALUES, "pull": several["pull"][row], "kick": several["kick"][row]}
        assert np.array_equal(both[row], wheel().step(start[[row]], 0.0, 1.0, own, rng)[0])


def test_after_a_long_time_the_law_is_the_stationary_one():
    mean, cov = wheel().stationary(VALUES)
    move = wheel().transition(0.0, 1e4, VALUES)
    assert move.b == pytest.approx(mean, rel=1e-12)
    assert pytest.approx(cov, rel=1e-12) == move.Q


def test_a_process_that_does_not_settle_says_so():
    with pytest.raises(Infeasible, match="no stationary law"):
        wheel().stationary({**VALUES, "pull": np.array(-0.4)})


def test_matrices_that_read_the_state_are_refused():
    with pytest.raises(WiringError, match="use a Formula"):
        LinearReading("reading", STATE, lambda x: (x, x))
