"""Planted mistakes in wiring, parameters and derivatives: each is caught, by name."""

import numpy as np
import pytest

from mscale_uq.core.formula import Formula
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.implicit import Implicit
from mscale_uq.core.parameter import Parameter
from mscale_uq.core.stage import MatrixLinearization, Stage
from mscale_uq.core.system import Option
from mscale_uq.diagnose.gradient import check_gradient
from mscale_uq.errors import Infeasible, InputError, OutOfLimits, ParameterError, SolveFailed, WiringError

K = Parameter("conductivity", "W/(m K)", 0.2, lower=0)
L = Parameter("length", "m", 0.01, lower=0)


def resistance(conductivity, length):
    return length / conductivity


def flux(resistance, drop):
    return drop / resistance


def model(**changes):
    settings = {
        "stages": [Formula(resistance, "resistance"), Formula(flux, "flux")],
        "parameters": [K, L],
        "outputs": ["flux"],
        "constants": {"drop": 10.0},
    }
    return ForwardModel(**{**settings, **changes})


def test_a_right_model_works():
    assert model().value([0.2, 0.01])[0] == pytest.approx(200.0, rel=1e-15)


MISTAKES = {
    "stages in the wrong order": (
        {"stages": [Formula(flux, "flux"), Formula(resistance, "resistance")]},
        "'flux' reads 'resistance'",
    ),
    "a name that nobody makes": ({"constants": {"dorp": 10.0}}, "reads 'drop', which nothing makes.*'dorp'"),
    "an output that nobody makes": ({"outputs": ["flx"]}, "output 'flx'.*'flux'"),
    "a parameter that nobody reads": (
        {"parameters": [K, L, Parameter("lenght", "m", 1.0)]},
        "'lenght'.*'length'",
    ),
    "a name made twice": (
        {
            "stages": [
                Formula(resistance, "resistance"),
                Formula(resistance, "resistance"),
                Formula(flux, "flux"),
            ]
        },
        "exists already",
    ),
    "a parameter given twice": ({"constants": {"drop": 1.0, "length": 2.0}}, "given twice"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_wrong_wiring_is_caught_when_the_model_is_built(mistake):
    changes, message = MISTAKES[mistake]
    with pytest.raises(WiringError, match=message):
        model(**changes)


def test_an_implicit_stage_checks_its_two_names():
    with pytest.raises(WiringError, match="resistence"):
        Implicit([Formula(resistance, "resistance")], "conductivity", "resistence", 1.0)


class Wrong(Stage):
    """Its derivative is off by the given factor."""

    name, inputs, outputs = "wrong", ("conductivity",), ("flux",)

    def __init__(self, factor):
        self.factor = factor

    def value(self, values):
        return {"flux": np.asarray(values["conductivity"] ** 2)}

    def linearize(self, values):
        slope = np.asarray(self.factor * 2 * values["conductivity"])
        return self.value(values), MatrixLinearization(
            {("flux", "conductivity"): slope}, {"conductivity": ()}, {"flux": ()}
        )


@pytest.mark.parametrize("factor", [0.0, -1.0, 2.0, 1.01, 1 + 1e-4])
def test_a_planted_wrong_gradient_is_caught(factor):
    check = check_gradient(
        ForwardModel([Wrong(factor)], [K], ["flux"]), np.array([0.2]), np.random.default_rng(0)
    )
    assert not check.ok
    assert check.worst[0].startswith(("conductivity", "random"))


def test_the_same_stage_with_the_right_factor_passes():
    check = check_gradient(
        ForwardModel([Wrong(1.0)], [K], ["flux"]), np.array([0.2]), np.random.default_rng(0)
    )
    assert check.ok, check


class Crooked(Stage):
    """Forward and backward derivatives disagree."""

    name, inputs, outputs = "crooked", ("conductivity",), ("flux",)

    def value(self, values):
        return {"flux": values["conductivity"] ** 2}

    def linearize(self, values):
        class Linear(MatrixLinearization.__bases__[0]):
            def jvp(self, tangents):
                return {"flux": 2 * values["conductivity"] * tangents["conductivity"]}

            def vjp(self, cotangents):
                return {"conductivity": 2.001 * values["conductivity"] * cotangents["flux"]}

        return self.value(values), Linear()


def test_an_adjoint_that_disagrees_with_the_tangent_is_caught():
    check = check_gradient(
        ForwardModel([Crooked()], [K], ["flux"]), np.array([0.2]), np.random.default_rng(0)
    )
    assert check.dot_error > 1e-5
    assert not check.ok


@pytest.mark.parametrize("theta", [[-0.2, 0.01], [0.0, 0.01], [np.nan, 0.01]])
def test_theta_outside_the_limits_is_both_bad_input_and_infeasible(theta):
    with pytest.raises(OutOfLimits, match="conductivity") as caught:
        model().value(theta)
    assert isinstance(caught.value, Infeasible)
    assert isinstance(caught.value, ValueError)


def test_a_theta_of_the_wrong_length_is_refused():
    with pytest.raises(ParameterError, match="conductivity, length"):
        model().value([0.2])


def test_an_unknown_parameter_name_gets_a_near_match():
    with pytest.raises(ParameterError, match="did you mean 'conductivity'"):
        model().theta(conductivty=0.3)


def test_a_value_that_is_not_finite_is_a_failed_solve_that_names_its_stage():
    logarithm = Formula(lambda conductivity, length: np.log(-conductivity) * length, "resistance", name="log")
    with pytest.raises(SolveFailed, match=r"'resistance'.*conductivity=0\.2"):
        model(stages=[logarithm, Formula(flux, "flux")]).value([0.2, 0.01])


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (
            lambda conductivity, length: np.linalg.solve(np.zeros((2, 2)), [conductivity, length])[0],
            "Singular",
        ),
        (lambda conductivity, length: float(conductivity) / (float(length) - 0.01), "division by zero"),
    ],
)
def test_a_singular_matrix_or_a_division_by_zero_in_plain_numbers_is_a_failed_solve(function, said):
    with pytest.raises(SolveFailed, match=rf"direct: .*{said}.*conductivity=0\.2"):
        model(stages=[Formula(function, "resistance", name="direct"), Formula(flux, "flux")]).value(
            [0.2, 0.01]
        )


