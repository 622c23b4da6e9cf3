"""The stiff integrator against exact solutions, published numbers and its own theory."""

import pickle

import numpy as np
import pytest

from mscale_uq.errors import Infeasible, InputError, NoGradient, SolveFailed
from mscale_uq.solve.dense import factor, solve_factored, solve_rows
from mscale_uq.solve.rate import Level, Rate
from mscale_uq.solve.stiff import Tolerances, find_event, follow, integrate, locate

ROBERTSON = np.array([0.04, 1e4, 3e7])
TIGHT = Tolerances(1e-10, 1e-14)


def robertson(t, y, p, dy):
    slow, between, fast = p[0] * y[0], p[1] * y[1] * y[2], p[2] * y[1] ** 2
    dy[0] = between - slow
    dy[1] = slow - between - fast
    dy[2] = fast


def prothero_robinson(t, y, p, dy):
    """y = cos t, however stiff; p[0] is the rate of return to it."""
    dy[0] = -p[0] * (y[0] - np.cos(t)) - np.sin(t)


def speed_of_return(t, y, p):
    return -p[0] * (y[0] - np.cos(t)) - np.sin(t)


def oscillator(t, y, p, dy):
    """y = cos(w t) for w = p[0]."""
    dy[0] = y[1]
    dy[1] = -(p[0] ** 2) * y[0]


def decay(t, y, p, dy):
    dy[0] = -p[0] * y[0]


def with_abs(t, y, p, dy):
    dy[0] = -p[0] * abs(y[0])


def blow_up(t, y, p, dy):
    """y = 1/(1 - t) ends at t = 1."""
    dy[0] = y[0] ** 2


def below_half(t, y, p):
    return y[0] - p[1]


def test_robertson_gives_the_published_concentrations():
    times = [0.4, 40.0, 4000.0]
    path = integrate(Rate(robertson), [1, 0, 0], ROBERTSON, 0.0, times, Tolerances(1e-9, 1e-14))
    assert path.at_stops[0] == pytest.approx([0.985172114, 3.38639538e-5, 0.0147940222], rel=1e-8)
    assert path.at_stops[1] == pytest.approx([0.715827069, 9.18553476e-6, 0.284163746], rel=1e-8)
    assert path.at_stops[2] == pytest.approx([0.183202258, 8.94237e-7, 0.816796848], rel=2e-6)
    assert path.at_stops[2][[0, 2]] == pytest.approx([0.183202258, 0.816796848], abs=2e-9)
    assert path.states.sum(axis=1) == pytest.approx(1.0, abs=1e-13)  # mass, a linear invariant
    assert len(path.stages) < 1000


def test_the_error_follows_the_tolerance():
    exact = integrate(Rate(robertson), [1, 0, 0], ROBERTSON, 0.0, [40.0], TIGHT).at_stops[0]
    errors = []
    for relative in (1e-4, 1e-6, 1e-8):
        tolerances = Tolerances(relative, relative * 1e-6)
        made = integrate(Rate(robertson), [1, 0, 0], ROBERTSON, 0.0, [40.0], tolerances).at_stops[0]
        errors.append(np.max(np.abs(made / exact - 1)))
        assert errors[-1] < 10 * relative
    assert errors[2] < errors[1] < errors[0]


def error_at_end(rate, start, p, exact, steps, end=2.0):
    path = follow(Rate(rate), start, p, np.linspace(0, end, steps + 1), Tolerances(1e-12, 1e-14))
    return np.abs(path.states[-1] - exact).max()


def test_the_order_is_five_where_nothing_is_stiff():
    errors = [error_at_end(oscillator, [1, 0], [1.0], [np.cos(2), -np.sin(2)], n) for n in (8, 16, 32)]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(5, abs=0.1)
    assert np.log2(errors[1] / errors[2]) == pytest.approx(5, abs=0.1)


def test_a_stiff_source_leaves_the_order_of_the_stages_and_an_error_that_falls_with_stiffness():
    # Prothero and Robinson: for stiffness s and s h >> 1, theory says h^3/s, whatever the classical order.
    errors = {}
    for stiffness in (1e4, 1e6):
        for steps in (8, 16, 32):
            mesh = np.linspace(0, 2, steps + 1)
            path = follow(Rate(prothero_robinson), [1.0], [stiffness], mesh, Tolerances(1e-12, 1e-14))
            errors[stiffness, steps] = np.abs(path.states[:, 0] - np.cos(mesh)).max()
        orders = [np.log2(errors[stiffness, n] / errors[stiffness, 2 * n]) for n in (8, 16)]
        assert orders == pytest.approx([3, 3], abs=0.03)
    assert errors[1e4, 16] / errors[1e6, 16] == pytest.approx(100, rel=0.02)


