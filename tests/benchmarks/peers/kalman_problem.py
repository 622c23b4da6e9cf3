"""The problems that all programs of `bench_filters.py` are timed on; NumPy only."""

import numpy as np

SIZES = {"small": (4, 2, 2000), "large": (40, 20, 1000)}  # states, readings, times
CELLS, CELL_TIMES = 1000, 200


def problem(name):
    """Return F, Q, H, R and readings ``(T, m)`` of one series."""
    n, m, times = SIZES[name]
    rng = np.random.default_rng(0)
    F = 0.95 * np.linalg.qr(rng.normal(size=(n, n)))[0]
    return F, 0.1 * np.eye(n), rng.normal(size=(m, n)), 0.5 * np.eye(m), rng.normal(size=(times, m))


def bank():
    """Return F, Q, H, R and readings ``(cells, T, m)`` of many series under the small model."""
    F, Q, H, R, _ = problem("small")
    return F, Q, H, R, np.random.default_rng(1).normal(size=(CELLS, CELL_TIMES, 2))


def start(F, Q):
    """Return mean and covariance before the first reading: those of zero and unit variance, moved once."""
    return np.zeros(len(F)), F @ F.T + Q
