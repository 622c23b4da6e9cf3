"""One reading of a block whose noise grows with the light: its top, against a search of the state itself."""

import numpy as np
import pytest
from scipy.optimize import minimize

from mscale_uq.solve.lone_reading import take_lone

BASE, SHOT, RELATIVE, BACKGROUND = 400.0, 0.5, 0.03, 100.0


def noise(e):
    return BASE + SHOT * max(e - BACKGROUND, 0.0) + (RELATIVE * (e - BACKGROUND)) ** 2


@pytest.mark.parametrize("y", [130.0, 480.0, 900.0, 2500.0])
def test_the_law_is_the_normal_one_at_the_most_probable_state(y):
    m, P, h, e = np.array([8.0, 250.0]), np.array([[9.0, 40.0], [40.0, 5000.0]]), np.array([0.0, 1.5]), 475.0

    def depth(x):
        off, at = x - m, e + h @ (x - m)
        return 0.5 * (
            off @ np.linalg.solve(P, off) + (y - at) ** 2 / noise(at) + np.log(2 * np.pi * noise(at))
        )

    best = minimize(depth, m, method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-13, "maxiter": 4000})
    at = e + h @ (best.x - m)
    means, covs, logs, expected = m[None].copy(), P[None, None].copy(), np.zeros(1), np.full((1, 1), e)
    R = np.full((1, 1), BASE)
    one, levels = np.zeros(1, int), np.array([[SHOT, RELATIVE, BACKGROUND]])
    seen = one, one, np.array([[1]]), np.array([[True]])
    places = np.array([[0, 1]])
    H = np.array([[[1.5]]])
    assert take_lone(*seen, H, np.array([y]), levels, places, expected, R, means, covs, logs)
    assert means[0] == pytest.approx(best.x, rel=1e-5)
    assert expected[0, 0] == pytest.approx(at, rel=1e-5)
    assert R[0, 0] == pytest.approx(noise(at), rel=1e-5)
    left = np.linalg.inv(np.linalg.inv(P) + np.outer(h, h) / noise(at))
    assert covs[0, 0] == pytest.approx(left, rel=1e-5)
    evidence = -best.fun - 0.5 * np.log1p(h @ P @ h / noise(at))
    assert logs[0] == pytest.approx(evidence, abs=1e-8)
