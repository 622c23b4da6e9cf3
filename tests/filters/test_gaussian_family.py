"""Every Gaussian filter on linear models, against the joint normal law of all states and readings."""

import numpy as np
import pytest

from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.linear_dynamics import LinearReading
from mscale_uq.core.observation import Observation
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.core.statespace import StateSpace
from mscale_uq.filters.conditioning import Affine, condition, condition_few, condition_many
from mscale_uq.filters.extended import ExtendedKalman
from mscale_uq.filters.kalman import Kalman
from mscale_uq.filters.laplace import LaplaceKalman
from mscale_uq.filters.loop import prepared, run
from mscale_uq.filters.sigma_point import SigmaPointKalman
from mscale_uq.filters.sigma_rules import Cubature, GaussHermite, Unscented
from mscale_uq.filters.smoother import FixedLag, smooth
from mscale_uq.filters.square_root import SquareRootKalman
from mscale_uq.macro.linear_sde import LinearSDE, matrix
from mscale_uq.observe.laws import Gaussian

FILTERS = {
    "kalman": Kalman(),
    "square root": SquareRootKalman(),
    "extended": ExtendedKalman(),
    "iterated extended": ExtendedKalman(iterations=5),
    "unscented": SigmaPointKalman(Unscented()),
    "unscented, small alpha": SigmaPointKalman(Unscented(alpha=1e-2, beta=2, kappa=0)),
    "cubature": SigmaPointKalman(Cubature()),
    "gauss-hermite": SigmaPointKalman(GaussHermite(3)),
    "posterior linearisation": SigmaPointKalman(Cubature(), iterations=5),
    "laplace": LaplaceKalman(),
}
STATE = (Quantity("x", "1"), Quantity("v", "1", shape=(2,)))
PARAMETERS = (Parameter("pull", "1", 0.4), Parameter("push", "1", 0.7), Parameter("gain", "1", 1.3))
THETA = {"pull": 0.4, "push": 0.7, "gain": 1.3, "dim_sd": 0.8}


def law(pull, push):
    A = matrix([[-pull, 0.3, 0.0], [0.1, -0.2, pull], [0.0, -0.5, -0.1]])
    return A, np.stack([push, 0 * push, 0.2 + 0 * push]), np.diag([0.3, 0.1, 0.2])


def bright(gain):
    return matrix([[gain, 0.0, 0.0], [0.0, 1.0, 1.0]]), np.array([0.5, 0.0])


def dim():
    return np.array([[0.0, 0.0, 1.0]]), np.zeros(1)


def space():
    return StateSpace(
        [],
        LinearSDE("wheel", STATE, law),
        {
            "bright": ObservationOperator(
                "pair", Gaussian(sd=(0.3, 0.6)), LinearReading("pair", STATE, bright)
            ),
            "dim": ObservationOperator(
                "single", Gaussian(sd="dim_sd"), LinearReading("single", STATE, dim, ())
            ),
            "plain": ObservationOperator("x", Gaussian(sd=0.4)),
        },
        PARAMETERS,
        {"x_initial": 1.0, "v_initial": [0.5, -0.5], "x_initial_var": 0.5, "v_initial_var": [1.0, 2.0]},
    )


def stream(rng):
    """Irregular times, other sources at every time, two at once, missing entries, own noise."""
    cov = np.array([[0.5, 0.2], [0.2, 0.4]])
    pair, nan = rng.normal(size=(4, 2)), np.nan
    return [
        Observation(0.0, "plain", "x", rng.normal()),
        Observation(0.3, "bright", "pair", pair[0]),
        Observation(0.9, "dim", "single", rng.normal()),
        Observation(0.9, "bright", "pair", [nan, pair[1, 1]]),
        Observation(0.9, "plain", "x", rng.normal()),
        Observation(2.5, "bright", "pair", [nan, nan]),
        Observation(2.6, "bright", "pair", pair[2], noise=cov),
        Observation(2.6, "bright", "pair", [pair[3, 0], nan], noise=cov),
        Observation(7.0, "dim", "single", nan),
        Observation(7.0, "plain", "x", rng.normal(), noise=0.2),
        Observation(7.5, "dim", "single", rng.normal()),
    ]


# The whole as one normal law: states at all times stacked, readings below. No recursion over readings.


def joint(space, theta, times, observations):
    """Return mean and covariance of the stacked states, H, offset, noise and datum of what was seen."""
    values = prepared(space, theta)
    n, mean, cov = space.dynamics.size, *space.initial(values)
    means, blocks, now = [], np.zeros((len(times) * n,) * 2), space.start
    for row, time in enumerate(times):
        move = space.dynamics.transition(now, time, values)
        mean, cov = move.F @ mean + move.b, move.F @ cov @ move.F.T + move.Q
        here = slice(row * n, (row + 1) * n)
        blocks[here, : row * n] = move.F @ blocks[(row - 1) * n : row * n, : row * n] if row else 0
        blocks[: row * n, here] = blocks[here, : row * n].T
        blocks[here, here] = cov
        means.append(mean)
        now = time
    rows, offsets, noises, data = [], [], [], []
    for o in observations:
        operator, row = space.observations[o.source], list(times).index(o.time)
        H, d = operator.stage.matrices(values) if operator.stage else (np.eye(n)[:1], np.zeros(1))
        R = (
            o.noise_cov
            if o.noise is not None
            else operator.cov({**values, operator.quantity: np.zeros(len(d))})
        )
        seen = ~np.isnan(np.atleast_1d(o.value))
        wide = np.zeros((len(d), len(times) * n))
        wide[:, row * n : (row + 1) * n] = H
        rows.append(wide[seen])
        offsets.append(d[seen])
        noises.append(R[np.ix_(seen, seen)])
        data.append(np.atleast_1d(o.value)[seen])
    R = np.zeros((sum(map(len, data)),) * 2)
    first = 0
    for noise in noises:
        R[first : first + len(noise), first : first + len(noise)] = noise
        first += len(noise)
    return np.concatenate(means), blocks, np.vstack(rows), np.concatenate(offsets), R, np.concatenate(data)


