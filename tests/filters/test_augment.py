"""Parameters as state: exact where the model is linear in them, and exact derivatives everywhere."""

import numpy as np
import pytest
from mscale_uq.models.reference import linear_gaussian

from mscale_uq.core.dynamics import Dynamics
from mscale_uq.core.formula import Formula
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.observation import Observation
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.core.statespace import StateSpace
from mscale_uq.diagnose.gradient import check_gradient
from mscale_uq.errors import InputError, ParameterError, WiringError
from mscale_uq.filters.augment import Unknown, augment, unknown_values
from mscale_uq.filters.coordinate import Coordinate
from mscale_uq.filters.ensemble import EnsembleKalman
from mscale_uq.filters.extended import ExtendedKalman
from mscale_uq.filters.kalman import Kalman
from mscale_uq.filters.loop import prepared, run, start
from mscale_uq.filters.sigma_point import SigmaPointKalman
from mscale_uq.filters.sigma_rules import Cubature
from mscale_uq.filters.square_root import SquareRootKalman
from mscale_uq.macro.linear_sde import LinearSDE, matrix
from mscale_uq.observe.laws import Gaussian

TIMES = np.array(linear_gaussian.TIMES)
READINGS = np.array([5.2, 4.1, 3.9, 3.8, 3.7, 4.4, 5.1])
STREAM = [Observation(t, "probe", "amount", y) for t, y in zip(TIMES, READINGS, strict=True)]


def batch_posterior(start_sd, sd, inflow_mean, inflow_sd, first=5.0, second=1.0):
    """Mean and sd of the inflow by linear regression: readings are affine in inflow and initial amounts."""
    model = linear_gaussian.forward(TIMES)
    base = model.value([0.0, 0.0, 0.0])
    design = np.stack([model.value(unit) - base for unit in np.eye(3)], axis=1)
    mean, cov = np.array([inflow_mean, first, second]), np.diag([inflow_sd, start_sd, start_sd]) ** 2
    precision = np.linalg.inv(cov) + design.T @ design / sd**2
    posterior = np.linalg.solve(precision, np.linalg.solve(cov, mean) + design.T @ (READINGS - base) / sd**2)
    return posterior, np.linalg.inv(precision)


@pytest.mark.parametrize("filter", [Kalman(), ExtendedKalman(), SigmaPointKalman()])
def test_a_filter_learns_a_linear_parameter_as_the_batch_regression_does(filter):
    space = augment(linear_gaussian.space(start_sd=1.0), {"inflow": Unknown(1.0, 2.0)})
    state, _ = list(run(filter, space, {"x_initial": 5.0, "y_initial": 1.0}, STREAM))[-1]
    mean, cov = batch_posterior(1.0, 0.5, 1.0, 2.0)
    assert state.mean[2] == pytest.approx(mean[0], abs=1e-10)
    assert state.cov[2, 2] == pytest.approx(cov[0, 0], abs=1e-10)
    assert unknown_values(space, state.mean)["inflow"] == state.mean[2]


def rested(inflow):
    """The first compartment begins at rest."""
    return inflow / 0.3


def from_rest():
    """The tracer, whose first compartment begins with what a known inflow leaves there."""
    plain = linear_gaussian.space(start_sd=0.0)
    constants = {**plain.constants, "y_initial_var": 0.7**2}
    parameters = [p for p in plain.parameters if p.name != "x_initial"]
    stages = [Formula(rested, "x_initial")]
    return StateSpace(stages, plain.dynamics, plain.observations, parameters, constants)


@pytest.mark.parametrize("filter", [Kalman(), ExtendedKalman(), SigmaPointKalman(), SquareRootKalman()])
def test_first_values_that_a_learned_parameter_makes_are_learned_with_it(filter):
    """As by linear regression on the inflow, which moves the readings also by where it lets them begin."""
    space = augment(from_rest(), {"inflow": Unknown(1.5, 0.8)})
    state, _ = list(run(filter, space, {"y_initial": 1.0}, STREAM))[-1]
    model = from_rest().forward(TIMES)
    base = model.value([0.0, 0.0])
    design = np.stack([model.value(unit) - base for unit in np.eye(2)], axis=1)
    mean, precision = np.array([1.5, 1.0]), np.diag([0.8**-2, 0.7**-2])
    total = precision + design.T @ design / 0.5**2
    exact = np.linalg.solve(total, precision @ mean + design.T @ (READINGS - base) / 0.5**2)
    assert state.mean[2] == pytest.approx(exact[0], abs=1e-9)
    cov = state.cov if hasattr(state, "cov") else state.factor @ state.factor.T
    assert cov[2, 2] == pytest.approx(np.linalg.inv(total)[0, 0], abs=1e-9)


