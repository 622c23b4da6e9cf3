import numpy as np
import pytest
from kinds.stepping import PARAMETERS, PROTEIN, make_and_lose, space

from mscale_uq.core.dynamics import Dynamics, Rollout
from mscale_uq.core.formula import Formula
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.observation import Observation
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.core.random import generator
from mscale_uq.core.stage import MatrixLinearization, Stage
from mscale_uq.core.statespace import StateSpace
from mscale_uq.core.step_formula import StepFormula
from mscale_uq.diagnose.gradient import check_gradient
from mscale_uq.errors import DataError, InputError, ParameterError, SolveFailed, WiringError
from mscale_uq.observe.laws import Gaussian

DYNAMICS = StepFormula(make_and_lose, (PROTEIN,))


class Spring(Dynamics):
    """Two named state variables, position and speed, stepped exactly by a rotation."""

    name = "spring"
    inputs = ("frequency",)
    state = (Quantity("position", "m", shape=(2,)), Quantity("speed", "m/s", shape=(2,)))

    def step(self, states, start, stop, values, rng):
        return np.array([self.linearize_step(state, start, stop, values)[0] for state in states])

    def linearize_step(self, state, start, stop, values):
        w, t = float(values["frequency"]), stop - start
        c, s = np.cos(w * t), np.sin(w * t)
        eye = np.eye(2)
        A = np.block([[c * eye, s / w * eye], [-w * s * eye, c * eye]])
        dA = np.block([[-t * s * eye, (t * c / w - s / w**2) * eye], [(-s - w * t * c) * eye, -t * s * eye]])
        jacobians = {("state", "state"): A, ("state", "frequency"): dA @ state}
        return A @ state, MatrixLinearization(jacobians, {"state": (4,), "frequency": ()}, {"state": (4,)})


def energy(position, speed, frequency):
    return 0.5 * np.sum(speed**2) + 0.5 * frequency**2 * np.sum(position**2)


def springs(**constants):
    return StateSpace(
        [],
        Spring(),
        {
            "ruler": ObservationOperator("position", Gaussian(0.1)),
            "meter": ObservationOperator("energy", Gaussian(0.1), Formula(energy, "energy")),
        },
        [
            Parameter("frequency", "1/s", 2.0, lower=0),
            Parameter("position_initial", "m", (1.0, 0.5), shape=(2,)),
        ],
        {"speed_initial": 0.0, **constants},
    )


def test_a_path_has_every_named_state_variable():
    model = springs().forward([0.0, np.pi / 4, np.pi / 2])
    known = model.trace(model.theta())
    assert known["position"] == pytest.approx(np.array([[1, 0.5], [0, 0], [-1, -0.5]]), abs=1e-14)
    assert known["speed"][1] == pytest.approx([-2.0, -1.0])
    assert known["energy"] == pytest.approx([2.5, 2.5, 2.5])


def test_sources_may_be_read_at_their_own_times():
    model = springs().forward({"ruler": [0.0, np.pi / 2], "meter": [np.pi / 4]})
    assert model.value(model.theta()) == pytest.approx([1.0, 0.5, -1.0, -0.5, 2.5])


def test_the_derivative_of_a_path_reaches_parameters_and_the_start():
    model = springs().forward([0.3, 0.3, 1.7, 4.0])
    check = check_gradient(model, model.theta(), np.random.default_rng(0))
    assert check.ok, check


def test_a_start_given_once_for_a_whole_field_gathers_its_sensitivity():
    """A scalar initial value fills the field; its derivative is the sum over the field."""
    rollout = Rollout(Spring(), [0.7])
    values = {
        "position_initial": np.array(1.0),
        "speed_initial": np.zeros(2),
        "frequency": np.array(2.0),
        "key": 0,
    }
    back = rollout.linearize(values)[1].vjp({"position": np.ones((1, 2))})
    assert back["position_initial"] == pytest.approx(2 * np.cos(1.4))
    assert back["speed_initial"] == pytest.approx(np.full(2, np.sin(1.4) / 2))


def test_the_initial_law_is_read_by_name():
    plain = space()
    mean, cov = plain.initial(plain.prepare({"making": 4.0, "loss": 0.1}))
    assert (mean.tolist(), cov.tolist()) == ([10.0], [[25.0]])


@pytest.mark.parametrize("times", [[], [2.0, 1.0], [-1.0, 1.0]])
def test_times_that_do_not_increase_are_refused(times):
    with pytest.raises(InputError, match="increasing"):
        space().forward(times)


class Guessed(Stage):
    """A random stage: a rate by chance."""

    name, inputs, outputs = "guess", ("key",), ("guessed_rate",)

    def value(self, values):
        return {"guessed_rate": 1.0 + generator(int(values["key"])).random()}


def test_random_stages_have_one_key_for_filters_and_the_forward_model():
    dynamics = StepFormula(
        lambda protein, guessed_rate, start, stop: protein * np.exp(-guessed_rate * (stop - start)),
        (PROTEIN,),
        name="decay",
    )
    sources = {"camera": ObservationOperator("protein", Gaussian(1.0))}
    whole = StateSpace([Guessed()], dynamics, sources, (), {"protein_initial": 10.0})
    known = whole.prepare({})
    moved = whole.step(np.full((3, 1), 10.0), 0.0, 2.0, known, np.random.default_rng(1))
    assert whole.forward([2.0]).value([]) == pytest.approx(moved[:, 0][:1], rel=1e-13)
    other = StateSpace([Guessed()], dynamics, sources, (), {"protein_initial": 10.0, "key": 5})
    assert other.prepare({})["guessed_rate"] != known["guessed_rate"]


def test_an_unknown_source_gets_a_near_match():
    with pytest.raises(WiringError, match="'camera'"):
        space().forward({"camra": [1.0]})


def test_a_missing_parameter_is_named():
    with pytest.raises(ParameterError, match="'loss'"):
        space().prepare({"making": 4.0})


def test_an_initial_state_that_nobody_gives_is_refused_when_built():
    with pytest.raises(WiringError, match="protein_initial"):
        StateSpace([], DYNAMICS, {"camera": ObservationOperator("protein", Gaussian(1.0))}, PARAMETERS)


def test_a_quantity_that_nobody_makes_is_refused_when_built():
    with pytest.raises(WiringError, match="protien"):
        StateSpace(
            [],
            DYNAMICS,
            {"camera": ObservationOperator("protien", Gaussian(1.0))},
            PARAMETERS,
            {"protein_initial": 1.0},
        )


class Explodes(Dynamics):
    name = "explodes"
    inputs = ()
    state = (Quantity("u", "1"),)

    def step(self, states, start, stop, values, rng):
        return states * np.inf


def test_a_state_that_is_not_finite_is_a_failed_solve():
    model = ForwardModel([Rollout(Explodes(), [1.0])], [Parameter("u_initial", "1", 1.0)], ["u"])
    with pytest.raises(SolveFailed, match="explodes"):
        model.value([1.0])


@pytest.mark.parametrize("value", [np.inf, [1.0, -np.inf]])
def test_an_infinite_reading_is_refused(value):
    with pytest.raises(DataError, match=r"camera: an infinite value at 2; .*a missing entry is NaN"):
        Observation(2.0, "camera", "protein", value)
