"""Readings of the circle of a Hopf bifurcation, x = r cos wt, y = r sin wt, against their closed form."""

import numpy as np
import pytest

from mscale_uq.errors import Infeasible
from mscale_uq.solve.cycle_events import FALLING, OnCycle, Reading, clock
from mscale_uq.solve.limit_cycle import Section, find_cycle
from mscale_uq.solve.rate import Level, Rate
from mscale_uq.solve.stiff import Tolerances

TIGHT = Tolerances(1e-9, 1e-12, 1e-4)
W, SQUARE = 2.0, 1.44  # w and r^2, the parameters that move
R = SQUARE**0.5


def hopf(t, y, p, dy):
    """p = (r^2, w, what the level of y is measured from)."""
    pull = p[0] - y[0] ** 2 - y[1] ** 2
    dy[0] = pull * y[0] - p[1] * y[1]
    dy[1] = pull * y[1] + p[1] * y[0]


def height(t, y, p):
    return y[1] - p[2]


def sideways(t, y, p):
    """dx/dt."""
    return (p[0] - y[0] ** 2 - y[1] ** 2) * y[0] - p[1] * y[1]


def upwards(t, y, p):
    """dy/dt."""
    return (p[0] - y[0] ** 2 - y[1] ** 2) * y[1] + p[1] * y[0]


def turning(t, y, p):
    """d2x/dt2 on the circle."""
    return -(p[1] ** 2) * y[0]


def circle(moved=2):
    section, p = Section(Level(height, 1), 1), np.array([SQUARE, W, 0.0])
    cycle = find_cycle(Rate(hopf), section, np.array([1.1, 0.0]), 3.0, p, TIGHT)
    return OnCycle(cycle, np.eye(3, moved), TIGHT, "circle")


@pytest.fixture(scope="module")
def on():
    return circle()


def agrees(reading, value, by_square, by_speed):
    assert reading.value == pytest.approx(value, abs=1e-8)
    assert reading.change == pytest.approx([by_square, by_speed], abs=1e-7)


def test_the_period_is_2_pi_over_w(on):
    agrees(on.period, 2 * np.pi / W, 0, -2 * np.pi / W**2)


@pytest.mark.parametrize(("way", "turns", "sign"), [("highest", 0.25, 1), ("lowest", 0.75, -1)])
def test_it_turns_at_a_quarter_and_three_quarters_at_the_radius(on, way, turns, sign):
    found = getattr(on, way)(upwards, 1)
    agrees(found.time, 2 * np.pi * turns / W, 0, -2 * np.pi * turns / W**2)
    agrees(found.state(1), sign * R, sign / (2 * R), 0)


def test_the_greatest_speed_is_that_of_the_circle_where_it_is_lowest(on):
    found = on.greatest(turning, sideways)
    agrees(found.time, 1.5 * np.pi / W, 0, -1.5 * np.pi / W**2)
    agrees(found.level(sideways), R * W, W / (2 * R), R)


def test_a_level_read_off_the_circle_moves_with_it(on):
    half = on.first(height, FALLING, on.highest(upwards, 1).state(1) / 2)
    angle = 5 * np.pi / 6
    agrees(half.time, angle / W, 0, -angle / W**2)
    agrees(half.state(0), R * np.cos(angle), np.cos(angle) / (2 * R), 0)
    agrees(half.level(height), 0, 0, 0)


def test_a_time_after_an_event_moves_with_the_event(on):
    later = on.at(on.highest(upwards, 1).time.later(0.1))
    agrees(later.state(1), R * np.cos(0.1 * W), np.cos(0.1 * W) / (2 * R), -0.1 * R * np.sin(0.1 * W))
    agrees(later.level(clock), 0, 0, 0)  # time and the last parameter move alike


def test_readings_are_added_and_compared_entry_by_entry(on):
    high, low = (getattr(on, way)(upwards, 1) for way in ("highest", "lowest"))
    agrees(high.state(1) - low.state(1), 2 * R, 1 / R, 0)
    agrees((high.state(1) + low.state(1)) / 2, 0, 0, 0)
    agrees(low.time - high.time, np.pi / W, 0, -np.pi / W**2)


def test_without_changes_the_values_are_the_same(on):
    still = circle(moved=0)
    assert still.period.value == on.period.value
    found = still.highest(upwards, 1)
    assert found.state(1).value == pytest.approx(R, abs=1e-9)
    assert found.state(1).change.shape == (0,)


def test_what_the_cycle_never_reaches_is_infeasible(on):
    beyond = Reading(2 * R, np.zeros(2))
    with pytest.raises(Infeasible, match="the circle has no event 'height'"):
        on.first(height, FALLING, beyond)
    with pytest.raises(Infeasible, match="no event 'clock'"):
        on.at(on.period.later(0.1))
