"""The climb to a mode, on a density whose mode and second derivatives can be written down."""

import numpy as np
import pytest

from mscale_uq.infer.optimum import MANY, climb

N = MANY + 10
PRECISION = np.diag(np.linspace(1.0, 50.0, N)) + 0.3
MODE = np.linspace(-1.0, 1.0, N)


class Counted:
    """A normal density with a quartic around `MODE`."""

    def __init__(self):
        self.calls = 0

    def __call__(self, z):
        self.calls += 1
        away = z - MODE
        slope = -PRECISION @ away - away**3
        return float(-0.5 * away @ PRECISION @ away - 0.25 * np.sum(away**4)), slope


def test_with_many_unknowns_few_second_derivatives_lead_to_the_mode():
    """A second derivative takes two gradients an unknown; the way from far away would take ten and more."""
    density = Counted()
    found = climb(density, np.random.default_rng(3).normal(0, 10, N))
    assert found.trouble == ""
    assert found.z == pytest.approx(MODE, abs=1e-6)
    assert found.precision == pytest.approx(PRECISION, abs=1e-4)
    assert density.calls < 5 * 3 * N
