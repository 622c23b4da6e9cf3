"""Paths, events and dynamics of ordinary differential equations, against solutions in closed form."""

import numpy as np
import pytest

from mscale_uq.core.dynamics import Rollout
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.core.statespace import StateSpace
from mscale_uq.diagnose.gradient import check_gradient
from mscale_uq.errors import Infeasible, InputError, NoGradient
from mscale_uq.macro.ode import Ode, OdePath
from mscale_uq.macro.ode_dynamics import OdeDynamics
from mscale_uq.macro.ode_event import OdeEvent
from mscale_uq.observe.laws import Gaussian
from mscale_uq.solve.rate import Level
from mscale_uq.solve.stiff import Tolerances


def chain(t, y, p, dy):
    """A decays to B, B decays away; both rates in p, and a source of A."""
    dy[0] = p[2] - p[0] * y[0]
    dy[1] = p[0] * y[0] - p[1] * y[1]


def ring(t, y, p, dy):
    """Exchange around a ring of cells, with one rate each."""
    n = y.size
    for i in range(n):
        dy[i] = p[i - 1] * y[i - 1] - p[i] * y[i]


def kinked(t, y, p, dy):
    dy[0] = -p[0] * max(y[0].real, 0.0)


def half_left(t, y, p):
    return y[0] - 0.5


TIGHT = Tolerances(1e-10, 1e-13)
CHAIN = Ode("chain", chain, (Quantity("a", "1"), Quantity("b", "1")), ("first", "second", "source"), TIGHT)
TIMES = [0.0, 0.3, 1.0, 1.0, 2.5]
PARAMETERS = (
    Parameter("first", "1/s", 2.0, lower=0),
    Parameter("second", "1/s", 0.7, lower=0),
    Parameter("source", "1/s", 0.4),
    Parameter("a_initial", "1", 1.5),
)
CONSTANTS = {"b_initial": 0.25}


def exact(first, second, source, a0, b0, t):
    """Variation of constants."""
    t = np.asarray(t)
    rest_a, rest_b = source / first, source / second
    swing = first * (a0 - rest_a) / (second - first)
    a = rest_a + (a0 - rest_a) * np.exp(-first * t)
    return a, rest_b + swing * np.exp(-first * t) + (b0 - rest_b - swing) * np.exp(-second * t)


def path_model():
    return ForwardModel([OdePath(CHAIN, TIMES)], PARAMETERS, ["a", "b"], CONSTANTS)


def test_a_path_is_the_exact_solution():
    model = path_model()
    a, b = exact(2.0, 0.7, 0.4, 1.5, 0.25, TIMES)
    assert model.value(model.theta()) == pytest.approx(np.concatenate([a, b]), rel=1e-9)


def test_a_path_has_exact_derivatives():
    model = path_model()
    check = check_gradient(model, model.theta(), np.random.default_rng(1))
    assert check.ok, check
    # And they are those of the exact solution.
    theta, step = model.theta().astype(complex), 1e-30
    for column, row in enumerate(np.eye(4)):
        moved = exact(*(theta + 1j * step * row), 0.25, np.array(TIMES))
        assert model.jacobian(model.theta())[:, column] == pytest.approx(
            np.concatenate([part.imag / step for part in moved]), rel=1e-7, abs=1e-9
        )


def test_array_states_and_parameters_keep_their_shapes_and_the_ring_its_sum():
    ode = Ode("ring", ring, (Quantity("u", "1", shape=(5,)),), ("rates",), TIGHT, {"rates": (5,)})
    rates = Parameter("rates", "1/s", (1.0, 0.5, 2.0, 1.5, 3.0), shape=(5,))
    level = Parameter("u_initial", "1", 0.2)
    model = ForwardModel([OdePath(ode, [0.5, 1.0])], [rates, level], ["u"])
    known = model.trace(model.theta())
    assert known["u"].shape == (2, 5)
    assert known["u"].sum(axis=1) == pytest.approx(1.0, rel=1e-13)
    check = check_gradient(model, model.theta(), np.random.default_rng(2))
    assert check.ok, check


def test_an_event_has_exact_derivatives_and_can_be_infeasible():
    # Without a source, a falls to one half at ln(2 a0)/first.
    stage = OdeEvent(CHAIN, "half_time", Level(half_left, -1), latest=50.0)
    model = ForwardModel([stage], PARAMETERS, ["half_time", "b_at_half_time"], CONSTANTS)
    theta = model.theta(source=0.0)
    assert model.value(theta)[0] == pytest.approx(np.log(3.0) / 2, rel=1e-10)
    assert check_gradient(model, model.theta(), np.random.default_rng(3)).ok
    with pytest.raises(Infeasible, match="half_left"):
        model.value(model.theta(source=2.0))
    with pytest.raises(InputError, match="latest"):
        OdeEvent(CHAIN, "half_time", Level(half_left, -1), latest=0.0)


def test_dynamics_roll_out_to_the_same_path():
    times = [0.3, 1.0, 2.5]
    constants = {"b_initial": 0.25}
    once = ForwardModel([OdePath(CHAIN, times)], PARAMETERS, ["a", "b"], constants)
    step_by_step = ForwardModel([Rollout(OdeDynamics(CHAIN), times)], PARAMETERS, ["a", "b"], constants)
    theta = once.theta()
    assert step_by_step.value(theta) == pytest.approx(once.value(theta), rel=1e-9)
    assert step_by_step.jacobian(theta) == pytest.approx(once.jacobian(theta), rel=1e-7, abs=1e-9)
    assert check_gradient(step_by_step, theta, np.random.default_rng(4)).ok


def test_every_member_may_have_its_own_parameters():
    members = np.array([[1.5, 0.25], [1.0, 0.0], [0.2, 0.9]])
    first = np.array([2.0, 1.0, 3.0])
    values = {"first": first, "second": np.array(0.7), "source": np.array(0.4)}
    moved = OdeDynamics(CHAIN).step(members, 0.0, 1.3, values, np.random.default_rng(0))
    for row, state, rate in zip(moved, members, first, strict=True):
        assert row == pytest.approx(exact(rate, 0.7, 0.4, *state, 1.3), rel=1e-9)


def test_a_state_space_predicts_and_its_noise_grows_with_time():
    dynamics = OdeDynamics(CHAIN, spread={"b": "b_spread"})
    camera = ObservationOperator("b", Gaussian(sd=0.1))
    space = StateSpace([], dynamics, {"camera": camera}, PARAMETERS, {**CONSTANTS, "b_spread": 0.3})
    model = space.forward([1.0, 2.0])
    assert model.value(model.theta()) == pytest.approx(
        exact(2.0, 0.7, 0.4, 1.5, 0.25, [1.0, 2.0])[1], rel=1e-9
    )
    values = space.prepare({p.name: p.default for p in PARAMETERS})
    assert dynamics.noise(1.0, 1.5, values) == pytest.approx(np.diag([0.0, 0.15]))


def test_a_right_hand_side_with_a_kink_has_no_gradient():
    ode = Ode("kinked", kinked, (Quantity("a", "1"),), ("first",))
    model = ForwardModel([OdePath(ode, [1.0])], PARAMETERS[::3], ["a"])
    assert model.value([2.0, 1.5]) == pytest.approx([1.5 * np.exp(-2.0)], rel=1e-7)
    with pytest.raises(NoGradient, match="kinked"):
        model.linearize([2.0, 1.5])