def test_members_begin_where_their_own_parameters_say():
    space = augment(from_rest(), {"inflow": Unknown(1.5, 0.8)})
    members = start(EnsembleKalman(size=40), space, {"y_initial": 1.0}).state.members
    assert members[:, 0] == pytest.approx(members[:, 2] / 0.3, abs=1e-12)
    assert np.std(members[:, 2]) > 0.4


def test_the_model_whose_first_values_are_made_from_state_is_still_one_for_samplers():
    model = augment(from_rest(), {"inflow": Unknown(1.5, 0.8)}).forward(TIMES)
    assert model.value([1.0]) == pytest.approx(from_rest().forward(TIMES).value([1.5, 1.0]), rel=1e-14)


def test_a_drift_widens_what_is_known_of_a_parameter():
    space = augment(linear_gaussian.space(start_sd=1.0), {"inflow": Unknown(1.0, 2.0, drift=0.3)})
    now = start(Kalman(), space, {"x_initial": 5.0, "y_initial": 1.0}).predict_to(5.0)
    assert now.state.cov[2, 2] == pytest.approx(4.0 + 5 * 0.3, rel=1e-14)


# A rate behind two stages, one of which depends on it; the reading has a gain; both must stay positive.

STATE = (Quantity("level", "1"),)


def law(loss, feed):
    return matrix([[-loss]]), np.stack([feed]), 0.1 * loss * np.ones((1, 1))


def arrhenius(energy):
    return np.exp(-energy)


def feeding(supply):
    return 2 * supply


def shown(level, gain):
    return gain * level


def tank():
    return StateSpace(
        [Formula(arrhenius, "loss"), Formula(feeding, "feed")],
        LinearSDE("tank", STATE, law),
        {"gauge": ObservationOperator("shown", Gaussian(0.2), Formula(shown, "shown"))},
        [
            Parameter("energy", "1", 0.7),
            Parameter("supply", "1", 0.5),
            Parameter("gain", "1", 2.0, lower=0),
        ],
        {"level_initial": 1.0, "level_initial_var": 0.2},
    )


def augmented_tank():
    return augment(tank(), {"energy": Unknown(0.7, 0.3), "gain": Unknown(2.0, 0.1)})


def test_a_path_of_the_augmented_model_is_that_of_the_plain_one():
    plain, times = tank().forward([1.0, 2.5]), [1.0, 2.5]
    theta = plain.theta(energy=0.7, supply=0.5, gain=2.0)
    model = augmented_tank().forward(times)
    assert model.value([0.5]) == pytest.approx(plain.value(theta), rel=1e-14)


def test_steps_and_readings_of_the_augmented_model_have_exact_derivatives():
    space = augmented_tank()
    values = prepared(space, {"supply": 0.5})
    state = np.array([1.2, 0.6, np.log(1.9)])
    _, linear = space.dynamics.linearize_step(state, 0.0, 0.7, values)
    read = {name: values[name] for name in space.dynamics.inputs}
    reading = space.observations["gauge"].stage
    rng = np.random.default_rng(0)

    def seen(state):
        return reading.value({**values, **space.dynamics.split(state)})["shown"]

    inputs = {name: {**values, **space.dynamics.split(state)}[name] for name in reading.inputs}
    made, sight = reading.linearize(inputs)
    assert made["shown"] == pytest.approx(seen(state))
    for _ in range(3):
        v, w, h = rng.normal(size=3), rng.normal(size=3), 1e-6
        up, down = (space.dynamics.step((state + s * h * v)[None], 0.0, 0.7, read, rng)[0] for s in (1, -1))
        assert linear.jvp({"state": v})["state"] == pytest.approx((up - down) / (2 * h), rel=1e-7, abs=1e-9)
        back = linear.vjp({"state": w})
        assert linear.jvp({"state": v})["state"] @ w == pytest.approx(back["state"] @ v, rel=1e-13)
        change = linear.jvp({"supply": np.array(1.0), "feed": np.array(2.0)})["state"]
        assert back["feed"] * 2.0 == pytest.approx(change @ w, rel=1e-13)
        tangents = space.dynamics.split(v)
        slope = sight.jvp(tangents)["shown"]
        assert slope == pytest.approx((seen(state + h * v) - seen(state - h * v)) / (2 * h), rel=1e-7)
        passed = sight.vjp({"shown": np.array(1.0)})
        assert sum(np.sum(passed[n] * tangents[n]) for n in tangents) == pytest.approx(slope, rel=1e-13)


