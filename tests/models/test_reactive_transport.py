"""What breakthrough curves tell about velocity, dispersion, partition and rate."""

import numpy as np
import pytest
from mscale_uq.models.transport.reactive_transport import forward, space

NAMES = ("velocity", "dispersivity", "partition", "sorption_rate")
TIME = np.linspace(7e2, 4.2e4, 60)


def log_slopes(model, **values):
    """Slopes ``(readings, 4)`` to the logarithms; zero for what a model does not read."""
    theta = model.theta(**{name: value for name, value in values.items() if name in model.names})
    columns = dict(zip(model.names, (model.jacobian(theta) * theta).T, strict=True))
    return np.stack([columns.get(name, np.zeros(TIME.size)) for name in NAMES], axis=1)


def spread(slopes, prior=(1.0, 1.0, 1.0, 2.0), noise=0.02):
    """Standard deviations of the logarithms, and their correlations."""
    covariance = np.linalg.inv(slopes.T @ slopes / noise**2 + np.diag(1 / np.square(prior)))
    sd = np.sqrt(np.diag(covariance))
    return sd, covariance / np.outer(sd, sd)


def test_a_reactive_curve_alone_confounds_velocity_and_partition():
    sd, correlation = spread(log_slopes(forward(TIME), sorption_rate=1.5e-2))
    assert abs(correlation[0, 2]) > 0.99
    assert sd[2] > 0.1


def test_a_tracer_tells_them_apart():
    both = np.vstack([log_slopes(forward(TIME)), log_slopes(forward(TIME, kinetics="none"))])
    sd, _ = spread(both)
    assert sd[0] < 0.01
    assert sd[1] < 0.12
    assert sd[2] < 0.03
    assert sd[3] < 0.12


def test_of_fast_binding_only_a_lower_bound_of_the_rate_is_left():
    """k L/v = 150: the curve hardly remembers the rate, and a hundred times faster looks much the same."""
    fast = {"sorption_rate": 1.5e-2}
    both = np.vstack([log_slopes(forward(TIME), **fast), log_slopes(forward(TIME, kinetics="none"))])
    sd, _ = spread(both)
    assert sd[3] > 0.5  # 0.1 where binding is slow
    slow, fast, faster = (
        forward(TIME).value(forward(TIME).theta(sorption_rate=k)) for k in (1e-4, 1e-2, 1.0)
    )
    assert np.abs(slow - faster).max() > 5 * np.abs(fast - faster).max()


def test_the_state_space_gives_the_curve_of_the_forward_model():
    here = space(cells=40, max_step=200.0)
    model = forward([4e3, 1e4, 3e4], cells=40, max_step=200.0)
    path = here.forward([4e3, 1e4, 3e4])
    theta = model.theta()
    assert path.value(theta) == pytest.approx(model.value(theta), rel=1e-9)
    assert path.jacobian(theta) == pytest.approx(model.jacobian(theta), rel=1e-7)
