import numpy as np
import pytest
from mscale_uq.models.reference import lorenz63, lorenz96
from scipy.integrate import solve_ivp

from mscale_uq.errors import InputError

SYSTEMS = {
    "lorenz63": (lorenz63.dynamics, lorenz63.VALUES, np.array(lorenz63.START), 0.02),
    "lorenz96": (lorenz96.dynamics, {"forcing": 8.0}, 4 * np.sin(np.arange(40.0)), 0.02),
}


def resolved(dynamics, values, state, stop):
    parameters = np.array([[float(values[name]) for name in dynamics.inputs]])

    def rate(_, x):
        return dynamics.field.rate(x[None], parameters)[0]

    return solve_ivp(rate, (0, stop), state, method="DOP853", rtol=1e-13, atol=1e-13).y[:, -1]


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_error_falls_with_the_fourth_power_of_the_step(name):
    make, values, state, step = SYSTEMS[name]
    exact = resolved(make(), values, state, 0.4)
    errors = [
        np.abs(make(longest_step=h).step(state[None], 0.0, 0.4, values, None)[0] - exact).max()
        for h in (step, step / 2, step / 4)
    ]
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert orders == pytest.approx(4.0, abs=0.2)


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_tangent_of_a_step_is_its_derivative(name):
    make, values, state, _ = SYSTEMS[name]
    dynamics, rng = make(), np.random.default_rng(1)
    direction = rng.standard_normal(state.size)
    moved, linear = dynamics.linearize_step(state, 0.0, 0.3, values)
    assert np.array_equal(moved, dynamics.step(state[None], 0.0, 0.3, values, None)[0])
    h = 1e-5
    ends = dynamics.step(np.array([state + h * direction, state - h * direction]), 0.0, 0.3, values, None)
    central = (ends[0] - ends[1]) / (2 * h)
    scale = np.abs(central).max()
    assert np.abs(linear.jvp({"state": direction})["state"] - central).max() < 1e-8 * scale


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_adjoint_of_a_step_is_the_transpose_of_its_tangent(name):
    make, values, state, _ = SYSTEMS[name]
    rng = np.random.default_rng(2)
    _, linear = make().linearize_step(state, 0.0, 0.3, values)
    change = {"state": rng.standard_normal(state.size)} | {v: rng.standard_normal() for v in values}
    weight = rng.standard_normal(state.size)
    back = linear.vjp({"state": weight})
    one_way = linear.jvp(change)["state"] @ weight
    other_way = sum(np.vdot(back[key], change[key]) for key in change)
    assert one_way == pytest.approx(other_way, rel=1e-12)


def test_members_do_not_know_each_other_and_are_not_changed():
    make, values, state, _ = SYSTEMS["lorenz96"]
    members = state + np.random.default_rng(3).standard_normal((5, 40))
    kept = members.copy()
    together = make().step(members, 0.0, 0.1, values, None)
    alone = np.array([make().step(one[None], 0.0, 0.1, values, None)[0] for one in members])
    assert np.array_equal(together, alone)
    assert np.array_equal(members, kept)


def test_members_may_have_their_own_parameters():
    state = np.full((2, 40), 1.0)
    moved = lorenz96.dynamics().step(state, 0.0, 0.1, {"forcing": np.array([1.0, 2.0])}, None)
    assert np.array_equal(moved[0], state[0]), "at rest where the forcing is 1"
    assert np.all(moved[1] > state[1])


def test_a_step_that_is_not_positive_is_refused():
    with pytest.raises(InputError, match=r"longest_step = 0.*a positive time"):
        lorenz63.dynamics(longest_step=0.0)


def test_an_interval_is_cut_into_equal_steps_no_longer_than_allowed():
    dynamics = lorenz63.dynamics(longest_step=0.01)
    assert dynamics._division(0.0, 0.25) == (25, pytest.approx(0.01))
    assert dynamics._division(1.0, 1.025) == (3, pytest.approx(0.025 / 3))


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_compiled_pass_is_the_steps_one_by_one(name):
    make, values, state, _ = SYSTEMS[name]
    dynamics = make()
    members = state + np.random.default_rng(2).standard_normal((7, state.size))
    before = members.copy()
    moved = dynamics.step(members, 0.0, 0.3, values, None)
    one_by_one = [dynamics.linearize_step(member, 0.0, 0.3, values)[0] for member in members]
    assert moved == pytest.approx(np.array(one_by_one), rel=1e-12)
    assert np.array_equal(members, before)