def test_the_augmented_model_is_still_one_for_samplers():
    model = augmented_tank().forward([0.5, 2.0])
    assert check_gradient(model, model.theta(), np.random.default_rng(1)).ok


@pytest.mark.parametrize(("lower", "upper"), [(-np.inf, np.inf), (0.2, np.inf), (-np.inf, 3.0), (0.2, 3.0)])
def test_a_coordinate_has_no_limits_and_an_exact_slope(lower, upper):
    coordinate = Coordinate(Parameter("p", "1", 1.1, lower, upper, shape=(3,)))
    u = coordinate.forward(np.array([0.3, 1.1, 2.9]))
    assert coordinate.backward(u) == pytest.approx([0.3, 1.1, 2.9], rel=1e-14)
    up, down = coordinate.backward(u + 1e-6), coordinate.backward(u - 1e-6)
    assert coordinate.slope(u) == pytest.approx((up - down) / 2e-6, rel=1e-8)


def test_a_positive_parameter_is_moved_by_its_logarithm():
    space = augmented_tank()
    assert [v.name for v in space.dynamics.state] == ["level", "energy", "log_gain"]
    assert space.constants["log_gain_initial"] == pytest.approx(np.log(2.0))
    states = np.array([[1.0, 0.5, -30.0], [1.0, 0.5, 3.0]])
    assert np.all(unknown_values(space, states)["gain"] > 0)


def test_an_extended_filter_finds_a_rate_and_a_gain_behind_stages():
    rng, truth = np.random.default_rng(2), {"energy": 0.9, "supply": 0.5, "gain": 2.1}
    plain, times, level = tank(), np.arange(1, 80) * 0.5, np.array([[1.0]])
    values, stream = prepared(plain, truth), []
    for time in times:
        level = plain.step(level, 0.0, 0.5, values, rng)
        level = level + np.sqrt(plain.dynamics.noise(0.0, 0.5, values)[0, 0]) * rng.normal()
        stream.append(Observation(time, "gauge", "shown", truth["gain"] * level[0, 0] + 0.2 * rng.normal()))
    for filter in (ExtendedKalman(), SigmaPointKalman(Cubature())):
        state, _ = list(run(filter, augmented_tank(), {"supply": 0.5}, stream))[-1]
        found, spread = state.mean[1:], np.sqrt(np.diag(state.cov)[1:])
        assert np.all(np.abs(found - [0.9, np.log(2.1)]) < 4 * spread)
        assert spread[0] < 0.15  # half of what was not known is gone


def test_a_kalman_filter_refuses_a_model_that_is_not_affine_in_its_parameters():
    with pytest.raises(InputError, match=r"not affine in the state.*ExtendedKalman"):
        list(run(Kalman(), augmented_tank(), {"supply": 0.5}, [Observation(1.0, "gauge", "shown", 2.0)]))


def test_a_parameter_that_is_the_initial_state_cannot_become_state():
    with pytest.raises(WiringError, match="give x_initial a variance"):
        augment(linear_gaussian.space(), {"x_initial": Unknown(5.0, 1.0)})


def test_an_unknown_that_is_no_parameter_or_out_of_limits_is_refused():
    with pytest.raises(ParameterError, match="did you mean 'inflow'"):
        augment(linear_gaussian.space(), {"inflo": Unknown(1.0, 1.0)})
    with pytest.raises(ParameterError, match=r"gain.*\(0, inf\)"):
        augment(tank(), {"gain": Unknown(-1.0, 1.0)})


class Clock(Dynamics):
    """A dynamics that knows how it is called: values of what is state have one row per member."""

    name = "clock"
    inputs = ("rate",)
    state = (Quantity("hand", "1"),)

    def step(self, states, start, stop, values, rng):
        assert values["rate"].shape == (len(states),)
        return states + values["rate"][:, None] * (stop - start)


def test_each_member_of_an_ensemble_moves_by_its_own_parameter():
    clock = StateSpace(
        [],
        Clock(),
        {"eye": ObservationOperator("hand", Gaussian(1.0))},
        [Parameter("rate", "1", 1.0)],
        {"hand_initial": 0.0},
    )
    space = augment(clock, {"rate": Unknown(1.0, 0.1)})
    moved = space.step(
        np.array([[0.0, 1.0], [5.0, 3.0]]), 0.0, 2.0, prepared(space, {}), np.random.default_rng(0)
    )
    assert np.array_equal(moved, [[2.0, 1.0], [11.0, 3.0]])
