"""Equations that chance drives with the state, against closed forms of their mean and covariance."""

import numpy as np
import pytest

from mscale_uq.core.formula import Formula
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.observation import Observation
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.core.statespace import StateSpace
from mscale_uq.errors import InputError
from mscale_uq.filters.ensemble import EnsembleKalman
from mscale_uq.filters.extended import ExtendedKalman
from mscale_uq.filters.ienks import IEnKS
from mscale_uq.filters.kalman import Kalman
from mscale_uq.filters.loop import start
from mscale_uq.filters.particle import ParticleFilter
from mscale_uq.filters.sigma_point import SigmaPointKalman
from mscale_uq.macro.ode import Ode
from mscale_uq.macro.sde_dynamics import Chance, SdeDynamics
from mscale_uq.observe.laws import Gaussian
from mscale_uq.solve.stiff import Tolerances


def growing(t, y, p, dy):
    """G grows at a rate; x drifts with it and falls back."""
    dy[0] = p[0] * y[0]
    dy[1] = p[1] * y[0] - p[2] * y[1]


def with_growth(t, y, p, g):
    g[0] = 0.0
    g[1] = p[0] * y[0]


STATE = (Quantity("damage", "1"), Quantity("shift", "1"))
ODE = Ode("growing", growing, STATE, ("rate", "drift", "back"), Tolerances(1e-10, 1e-13))
VALUES = {
    "rate": np.asarray(0.4),
    "drift": np.asarray(0.7),
    "back": np.asarray(0.9),
    "scatter": np.asarray(0.6),
}
FIRST = np.array([1.2, 0.5])


def dynamics(longest):
    return SdeDynamics(ODE, Chance(with_growth, ("scatter",), longest))


def exact(t):
    """Mean and variance of x at t: x(t) = x_0 e^{-ct} + int e^{-c(t-u)} G (b du + s dW), G = G_0 e^{rt}."""
    r, b, c, s, (G, x) = 0.4, 0.7, 0.9, 0.6, FIRST
    mean = x * np.exp(-c * t) + b * G * (np.exp(r * t) - np.exp(-c * t)) / (r + c)
    return mean, (s * G) ** 2 * (np.exp(2 * r * t) - np.exp(-2 * c * t)) / (2 * (r + c))


def test_the_covariance_along_the_path_converges_to_the_integral_with_the_square_of_the_pieces():
    mean, variance = exact(2.0)
    moved, _ = dynamics(1.0).linearize_step(FIRST, 0.0, 2.0, VALUES)
    assert moved[1] == pytest.approx(mean, rel=1e-8)
    errors, lengths = [], np.array([0.5, 0.25, 0.125])
    for longest in lengths:
        gained = dynamics(longest).noise_at(FIRST, 0.0, 2.0, VALUES)
        assert gained[0] == pytest.approx([0.0, 0.0], abs=1e-30)
        errors.append(abs(gained[1, 1] / variance - 1))
    by_trapezoids = (2 * (0.4 + 0.9) * lengths) ** 2 / 12  # the integrand goes as exp(2 (r + c) u)
    assert errors == pytest.approx(by_trapezoids, rel=0.03)


def test_members_scatter_as_the_integral_says_each_with_its_own_values():
    many = 1200
    values = {**VALUES, "scatter": np.repeat([0.6, 0.3], many // 2)}
    members = dynamics(0.25).step(np.tile(FIRST, (many, 1)), 0.0, 2.0, values, np.random.default_rng(1))
    mean, variance = exact(2.0)
    for half, scale in ((members[: many // 2, 1], 1.0), (members[many // 2 :, 1], 0.5)):
        sd = scale * np.sqrt(variance)
        assert abs(half.mean() - mean) < 4 * sd / np.sqrt(half.size)
        assert abs(half.std() / sd - 1) < 4 / np.sqrt(2 * half.size) + 0.02
    assert members[:, 0] == pytest.approx(FIRST[0] * np.exp(0.8), rel=1e-8)


def seen(shift):
    return 1.0 * shift


def space():
    parameters = [Parameter(name, "1", float(value)) for name, value in VALUES.items()]
    sources = {"x": ObservationOperator("x", Gaussian(0.2), Formula(seen, "x"))}
    constants = {"damage_initial": 1.2, "shift_initial": 0.5}
    return StateSpace([], dynamics(0.25), sources, parameters, constants)


def believed(filter):
    """Mean and covariance of the state after a reading of x at two."""
    now, _ = start(filter, space(), VALUES, key=3).update(Observation(2.0, "x", "x", 2.5))
    return now.state.mean, now.state.cov


def test_every_filter_learns_as_much_from_a_reading_as_the_exact_moments_say():
    mean, variance = exact(2.0)
    gain = variance / (variance + 0.2**2)
    expected, sd = mean + gain * (2.5 - mean), 0.2 * np.sqrt(gain)
    for filter in (ExtendedKalman(), SigmaPointKalman()):
        found, cov = believed(filter)
        assert found[1] == pytest.approx(expected, abs=2e-3)
        assert np.sqrt(cov[1, 1]) == pytest.approx(sd, rel=2e-3)
    for filter in (EnsembleKalman(size=400), ParticleFilter(size=800)):
        found, cov = believed(filter)
        assert found[1] == pytest.approx(expected, abs=0.25 * sd)
        assert np.sqrt(cov[1, 1]) == pytest.approx(sd, rel=0.15)


@pytest.mark.parametrize(("filter", "said"), [(IEnKS(), "states noise"), (Kalman(), "the noise of dynamics")])
def test_a_filter_for_which_chance_must_not_depend_on_the_state_refuses_it(filter, said):
    with pytest.raises(InputError, match=said):
        believed(filter)


def test_pieces_have_a_length():
    with pytest.raises(InputError, match="above zero"):
        Chance(with_growth, ("scatter",), 0.0)