def test_a_batch_flags_the_members_that_fail_and_keeps_the_others():
    batch = model().batch([[0.2, 0.01], [-1.0, 0.01], [0.4, 0.01]])
    assert batch.ok.tolist() == [True, False, True]
    assert batch.values[[0, 2], 0] == pytest.approx([200.0, 400.0])
    assert np.isnan(batch.values[1]).all()
    assert "conductivity" in str(batch.failures[1])


def test_a_bug_in_a_model_is_not_a_failure():
    bug = Formula(lambda conductivity, length: conductivity + "m", "resistance", name="bug")
    broken = model(stages=[bug, Formula(flux, "flux")])
    with pytest.raises(TypeError):
        broken.batch([[0.2, 0.01]])


def test_inputs_are_not_changed():
    theta = np.array([0.2, 0.01])
    built = model()
    built.jacobian(theta)
    assert theta.tolist() == [0.2, 0.01]
    with pytest.raises(ValueError, match="read-only"):
        built.constants["drop"][...] = 3.0


@pytest.mark.parametrize(("lower", "upper", "default"), [(0, 1, 2.0), (0, 1, 0.0), (1, 0, 0.5)])
def test_a_parameter_whose_default_is_impossible_is_refused(lower, upper, default):
    with pytest.raises(ParameterError):
        Parameter("fraction", "1", default, lower=lower, upper=upper)


@pytest.mark.parametrize("name", ["key", "2nd", "D eff", ""])
def test_a_name_that_cannot_be_an_argument_is_refused(name):
    with pytest.raises(ParameterError, match="identifier"):
        Parameter(name, "1", 1.0)


def test_an_array_parameter_keeps_its_shape_on_the_way():
    layers = Parameter("layers", "W/(m K)", 1.0, lower=0, shape=(3,))
    built = ForwardModel(
        [Formula(lambda layers: 3 / np.sum(1 / layers), "harmonic")],
        [
            layers,
        ],
        ["harmonic"],
    )
    assert built.theta().tolist() == [1.0, 1.0, 1.0]
    assert built.value([1.0, 2.0, 4.0])[0] == pytest.approx(3 / 1.75, rel=1e-15)
    assert built.jacobian([1.0, 2.0, 4.0]) == pytest.approx(
        (3 / 1.75) ** 2 / 3 / np.array([[1.0, 4.0, 16.0]]), rel=1e-13
    )


def counted(calls):
    def expensive(length):
        calls.append(float(length))
        return length**2

    return Formula(expensive, "area")


def test_what_depends_on_held_parameters_alone_is_run_once():
    calls = []
    stages = [
        counted(calls),
        Formula(lambda conductivity, area: conductivity * area, "conductance", name="product"),
    ]
    held = ForwardModel(stages, [K, L], ["conductance"]).fixed(length=3.0)
    assert [held.value([c])[0] for c in (1.0, 2.0)] == [9.0, 18.0]
    assert held.jacobian([2.0]) == pytest.approx(np.array([[9.0]]))
    assert calls == [3.0]
    assert held.names == ("conductivity",)
    assert held.trace([2.0])["area"] == 9.0


def test_a_held_value_outside_the_limits_is_refused():
    with pytest.raises(ParameterError, match="length"):
        model().fixed(length=-1.0)


def doubled_in_place(x):
    x *= 2.0
    return x + 0.0


def test_a_formula_cannot_change_what_others_read():
    model = ForwardModel([Formula(doubled_in_place, "y")], [Parameter("x", "1", 1.5)], ["y"])
    theta = np.array([1.5])
    with pytest.raises(ValueError, match="read-only"):
        model.value(theta)
    assert theta.tolist() == [1.5]


def test_a_sensitivity_of_another_size_is_refused():
    model = ForwardModel([Formula(lambda x: x, "y")], [Parameter("x", "1", 1.5)], ["y"])
    with pytest.raises(InputError, match=r"shape \(2,\); allowed: \(1,\)"):
        model.vjp([1.5], [1.0, 2.0])


@pytest.mark.parametrize("outputs", [[], ["y", "y"]])
def test_data_have_names_and_each_once(outputs):
    with pytest.raises(WiringError, match="each once"):
        ForwardModel([Formula(lambda x: x, "y")], [Parameter("x", "1", 1.5)], outputs)


def test_an_option_outside_its_limits_is_refused():
    option = Option("elements", 24, "1", lower=3)
    assert option.check(4) == 4
    with pytest.raises(ParameterError, match=r"elements = 3; allowed: a whole number inside \(3, inf\)"):
        option.check(3)
    with pytest.raises(ParameterError, match="elements = -5"):
        option.check(-5)
