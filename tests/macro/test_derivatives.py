"""Every named coefficient of every term, steady and in time, by Taylor remainder and dot product."""

import numpy as np
import pytest
from skfem import Basis, ElementLineP2, ElementQuad1, ElementTriP2

from mscale_uq.core.dynamics import Rollout
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.parameter import Parameter
from mscale_uq.diagnose.gradient import check_gradient
from mscale_uq.macro.boundary import Dirichlet, Neumann, Robin, Source
from mscale_uq.macro.coefficient import Coefficient
from mscale_uq.macro.diffusion import DiffusionProblem
from mscale_uq.macro.flux import BoundaryFlux
from mscale_uq.macro.mesh import interval_mesh, tensor_mesh
from mscale_uq.macro.steady import SteadyDiffusion
from mscale_uq.macro.transient import TransientDiffusion

X = np.linspace(0.0, 1.0, 4)
PLATE = Basis(tensor_mesh(X, X), ElementQuad1())
TRIANGLES = Basis(tensor_mesh(X[:3], X[:3], triangles=True), ElementTriP2())
ROD = Basis(interval_mesh(np.linspace(0.0, 2.0, 6)), ElementLineP2())

TENSOR = np.array([[1.5, 0.3], [0.2, 0.8]])


def bump(x):
    return np.exp(-4 * np.sum((x - 0.4) ** 2, axis=0))


PROBLEMS = {
    "plate with a tensor, all kinds of boundary, one ambient on two sides": (
        DiffusionProblem(
            PLATE,
            Coefficient("K", "tensor"),
            reaction="r",
            storage="C",
            sources=[Source("power", bump), Source("q")],
            boundaries={
                "bottom": Dirichlet("cold"),
                "left": Robin("h", "ambient"),
                "right": Robin("h", "ambient"),
                "top": Neumann("g", bump),
            },
            fluxes={
                "into_bottom": "bottom",
                "into_sides": ("left", "right"),
                "all": ("bottom", "left", "top"),
            },
        ),
        {
            "K": TENSOR,
            "r": 0.5,
            "C": 2.0,
            "power": 3.0,
            "q": -0.4,
            "cold": 1.0,
            "h": 2.0,
            "ambient": 0.3,
            "g": 0.7,
        },
    ),
    "triangles with a conductivity, a reaction, a source and a storage per element": (
        DiffusionProblem(
            TRIANGLES,
            Coefficient("K", "elements"),
            reaction=Coefficient("r", "elements"),
            storage=Coefficient("C", "elements"),
            sources=Source(Coefficient("q", "elements"), np.arange(1.0, 9.0)),
            boundaries={"left": Dirichlet("held", bump), "top": Robin("h", 0.5)},
            fluxes={"into_left": "left"},
        ),
        {
            "K": np.linspace(0.5, 2.0, 8),
            "r": np.linspace(0.1, 1.0, 8),
            "C": np.linspace(1.0, 3.0, 8),
            "q": np.linspace(-1.0, 1.0, 8),
            "held": 1.0,
            "h": 0.9,
        },
    ),
    "plate with a tensor per element": (
        DiffusionProblem(
            PLATE,
            Coefficient("K", "element_tensors"),
            storage="C",
            sources=Source(1.0),
            boundaries={"left": Dirichlet(0.0)},
            fluxes={"into_left": "left"},
        ),
        {"K": TENSOR + np.linspace(0.0, 1.0, 9)[:, None, None] * np.eye(2), "C": 1.3},
    ),
    "rod where one name is conductivity, exchange and held value": (
        DiffusionProblem(
            ROD,
            "a",
            reaction="r",
            storage="C",
            boundaries={"left": Dirichlet("a"), "right": Robin("a", "ambient")},
            fluxes={"uptake": "left", "loss": "right"},
        ),
        {"a": np.array([0.7]), "r": 1.2, "C": 0.8, "ambient": 0.2},
    ),
}


def model_of(stages, values, outputs):
    values = {name: np.asarray(value, dtype=float) for name, value in values.items()}
    parameters = [Parameter(name, "1", 1.0, shape=value.shape) for name, value in values.items()]
    model = ForwardModel(stages, parameters, outputs)
    return model, model.theta(**values)


def without_storage(values):
    return {name: value for name, value in values.items() if name != "C"}


@pytest.mark.parametrize(("problem", "values"), PROBLEMS.values(), ids=PROBLEMS)
def test_the_steady_derivative_is_exact(problem, values):
    stage = SteadyDiffusion(problem)
    model, theta = model_of([stage], without_storage(values), stage.outputs)
    check = check_gradient(model, theta, np.random.default_rng(1))
    assert check.ok, check


@pytest.mark.parametrize(("problem", "values"), PROBLEMS.values(), ids=PROBLEMS)
def test_the_derivative_of_a_path_in_time_is_exact(problem, values):
    rollout = Rollout(TransientDiffusion(problem, max_step=0.06), [0.1, 0.13, 0.4])
    given = {**values, "u_initial": np.random.default_rng(2).uniform(size=problem.size)}
    model, theta = model_of([rollout], given, ["u"])
    check = check_gradient(model, theta, np.random.default_rng(3))
    assert check.ok, check


@pytest.mark.parametrize(("problem", "values"), PROBLEMS.values(), ids=PROBLEMS)
def test_the_derivative_of_the_flux_of_a_changing_field_is_exact(problem, values):
    stage = BoundaryFlux(problem)
    given = {**values, "u": np.random.default_rng(4).uniform(size=problem.size)}
    model, theta = model_of([stage], given, stage.outputs)
    check = check_gradient(model, theta, np.random.default_rng(5))
    assert check.ok, check


@pytest.mark.parametrize(("problem", "values"), PROBLEMS.values(), ids=PROBLEMS)
def test_value_and_linearisation_agree_and_change_no_input(problem, values):
    stage = SteadyDiffusion(problem)
    given = {name: np.asarray(value, dtype=float) for name, value in without_storage(values).items()}
    before = {name: value.copy() for name, value in given.items()}
    made, linear = stage.linearize(given)
    linear.jvp(given)
    linear.vjp(made)
    for name, value in stage.value(given).items():
        np.testing.assert_array_equal(made[name], value)
    for name, value in before.items():
        np.testing.assert_array_equal(given[name], value)
        assert linear.vjp(made)[name].shape == value.shape


def test_each_entry_of_a_tensor_has_its_own_derivative():
    problem, values = PROBLEMS["plate with a tensor, all kinds of boundary, one ambient on two sides"]
    stage = SteadyDiffusion(problem)
    given = {name: np.asarray(value, dtype=float) for name, value in without_storage(values).items()}
    _, linear = stage.linearize(given)
    for i, j in np.ndindex(2, 2):
        step = np.zeros((2, 2))
        step[i, j] = 1e-6
        plus, minus = (stage.value({**given, "K": TENSOR + sign * step})["u"] for sign in (1, -1))
        slope = linear.jvp({"K": step / 1e-6})["u"]
        np.testing.assert_allclose((plus - minus) / 2e-6, slope, atol=1e-8 * np.abs(slope).max() + 1e-9)
