"""Limit cycles against those in closed form, and against van der Pol's published period."""

import numpy as np
import pytest

from mscale_uq.errors import Infeasible, SolveFailed
from mscale_uq.solve.limit_cycle import Section, Turns, find_cycle, find_on_cycle
from mscale_uq.solve.rate import Level, Rate
from mscale_uq.solve.stiff import Tolerances

TIGHT = Tolerances(1e-9, 1e-12, 1e-4)


def hopf(t, y, p, dy):
    """Circle of radius sqrt(p0), turned at the rate p1; p2 = 1 attracts, -1 repels."""
    pull = p[2] * (p[0] - y[0] ** 2 - y[1] ** 2)
    dy[0] = pull * y[0] - p[1] * y[1]
    dy[1] = pull * y[1] + p[1] * y[0]


def van_der_pol(t, y, p, dy):
    dy[0] = y[1]
    dy[1] = p[0] * (1 - y[0] ** 2) * y[1] - y[0]


def second(t, y, p):
    return y[1]


def first(t, y, p):
    return y[0]


def top(t, y, p):
    """Change of the second variable: zero where it turns."""
    return p[2] * (p[0] - y[0] ** 2 - y[1] ** 2) * y[1] + p[1] * y[0]


SECTION = Section(Level(second, 1), 1)


def circle(p, start=1.1, **options):
    return find_cycle(Rate(hopf), SECTION, np.array([start, 0.0]), 3.0, np.array(p), TIGHT, **options)


def test_the_circle_of_a_hopf_bifurcation():
    cycle = circle([1.44, 2.0, 1.0])
    assert cycle.period == pytest.approx(np.pi, rel=1e-10)
    assert cycle.path.states[0] == pytest.approx([1.2, 0.0], abs=1e-9)
    assert cycle.multipliers == pytest.approx([np.exp(-2 * 1.44 * np.pi)], rel=1e-6)


def test_its_derivatives_are_exact():
    states, period = circle([1.44, 2.0, 1.0]).tangents(np.eye(3, 2))
    assert period == pytest.approx([0, -np.pi / 2], abs=1e-8)  # T = 2 pi/p1
    assert states[0, 0] == pytest.approx([1 / 2.4, 0], abs=1e-8)  # radius sqrt(p0)
    assert states[0, 1] == pytest.approx([0, 0], abs=1e-12)  # stays on the section


def test_along_a_mesh_the_derivative_is_that_of_the_discrete_orbit():
    mesh = np.linspace(0, 1, 13)  # coarse
    p, direction = np.array([1.44, 2.0, 1.0]), np.array([0.3, -0.5, 0.0])
    cycle = circle(p, mesh=mesh)
    states, period = cycle.tangents(direction[:, None])
    steps = 10.0 ** -np.arange(1, 4.1, 0.5)
    remainders = []
    for step in steps:
        moved = circle(p + step * direction, mesh=mesh)
        change = moved.path.states - cycle.path.states - step * states[:, :, 0]
        remainders.append(np.linalg.norm(change) + abs(moved.period - cycle.period - step * period[0]))
    slopes = np.diff(np.log(remainders)) / np.diff(np.log(steps))
    assert np.median(slopes) == pytest.approx(2, abs=0.05)


def test_events_on_the_cycle_come_in_order_with_their_derivatives():
    cycle = circle([1.44, 2.0, 1.0])
    highest, lowest = find_on_cycle(cycle, Level(top), TIGHT)
    assert [highest.time, lowest.time] == pytest.approx([np.pi / 4, 3 * np.pi / 4], rel=1e-9)
    assert highest.state == pytest.approx([0, 1.2], abs=1e-9)
    (falling,) = find_on_cycle(cycle, Level(first, -1), TIGHT)
    assert falling.time == pytest.approx(np.pi / 4, rel=1e-9)
    dp = np.eye(3, 2)
    states, period = cycle.tangents(dp)
    step = len(highest.path.stages)
    dt = highest.path.times[-1] / cycle.period * period
    d_time, d_state = highest.tangents_from(states[step], dp, dt)
    assert d_time == pytest.approx([0, -np.pi / 8], abs=1e-7)  # a quarter of a turn
    assert d_state[1] == pytest.approx([1 / 2.4, 0], abs=1e-7)


@pytest.mark.parametrize(("stiffness", "period"), [(1.0, 6.66328685933), (5.0, 11.6122306667)])
def test_van_der_pols_period(stiffness, period):
    start = np.array([2.0, 0.0])
    falling = Section(Level(second, -1), 1)
    cycle = find_cycle(Rate(van_der_pol), falling, start, period, np.array([stiffness]), TIGHT)
    assert cycle.period == pytest.approx(period, abs=2e-9)


def test_a_relaxation_oscillation_has_the_period_of_its_asymptotics():
    # Dorodnitsyn: T = (3 - 2 ln 2) m + 7.01432 m^(-1/3) + O(ln m / m)
    falling = Section(Level(second, -1), 1)
    m = 1000.0
    asymptotic = (3 - 2 * np.log(2)) * m + 7.01432 * m ** (-1 / 3)
    start, loose = np.array([2.0, 0.0]), Tolerances(1e-8, 1e-8, 1e-3)
    cycle = find_cycle(Rate(van_der_pol), falling, start, asymptotic, np.array([m]), loose)
    assert cycle.period == pytest.approx(asymptotic, abs=10 * np.log(m) / m)


def test_a_state_that_comes_to_rest_has_no_cycle():
    with pytest.raises(Infeasible, match="second"):
        circle([-0.5, 2.0, 1.0])


def test_a_cycle_that_repels_is_not_one_that_is_seen():
    with pytest.raises(Infeasible, match="not stable"):
        circle([1.44, 2.0, -0.05], start=1.2)


def test_a_search_that_may_not_take_a_step_gives_up():
    with pytest.raises(SolveFailed, match="still changes"):
        circle([1.44, 2.0, 0.01], start=0.3, turns=Turns(first=0, between=0, most=1, near=1e-12))
