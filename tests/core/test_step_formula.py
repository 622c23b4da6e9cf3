import numpy as np
import pytest
from kinds import stepping

from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.core.statespace import StateSpace
from mscale_uq.core.step_formula import StepFormula
from mscale_uq.diagnose.gradient import check_gradient
from mscale_uq.errors import NoGradient, WiringError
from mscale_uq.observe.laws import Gaussian

TWO = (Quantity("prey", "1"), Quantity("hunter", "1"))


def rotate(prey, hunter, rate, start, stop):
    """A linear system that turns: exp(A t) with A = [[0, -rate], [rate, 0]]."""
    angle = rate * (stop - start)
    return np.cos(angle) * prey - np.sin(angle) * hunter, np.sin(angle) * prey + np.cos(angle) * hunter


def turning(noise=None):
    return StepFormula(rotate, TWO, noise)


def test_several_variables_are_stepped_and_differentiated():
    state, values, t = np.array([2.0, 1.0]), {"rate": np.array(0.7)}, 1.3
    moved, slope = turning().linearize_step(state, 0.5, 0.5 + t, values)
    c, s = np.cos(0.7 * t), np.sin(0.7 * t)
    assert moved == pytest.approx([2 * c - s, 2 * s + c], rel=1e-14)
    assert slope.jacobians["state", "state"] == pytest.approx(np.array([[c, -s], [s, c]]), rel=1e-14)
    assert slope.jacobians["state", "rate"] == pytest.approx([-t * (2 * s + c), t * (2 * c - s)], rel=1e-14)


def test_members_have_states_and_values_of_their_own():
    states, rates = np.array([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]]), np.array([0.1, 0.2, 0.3])
    moved = turning().step(states, 0.0, 2.0, {"rate": rates}, np.random.default_rng(0))
    alone = [
        turning().linearize_step(x, 0.0, 2.0, {"rate": r})[0] for x, r in zip(states, rates, strict=True)
    ]
    assert moved == pytest.approx(np.array(alone), rel=1e-15)


def test_members_may_have_arrays_of_their_own():
    mixed = StepFormula(lambda x, a: a[0] * x + a[1], (Quantity("x", "1"),), shapes={"a": (2,)})
    states, own = np.array([[1.0], [1.0]]), np.array([[0.3, 0.4], [1.0, 5.0]])
    rng = np.random.default_rng(0)
    assert mixed.step(states, 0.0, 1.0, {"a": own}, rng) == pytest.approx(np.array([[0.7], [6.0]]))
    assert mixed.step(states, 0.0, 1.0, {"a": own[0]}, rng) == pytest.approx(np.array([[0.7], [0.7]]))
    undeclared = StepFormula(lambda x, a: a[0] * x + a[1], (Quantity("x", "1"),))
    with pytest.raises(WiringError, match=r"'a' of shape \(2,\).*say shapes=\{'a': \(2,\)\}"):
        undeclared.linearize_step(states[0], 0.0, 1.0, {"a": own[0]})


def test_an_ensemble_is_not_changed_by_its_step():
    def grow(x):
        x *= 2.0
        return x

    states = np.ones((3, 1))
    with pytest.raises(ValueError, match="read-only"):
        StepFormula(grow, (Quantity("x", "1"),)).step(states, 0.0, 1.0, {}, np.random.default_rng(0))
    assert states.tolist() == [[1.0], [1.0], [1.0]]


def test_results_of_another_shape_are_refused():
    x = (Quantity("x", "1"),)
    with pytest.raises(WiringError, match="one number per member"):
        StepFormula(lambda x: np.ones(3), x).step(np.ones((2, 1)), 0.0, 1.0, {}, np.random.default_rng(0))
    with pytest.raises(WiringError, match=r"a covariance \(1, 1\)"):
        StepFormula(lambda x: x, x, noise=lambda: np.ones(2)).noise(0.0, 1.0, {})
    for state in ((), (*x, *x)):
        with pytest.raises(WiringError, match="at least one, each once"):
            StepFormula(lambda x: x, state)


def test_a_step_that_does_not_look_at_the_state_fills_every_member():
    reset = StepFormula(lambda level: level, (Quantity("x", "1"),))
    moved = reset.step(np.zeros((3, 1)), 0.0, 1.0, {"level": np.array(5.0)}, np.random.default_rng(0))
    assert moved.tolist() == [[5.0], [5.0], [5.0]]


def test_a_rollout_of_it_has_exact_gradients():
    parameters = [Parameter("rate", "1/s", 0.7), Parameter("prey_initial", "1", 2.0)]
    seen = {"count": ObservationOperator("hunter", Gaussian(0.1))}
    space = StateSpace([], turning(), seen, parameters, {"hunter_initial": 1.0})
    model = space.forward([0.5, 2.0, 3.0])
    assert check_gradient(model, model.theta(), np.random.default_rng(3)).ok


def test_noise_is_what_the_function_says_and_nothing_unless_given():
    values = {"making": np.array(4.0), "loss": np.array(0.1)}
    exact = 40 * (1 - np.exp(-0.2 * 3))
    assert stepping.space().dynamics.noise(1.0, 4.0, values) == pytest.approx(np.array([[exact]]), rel=1e-14)
    assert turning().noise(0.0, 1.0, {"rate": 1.0}).tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_what_is_no_scalar_or_reads_the_state_is_refused():
    with pytest.raises(WiringError, match=r"'field' of shape \(3,\)"):
        StepFormula(lambda field: field, (Quantity("field", "K", shape=(3,)),))
    with pytest.raises(WiringError, match="the noise of 'rotate' reads the state"):
        turning(noise=lambda prey, rate: np.eye(2))


def test_a_step_that_is_not_analytic_has_no_derivative():
    clipped = StepFormula(lambda x, rate: np.maximum(x - rate, 0.0), (Quantity("x", "1"),), name="clipped")
    with pytest.raises(NoGradient, match="clipped"):
        clipped.linearize_step(np.array([1.0]), 0.0, 1.0, {"rate": np.array(0.3)})