def batch(space, theta, times, observations):
    """Return means ``(T, n)`` and covariances ``(T, n, n)`` given all observations, and their log-density."""
    mean, cov, H, d, R, y = joint(space, theta, times, observations)
    S, error = H @ cov @ H.T + R, y - d - H @ mean
    gain = np.linalg.solve(S, H @ cov).T
    posterior, spread = mean + gain @ error, cov - gain @ H @ cov
    T, n = len(times), space.dynamics.size
    log = -0.5 * (error @ np.linalg.solve(S, error) + np.linalg.slogdet(2 * np.pi * S)[1])
    return (
        posterior.reshape(T, n),
        np.array([spread[i * n : i * n + n, i * n : i * n + n] for i in range(T)]),
        log,
    )


@pytest.mark.parametrize("name", FILTERS)
def test_every_gaussian_filter_equals_the_batch_solution_on_a_linear_model(name):
    observations = stream(np.random.default_rng(1))
    steps = list(run(FILTERS[name], space(), THETA, observations))
    for state, _ in steps:
        until = [o for o in observations if o.time <= state.time]
        times = sorted({o.time for o in until})
        means, covs, _ = batch(space(), THETA, times, until)
        assert state.mean == pytest.approx(means[-1], abs=1e-10)
        assert state.cov == pytest.approx(covs[-1], abs=1e-10)


@pytest.mark.parametrize("name", FILTERS)
def test_the_evidence_of_a_stream_is_its_joint_density(name):
    observations = stream(np.random.default_rng(2))
    total = sum(info.log_evidence for _, info in run(FILTERS[name], space(), THETA, observations))
    times = sorted({o.time for o in observations})
    assert total == pytest.approx(batch(space(), THETA, times, observations)[2], abs=1e-10)


@pytest.mark.parametrize("name", FILTERS)
def test_every_smoother_equals_the_batch_solution_on_a_linear_model(name):
    observations = stream(np.random.default_rng(3))
    smoothed = smooth(FILTERS[name], space(), THETA, observations)
    means, covs, _ = batch(space(), THETA, [s.time for s in smoothed], observations)
    assert np.array([s.mean for s in smoothed]) == pytest.approx(means, abs=1e-10)
    assert np.array([s.cov for s in smoothed]) == pytest.approx(covs, abs=1e-10)


@pytest.mark.parametrize("filter", [Kalman(), SquareRootKalman()])
def test_a_fixed_lag_smoother_knows_the_data_up_to_its_lag_and_no_more(filter):
    observations = stream(np.random.default_rng(4))
    lag = 2.0
    times = sorted({o.time for o in observations})
    for now, smoothed in FixedLag(filter, lag).run(space(), THETA, observations):
        until = [o for o in observations if o.time <= now.time]
        grid = [t for t in times if t <= now.time]
        means, covs, _ = batch(space(), THETA, grid, until)
        assert smoothed.time == min(t for t in grid if t >= now.time - lag)
        row = grid.index(smoothed.time)
        assert smoothed.mean == pytest.approx(means[row], abs=1e-10)
        assert smoothed.cov == pytest.approx(covs[row], abs=1e-10)


@pytest.mark.parametrize("singular", [False, True])
def test_many_readings_in_the_coordinates_of_the_state_equal_josephs_form(singular):
    rng = np.random.default_rng(6)
    A, L, R = rng.normal(size=(12, 3)), rng.normal(size=(3, 3)), rng.normal(size=(12, 12))
    if singular:
        L[:, 2] = 0  # one direction of the state is known exactly
    mean, cov, noise, y = rng.normal(size=3), L @ L.T, R @ R.T + np.eye(12), rng.normal(size=12)
    many = condition_many(mean, cov, A, np.linalg.cholesky(noise), y - A @ mean, 0.0)
    few = condition_few(mean, cov, A, noise, y - A @ mean, 0.0)
    for one, two in zip(many, few, strict=True):
        assert one == pytest.approx(two, rel=1e-9, abs=1e-11)
    chosen = condition(mean, cov, Affine(A, np.zeros(12), noise), y, 0.0)
    assert np.array_equal(chosen[0], many[0])


def test_many_readings_with_one_common_error_are_one_reading():
    # Noise of rank one: five readings that are all off by the same amount say what one of them says.
    A, y = np.ones((5, 1)), np.full(5, 2.0)
    together = condition(
        np.zeros(1), np.eye(1), Affine(A, np.zeros(5), np.full((5, 5), 0.5) + 1e-9 * np.eye(5)), y, 0.0
    )
    alone = condition(np.zeros(1), np.eye(1), Affine(A[:1], np.zeros(1), np.array([[0.5]])), y[:1], 0.0)
    assert together[0] == pytest.approx(alone[0], rel=1e-6)
    assert together[1] == pytest.approx(alone[1], rel=1e-6)
