"""The Lorenz systems as dynamics: symmetries, thresholds and exponents that are known exactly."""

import numpy as np
import pytest
from mscale_uq.models.reference import lorenz63, lorenz96


def exponents(dynamics, values, state, interval, count):
    """Lyapunov exponents, from the derivative of steps along a path, made orthogonal again and again."""
    n = state.size
    Q, logs = np.eye(n), np.zeros(n)
    for number in range(2 * count):
        state, step = dynamics.linearize_step(state, 0.0, interval, values)
        moved = np.stack([step.jvp({"state": column})["state"] for column in Q.T], axis=1)
        Q, R = np.linalg.qr(moved)
        if number >= count // 2:
            logs += np.log(np.abs(np.diag(R)))
    return logs / (interval * (2 * count - count // 2))


def test_the_exponents_of_lorenz_63_are_the_published_ones():
    found = exponents(lorenz63.dynamics(), lorenz63.VALUES, np.array(lorenz63.START), 0.1, 800)
    # Exact: the sum is minus the rate at which volumes shrink, and the flow itself neither grows nor fades.
    assert found.sum() == pytest.approx(-(10 + 1 + 8 / 3), abs=1e-3)
    assert found[1] == pytest.approx(0.0, abs=0.02)
    # Published: 0.906 (sprott.physics.wisc.edu/chaos/lorenzle.htm); 120 time units know it to about 0.05.
    assert found[0] == pytest.approx(0.906, abs=0.08)


def test_lorenz_63_does_not_tell_left_from_right():
    dynamics, mirror = lorenz63.dynamics(), np.array([-1.0, -1.0, 1.0])
    states = np.random.default_rng(1).standard_normal((5, 3)) * 10
    moved = dynamics.step(states, 0.0, 0.5, lorenz63.VALUES, None)
    assert np.array_equal(dynamics.step(states * mirror, 0.0, 0.5, lorenz63.VALUES, None), moved * mirror)


@pytest.mark.parametrize(("rho", "convects"), [(0.9, False), (1.2, True)])
def test_convection_sets_in_at_the_critical_rayleigh_number(rho, convects):
    values = {**lorenz63.VALUES, "rho": rho}
    state = lorenz63.dynamics().step(np.full((1, 3), 0.1), 0.0, 100.0, values, None)[0]
    arm = np.sqrt(8 / 3 * (rho - 1)) if convects else 0.0
    assert state == pytest.approx([arm, arm, max(rho - 1, 0.0)], abs=1e-4)


def test_lorenz_96_is_the_same_at_every_site():
    dynamics, states = lorenz96.dynamics(), np.random.default_rng(2).standard_normal((5, 40)) * 4
    moved = dynamics.step(states, 0.0, 0.5, {"forcing": 8.0}, None)
    shifted = dynamics.step(np.roll(states, 7, axis=1), 0.0, 0.5, {"forcing": 8.0}, None)
    assert np.array_equal(shifted, np.roll(moved, 7, axis=1))


@pytest.mark.parametrize(("forcing", "grows"), [(0.85, False), (0.95, True)])
def test_rest_is_stable_up_to_a_forcing_of_eight_ninths(forcing, grows):
    # Of 40 sites the wave number 8 comes closest to the most unstable angle, cos k = 1/4.
    wave = 1e-6 * np.cos(2 * np.pi * 8 * np.arange(40) / 40)
    dynamics, values = lorenz96.dynamics(), {"forcing": forcing}
    early, late = (dynamics.step(forcing + wave[None], 0.0, stop, values, None) for stop in (20.0, 60.0))
    growth = np.log(np.ptp(late) / np.ptp(early)) / 40
    angle = 2 * np.pi * 8 / 40
    assert growth == pytest.approx(forcing * (np.cos(angle) - np.cos(2 * angle)) - 1, abs=1e-3)
    assert (growth > 0) == grows


def test_without_forcing_and_at_small_amplitude_everything_decays_exponentially():
    states = 1e-7 * np.random.default_rng(3).standard_normal((3, 40))
    moved = lorenz96.dynamics().step(states, 0.0, 2.0, {"forcing": 0.0}, None)
    assert moved == pytest.approx(states * np.exp(-2.0), rel=1e-5)


def test_the_energy_of_lorenz_96_is_bounded_by_its_forcing():
    # d/dt |x|^2/2 = -|x|^2 + F sum x <= -|x|^2/2 + n F^2/2, so |x|^2 cannot stay above n F^2.
    states = np.random.default_rng(4).standard_normal((20, 40)) * 30
    moved = lorenz96.dynamics(longest_step=0.005).step(states, 0.0, 10.0, {"forcing": 8.0}, None)
    assert np.all((moved**2).sum(axis=1) < 40 * 8.0**2 + (states**2).sum(axis=1) * np.exp(-10.0))


def test_readings_pick_their_own_time_and_site():
    model = lorenz96.forward(time=[0.2, 0.1, 0.2], site=[3, 39, 0])
    path = lorenz96.dynamics().step(np.eye(40)[:1], 0.0, 0.1, {"forcing": 8.0}, None)
    later = lorenz96.dynamics().step(path, 0.1, 0.2, {"forcing": 8.0}, None)
    assert model.value([8.0]) == pytest.approx([later[0, 3], path[0, 39], later[0, 0]], rel=1e-12)


def test_every_axis_of_lorenz_63_is_read_at_every_time():
    model = lorenz63.forward(time=[0.1, 0.3])
    theta = model.theta()
    first, step = np.array([lorenz63.START]), lorenz63.dynamics().step
    states = [step(first, 0.0, time, lorenz63.VALUES, None)[0] for time in (0.1, 0.3)]
    assert model.value(theta) == pytest.approx(np.array(states).T.ravel(), rel=1e-9)
