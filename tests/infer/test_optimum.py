"""The climb to a mode, on a density whose mode and second derivatives can be written down."""

import numpy as np
import pytest
from scipy.optimize import minimize, rosen, rosen_der, rosen_hess

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
    """Second derivatives take a gradient or two an unknown; the way from far away would take ten of them."""
    density = Counted()
    found = climb(density, np.random.default_rng(3).normal(0, 10, N))
    assert found.trouble == ""
    assert found.z == pytest.approx(MODE, abs=1e-6)
    assert found.precision == pytest.approx(PRECISION, abs=1e-4)
    assert density.calls < 5 * 3 * N


def test_second_derivatives_are_not_asked_for_where_the_search_does_not_go():
    """In a curved valley some trial points are worse than where the search stands."""
    calls = []

    def valley(z):
        calls.append(z)
        return -rosen(z), -rosen_der(z)

    start = np.array([-1.2, 1.0])
    found = climb(valley, start)
    assert found.trouble == ""
    assert found.z == pytest.approx([1, 1], abs=1e-5)
    everywhere = minimize(rosen, start, jac=rosen_der, hess=rosen_hess, method="trust-exact")
    on_the_way = len(calls) - (1 + 4)  # at the mode: the point, and two gradients for each of two directions
    assert on_the_way < (1 + 2) * everywhere.nhev  # elsewhere the point, and one for each


def test_a_search_ends_at_a_mode_whose_slope_is_lost_in_round_off():
    """A slope has the digits of what it is a difference of; what a step promises shows the mode."""

    def noisy(z):
        rough = 1e-4 * np.sign(np.sin(1e9 * z))
        return float(-0.5e4 * z @ z), -1e4 * z + rough

    calls = []
    found = climb(lambda z: (calls.append(z), noisy(z))[1], np.array([1.0, 2.0]))
    assert found.trouble == ""
    assert len(calls) < 60


def test_a_model_that_fails_here_and_there_ends_a_search_at_most_and_never_with_a_bug():
    """Both sides of a difference may fail; a search then goes on with what it knows, or says so."""
    rng = np.random.default_rng(5)

    def gappy(z):
        fails = rng.random() < 0.2
        return (-np.inf, np.zeros(10)) if fails else (float(-0.5 * z @ z - 0.25 * np.sum(z**4)), -z - z**3)

    ends = [climb(gappy, rng.normal(0, 2, 10)) for _ in range(20)]
    without = [end for end in ends if "no density on either side" in end.trouble]
    assert without
    assert all(end.z == pytest.approx(np.zeros(10), abs=1e-3) for end in ends if not end.trouble)


def test_a_point_with_no_density_around_it_is_no_mode():
    def alone(z):
        return (0.0, np.zeros(3)) if not z.any() else (-np.inf, np.zeros(3))

    assert "no density on either side" in climb(alone, np.zeros(3)).trouble


def test_a_climb_gives_up_where_there_is_no_mode():
    """A noise level of data that can be met exactly: the density grows without end as it narrows."""

    def spike(z):
        x, log_sd = z
        weight = np.exp(-2 * log_sd)
        return float(-4 * log_sd - 0.5 * weight * x**2), np.array([-weight * x, -4 + weight * x**2])

    assert "does not fall off" in climb(spike, np.array([1.0, 0.0]), most_steps=20).trouble
