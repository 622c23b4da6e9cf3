"""The compiled filters against the filter as one writes it on a blackboard, and their covariances."""

import numpy as np
import pytest

from mscale_uq.solve.kalman_kernels import filter_large, filter_small


def naive(mean, cov, F, b, Q, move, H, r, look, y):
    """The reference: textbook formulas, inverses and all."""
    states, logs = [], []
    for t, row in enumerate(y):
        if move[t] >= 0:
            k = move[t]
            mean, cov = F[k] @ mean + b[k], F[k] @ cov @ F[k].T + Q[k]
        seen = ~np.isnan(row)
        h, R = H[look[t]][seen], np.diag(r[look[t]][seen])
        S, error = h @ cov @ h.T + R, row[seen] - h @ mean
        K = cov @ h.T @ np.linalg.inv(S)
        mean, cov = mean + K @ error, (np.eye(len(mean)) - K @ h) @ cov
        log = -0.5 * (error @ np.linalg.inv(S) @ error + np.linalg.slogdet(2 * np.pi * S)[1])
        states.append((mean, cov))
        logs.append(log)
    return states, np.array(logs)


def series(n, m, times, rng, kinds=2):
    y = rng.normal(size=(times, m))
    y[rng.random(y.shape) < 0.2] = np.nan
    F = np.array([0.95 * np.linalg.qr(rng.normal(size=(n, n)))[0] for _ in range(kinds)])
    L = rng.normal(size=(kinds, n, n)) / np.sqrt(n)
    return {
        "F": F,
        "b": rng.normal(size=(kinds, n)),
        "Q": L @ np.swapaxes(L, 1, 2),
        "move": rng.integers(-1, kinds, times),
        "H": rng.normal(size=(kinds, m, n)),
        "r": rng.uniform(0.1, 1, size=(kinds, m)),
        "look": rng.integers(0, kinds, times),
        "y": y,
    }


def compiled(kernel, given, n, keep=True):
    times = len(given["y"])
    kept = tuple(np.zeros((times, *shape)) for shape in ((n,), (n, n), (n,), (n, n))) if keep else None
    logs = np.zeros(times)
    arrays = (np.ones(n), 2.0 * np.eye(n), *given.values(), kept, logs)
    done = filter_small((0,) * n, *arrays) if kernel == "small" else filter_large(*arrays)
    return done, kept, logs


@pytest.mark.parametrize(("kernel", "n", "m"), [("small", 3, 2), ("large", 3, 2), ("large", 20, 8)])
def test_a_compiled_filter_equals_the_naive_one(kernel, n, m):
    given = series(n, m, 40, np.random.default_rng(n))
    done, kept, logs = compiled(kernel, given, n)
    states, expected = naive(np.ones(n), 2.0 * np.eye(n), *given.values())
    assert done == 40
    assert logs == pytest.approx(expected, abs=1e-10)
    for t, (mean, cov) in enumerate(states):
        assert kept[2][t] == pytest.approx(mean, abs=1e-10)
        assert kept[3][t] == pytest.approx(cov, abs=1e-10)
    assert compiled(kernel, given, n, keep=False)[2] == pytest.approx(logs, abs=0)


@pytest.mark.parametrize("kernel", ["small", "large"])
def test_after_a_hundred_thousand_updates_the_covariance_is_symmetric_and_positive(kernel):
    n, times = 3, 100_000
    rng = np.random.default_rng(8)
    given = series(n, 2, times, rng)
    given["Q"] *= 1e-8  # hardly any noise: the covariance becomes small and its directions unequal
    given["r"][:, 0] = 1e-8
    done, kept, _ = compiled(kernel, given, n)
    covs = kept[3]
    assert done == times
    assert np.array_equal(covs, np.swapaxes(covs, 1, 2))
    eigenvalues = np.linalg.eigvalsh(covs[::97])
    assert eigenvalues.min() >= 0


@pytest.mark.parametrize("kernel", ["small", "large"])
def test_an_innovation_without_positive_variance_stops_the_filter_at_its_time(kernel):
    given = series(3, 2, 10, np.random.default_rng(9))
    given["y"][:] = 1.0
    given["look"][:] = 0
    given["look"][5] = 1
    given["r"][1] = -1e6
    assert compiled(kernel, given, 3)[0] == 5


def test_a_tiny_noise_beside_a_wide_prior_costs_no_digits():
    # One state, prior variance 1e12, reading variance 1e-3: the posterior is 1e-3 / (1 + 1e-15).
    given = {
        "F": np.eye(1)[None], "b": np.zeros((1, 1)), "Q": np.zeros((1, 1, 1)), "move": np.array([-1]),
        "H": np.ones((1, 1, 1)), "r": np.array([[1e-3]]), "look": np.array([0]), "y": np.array([[1.0]]),
    }  # fmt: skip
    kept, logs = tuple(np.zeros((1, *shape)) for shape in ((1,), (1, 1), (1,), (1, 1))), np.zeros(1)
    filter_small((0,), np.zeros(1), np.array([[1e12]]), *given.values(), kept, logs)
    assert kept[3][0, 0, 0] == pytest.approx(1e-3, rel=1e-12)
