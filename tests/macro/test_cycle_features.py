"""Features of the circle of a Hopf bifurcation as a stage, against its exact radius and period."""

import numpy as np
import pytest

from mscale_uq.errors import Infeasible
from mscale_uq.macro.cycle_features import CycleFeatures, Orbit
from mscale_uq.solve.limit_cycle import Section
from mscale_uq.solve.rate import Level, Rate
from mscale_uq.solve.stiff import Tolerances

TIGHT = Tolerances(1e-9, 1e-12, 1e-4)


def hopf(t, y, p, dy):
    """p = (r^2, w, strength of the pull, what the level is measured from)."""
    pull = p[2] * (p[0] - y[0] ** 2 - y[1] ** 2)
    dy[0] = pull * y[0] - p[1] * y[1]
    dy[1] = pull * y[1] + p[1] * y[0]


def height(t, y, p):
    return y[1] - p[3]


def upwards(t, y, p):
    return p[2] * (p[0] - y[0] ** 2 - y[1] ** 2) * y[1] + p[1] * y[0]


def read(cycle):
    return [cycle.period, cycle.highest(upwards, 1).state(1)]


def stage(pull=1.0, mesh=None):
    orbit = Orbit("circle", Rate(hopf), Section(Level(height, 1), 1), np.array([1.1, 0.0]), 3.0)
    names = ("period", "radius")
    return CycleFeatures(orbit, ("square", "speed"), (pull, 0.0), names, read, TIGHT, mesh, slope_error=2.0)


HERE = {"square": np.array(1.44), "speed": np.array(2.0)}


def test_period_and_radius_are_exact():
    made = stage().value(HERE)
    assert made["period"] == pytest.approx(np.pi, rel=1e-9)
    assert made["radius"] == pytest.approx(1.2, rel=1e-8)


def test_their_derivatives_are_exact_forwards_and_backwards():
    made, linear = stage().linearize(HERE)
    assert made == stage().value(HERE)
    moved = linear.jvp({"square": np.array(0.3), "speed": np.array(0.5)})
    assert moved["period"] == pytest.approx(-0.5 * np.pi / 2, abs=1e-7)  # T = 2 pi/w
    assert moved["radius"] == pytest.approx(0.3 / 2.4, abs=1e-7)
    back = linear.vjp({"period": np.array(1.0), "radius": np.array(2.0)})
    assert back["square"] == pytest.approx(2 / 2.4, abs=1e-7)
    assert back["speed"] == pytest.approx(-np.pi / 2, abs=1e-7)


def test_along_kept_steps_no_error_of_the_derivative_is_declared():
    assert stage().slope_error == 2e-9
    assert stage(mesh=np.linspace(0, 1, 201)).slope_error == 0
    assert stage(mesh=np.linspace(0, 1, 201)).value(HERE)["period"] == pytest.approx(np.pi, rel=1e-6)


def test_a_circle_that_repels_is_infeasible():
    with pytest.raises(Infeasible, match="circle"):
        stage(pull=-0.05).value(HERE | {"square": np.array(1.21)})