def test_dense_output_is_continuous_and_of_order_four():
    errors = []
    for steps in (8, 16, 32):
        path = follow(Rate(oscillator), [1, 0], [1.0], np.linspace(0, 2, steps + 1), TIGHT)
        times = np.linspace(0, 2, 333)
        errors.append(np.abs(path(times)[:, 0] - np.cos(times)).max())
        assert path(path.times) == pytest.approx(path.states, abs=1e-14)
    assert np.log2(errors[0] / errors[1]) == pytest.approx(4, abs=0.2)
    assert np.log2(errors[1] / errors[2]) == pytest.approx(4, abs=0.2)
    with pytest.raises(InputError, match="0 to 2"):
        path(2.1)


def test_every_time_asked_for_is_the_end_of_a_step():
    stops = np.array([0.1, 0.10001, 1.0, 3.0])
    path = integrate(Rate(decay), [2.0], [1.5], 0.0, stops, Tolerances(1e-8, 1e-12))
    assert path.times[path.stops] == pytest.approx(stops, abs=0)
    assert path.at_stops[:, 0] == pytest.approx(2 * np.exp(-1.5 * stops), rel=1e-9)


def test_the_derivative_is_that_of_the_discrete_steps():
    rate = Rate(robertson)
    mesh = integrate(rate, [1, 0, 0], ROBERTSON, 0.0, [40.0], Tolerances(1e-5, 1e-9)).times
    assert len(mesh) < 100  # coarse: the discrete and the continuous derivative differ visibly
    start, tolerances = np.array([1.0, 1e-5, 0.0]), Tolerances(1e-5, 1e-9, 1e-9)
    path = follow(rate, start, ROBERTSON, mesh, tolerances)
    rng = np.random.default_rng(3)
    dy, dp = start * rng.standard_normal(3), ROBERTSON * rng.standard_normal(3)
    change = path.tangents(dy[:, None], dp[:, None])[-1, :, 0]
    steps = 10.0 ** -np.arange(1, 4.6, 0.5)
    weight = 1 / np.abs(change)
    remainders = []
    for step in steps:
        moved = follow(rate, start + step * dy, ROBERTSON + step * dp, mesh, tolerances)
        remainders.append(np.linalg.norm(weight * (moved.states[-1] - path.states[-1] - step * change)))
    slopes = np.diff(np.log(remainders)) / np.diff(np.log(steps))
    assert np.median(slopes) == pytest.approx(2, abs=0.1)
    assert slopes.min() > 1.8


def test_sensitivities_agree_with_the_exact_ones():
    times = np.array([0.5, 1.0, 2.0])
    path = integrate(Rate(decay), [2.0], [1.5], 0.0, times, Tolerances(1e-10, 1e-13))
    to_state, to_rate = path.tangents(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])).transpose(2, 0, 1)
    assert to_state[:, 0] == pytest.approx(np.exp(-1.5 * times), rel=1e-9)
    assert to_rate[:, 0] == pytest.approx(-2 * times * np.exp(-1.5 * times), rel=1e-9)


def test_stretching_the_mesh_moves_the_end_along_the_solution():
    path = follow(Rate(oscillator), [1, 0], [1.0], np.linspace(0, 2, 41), TIGHT)
    moved = path.tangents(np.zeros((2, 1)), np.zeros((1, 1)), stretch=np.array([0.5]))[-1, :, 0]
    assert moved == pytest.approx([-np.sin(2), -np.cos(2)], abs=1e-8)  # 0.5 of 2 time units: one unit


def test_an_event_and_its_derivatives_are_exact():
    level = Level(below_half, direction=-1)
    event = find_event(Rate(decay), level, [2.0], [1.5, 0.5], 0.0, 100.0, Tolerances(1e-10, 1e-13))
    assert event.time == pytest.approx(np.log(4) / 1.5, rel=1e-11)
    assert event.state[0] == pytest.approx(0.5, rel=1e-13)
    dt, dy = event.tangents(np.array([[1.0, 0, 0]]), np.array([[0.0, 1, 0], [0, 0, 1]]))
    # t* = ln(y0 / level) / rate
    assert dt == pytest.approx([1 / (2 * 1.5), -np.log(4) / 1.5**2, -1 / (0.5 * 1.5)], rel=1e-8)
    assert dy[0] == pytest.approx([0, 0, 1], abs=1e-12)


@pytest.mark.parametrize("stiffness", [1e2, 1e4, 1e6])
def test_an_event_is_found_where_the_level_changes_otherwise_along_a_step_than_along_the_solution(stiffness):
    """The speed of y = cos t, read off the right-hand side, where it is a small difference of large terms."""
    rate, level, p = Rate(prothero_robinson), Level(speed_of_return), np.array([stiffness])
    mesh = np.array([2.0, 2.4, 2.8, 3.2, 3.6])
    path = follow(rate, [np.cos(2.0)], p, mesh, TIGHT)
    event = locate(path, level, 2, TIGHT)
    assert event.time == pytest.approx(np.pi, abs=0.4**3 / 4)  # the order of the stages
    assert level.at(event.time, event.state, p) == pytest.approx(0, abs=1e-14 * stiffness)
    slope, step = event.tangents(np.zeros((1, 1)), np.ones((1, 1)))[0][0], 1e-3 * stiffness
    more, less = (
        locate(follow(rate, [np.cos(2.0)], p + change, mesh, TIGHT), level, 2, TIGHT).time
        for change in (step, -step)
    )
    assert slope == pytest.approx((more - less) / (2 * step), rel=1e-4)


def test_an_event_that_never_comes_is_infeasible():
    with pytest.raises(Infeasible, match="below_half"):
        find_event(Rate(decay), Level(below_half), [2.0], [0.01, 0.5], 0.0, 1.0)


def test_a_level_may_start_at_zero():
    # From y = 1 on, the oscillator falls; it comes back to 1 after one period.
    tolerances = Tolerances(1e-10, 1e-12)
    event = find_event(Rate(oscillator), Level(below_half, 1), [0.5, 1.0], [2.0, 0.5], 0.0, 9.0, tolerances)
    assert event.time == pytest.approx(np.pi, rel=1e-9)


def test_a_solution_that_ends_is_a_failed_solve():
    with pytest.raises(SolveFailed, match="step length has fallen"):
        integrate(Rate(blow_up), [1.0], [1.0], 0.0, [2.0])


def test_abs_in_a_right_hand_side_is_refused():
    with pytest.raises(NoGradient, match="with_abs"):
        Rate(with_abs).check_analytic(0.0, np.array([2.0]), np.array([1.5]))
    Rate(robertson).check_analytic(0.0, np.array([0.8, 1e-5, 0.2]), ROBERTSON)
    Rate(prothero_robinson).check_analytic(0.3, np.array([0.8]), np.array([1e6]))


def test_times_must_increase():
    with pytest.raises(InputError, match="increasing"):
        integrate(Rate(decay), [1.0], [1.0], 0.0, [2.0, 1.0])


def test_inputs_are_not_changed_and_paths_pickle():
    start, p = np.array([2.0]), np.array([1.5])
    path = integrate(Rate(decay), start, p, 0.0, [1.0])
    assert start == [2.0]
    assert p == [1.5]
    assert np.array_equal(pickle.loads(pickle.dumps(path)).states, path.states)


@pytest.mark.parametrize("kind", [float, complex])
def test_small_dense_systems_are_solved(kind):
    rng = np.random.default_rng(5)
    a = (rng.standard_normal((20, 20)) * (rng.random((20, 20)) < 0.3)).astype(kind)
    a += np.eye(20) * (0.1 + (0.5j if kind is complex else 0))
    b = rng.standard_normal((20, 3)).astype(kind)
    lu, notes = a.copy(), np.empty((20, 23), np.int64)
    assert factor(lu, notes)
    one, many = b[:, 0].copy(), b.copy()
    solve_factored(lu, notes, one)
    solve_rows(lu, notes, many)
    assert a @ one == pytest.approx(b[:, 0], abs=1e-11)
    assert a @ many == pytest.approx(b, abs=1e-11)
    assert not factor(np.zeros((2, 2), kind), np.empty((2, 5), np.int64))
