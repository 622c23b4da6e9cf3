"""The matrix-free rectangle gives what scikit-fem's assembled matrix gives."""

import numpy as np
import pytest
from skfem import Basis, BilinearForm, ElementQuad1, condense, solve

from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.parameter import Parameter
from mscale_uq.diagnose.gradient import check_gradient
from mscale_uq.errors import Infeasible, InputError, SolveFailed, WiringError
from mscale_uq.macro.boundary import Dirichlet, Neumann, Robin
from mscale_uq.macro.coefficient import Coefficient
from mscale_uq.macro.diffusion import DiffusionProblem
from mscale_uq.macro.mesh import tensor_mesh
from mscale_uq.macro.rectangle import RectangleDiffusion
from mscale_uq.macro.steady import SteadyDiffusion
from mscale_uq.observe.grid_sensors import GridSensors
from mscale_uq.observe.sensors import PointSensors

SHAPE, SIDES = (12, 10), (1.5, 1.0)


def load():
    return np.random.default_rng(0).standard_normal((SHAPE[0] + 1, SHAPE[1] + 1))


def basis():
    x, y = (np.linspace(0, side, n + 1) for n, side in zip(SHAPE, SIDES, strict=True))
    return Basis(tensor_mesh(x, y), ElementQuad1())


def centres(mesh):
    return mesh.p[:, mesh.t].mean(axis=1).T


def in_grid_order(points):
    """Place in the grid, x slowly, of each point of the mesh."""
    place = np.rint(points / np.array(SIDES) * SHAPE - (0 if len(points) == basis().N else 0.5)).astype(int)
    return place[:, 0], place[:, 1]


def tensors(kind):
    even = np.array([[2.0, 0.6], [0.6, 1.1]])
    if kind == "even":
        return even
    factor = np.exp(0.6 * np.random.default_rng(1).standard_normal(SHAPE))
    return (factor[..., None, None] * even).reshape(-1, 2, 2)


@BilinearForm
def conduction(u, v, w):
    return sum(w["K"][i, j] * u.grad[j] * v.grad[i] for i in range(2) for j in range(2))


def assembled(K):
    """The naive way: assemble and factorise."""
    own = basis()
    grid = np.broadcast_to(K, (SHAPE[0] * SHAPE[1], 2, 2)).reshape(*SHAPE, 2, 2)
    elements = grid[in_grid_order(centres(own.mesh))]
    A = conduction.assemble(own, K=np.moveaxis(elements, 0, -1)[..., None])
    b = load()[in_grid_order(own.doflocs.T)]
    u = solve(*condense(A, b, D=own.get_dofs()))
    field = np.empty((SHAPE[0] + 1, SHAPE[1] + 1))
    field[in_grid_order(own.doflocs.T)] = u
    return own, u, field


@pytest.mark.parametrize("kind", ["even", "varying"])
def test_it_is_the_assembled_solution(kind):
    stage = RectangleDiffusion(SHAPE, load(), SIDES)
    _, _, exact = assembled(tensors(kind))
    field = stage.value({"K": tensors(kind)})["u"].reshape(exact.shape)
    assert field == pytest.approx(exact, abs=1e-9 * np.abs(exact).max())


def test_sensors_on_the_grid_read_what_sensors_on_the_mesh_read():
    points = np.random.default_rng(2).uniform(size=(20, 2)) * SIDES
    points[0] = SIDES
    own, u, field = assembled(tensors("even"))
    ours = GridSensors(SHAPE, SIDES, points).value({"u": field.ravel()})["u_sensors"]
    theirs = PointSensors(own, points).value({"u": u})["u_sensors"]
    assert ours == pytest.approx(theirs, abs=1e-12)
    with pytest.raises(InputError, match="outside"):
        GridSensors(SHAPE, SIDES, [[2.0, 0.5]])


@pytest.mark.parametrize("kind", ["even", "varying"])
def test_the_derivative_is_exact(kind):
    K = tensors(kind)
    parameter = Parameter("K", "1", K, shape=K.shape, dims=tuple("abcd"[: K.ndim]))
    model = ForwardModel([RectangleDiffusion(SHAPE, load(), SIDES)], [parameter], ["u"])
    check = check_gradient(model, model.theta(), np.random.default_rng(0))
    assert check.ok, (check.worst, check.dot_error)


@pytest.mark.parametrize("kind", ["even", "varying"])
def test_what_sampling_loses_is_far_below_any_noise(kind):
    K, weights = tensors(kind), {"u": np.random.default_rng(3).standard_normal(143)}
    both = [RectangleDiffusion(SHAPE, load(), SIDES, accuracy=name) for name in ("reference", "sampling")]
    (exact, slope), (fast, fast_slope) = (stage.linearize({"K": K}) for stage in both)
    assert fast["u"] == pytest.approx(exact["u"], abs=1e-7 * np.abs(exact["u"]).max())
    slope, fast_slope = slope.vjp(weights)["K"], fast_slope.vjp(weights)["K"]
    assert fast_slope == pytest.approx(slope, abs=1e-5 * np.abs(slope).max())


def test_what_it_cannot_solve_is_said():
    stage = RectangleDiffusion(SHAPE, load(), SIDES)
    with pytest.raises(Infeasible, match="not positive definite"):
        stage.value({"K": np.array([[1.0, 2.0], [2.0, 1.0]])})
    with pytest.raises(WiringError, match="of shape"):
        stage.value({"K": np.ones(3)})
    with pytest.raises(InputError, match="one per node"):
        RectangleDiffusion((3, 3), np.zeros((3, 3)))
    loose = {**dict.fromkeys(("right", "top", "bottom"), Neumann(0.0)), "left": Robin("exchange", 0.0)}
    nearly_free = RectangleDiffusion(SHAPE, load(), SIDES, sides=loose)
    with pytest.raises(SolveFailed, match=r"singular|positive definite"):
        nearly_free.value({"K": np.eye(2), "exchange": 1e-20})


def test_where_iterations_do_not_converge_a_factorisation_takes_over(monkeypatch):
    monkeypatch.setattr("mscale_uq.macro.rectangle.MAX_ITERATIONS", 3)
    _, _, exact = assembled(tensors("varying"))
    stage = RectangleDiffusion(SHAPE, load(), SIDES, accuracy="sampling")
    field = stage.value({"K": tensors("varying")})["u"].reshape(exact.shape)
    assert field == pytest.approx(exact, abs=1e-12 * np.abs(exact).max())


def test_one_number_per_element_is_that_number_in_every_direction():
    k, stage = np.random.default_rng(5).uniform(0.2, 5.0, 120), RectangleDiffusion(SHAPE, load(), SIDES)
    field, slopes = stage.linearize({"K": k})
    whole, all_slopes = stage.linearize({"K": k[:, None, None] * np.eye(2)})
    assert field["u"] == pytest.approx(whole["u"], rel=1e-13)
    weights = {"u": load().ravel()}
    both = np.trace(all_slopes.vjp(weights)["K"], axis1=1, axis2=2)
    assert slopes.vjp(weights)["K"] == pytest.approx(both, rel=1e-12, abs=1e-14)
    change = {"K": np.random.default_rng(6).standard_normal(120)}
    there = all_slopes.jvp({"K": change["K"][:, None, None] * np.eye(2)})
    assert slopes.jvp(change)["u"] == pytest.approx(there["u"], rel=1e-12, abs=1e-14)


SIDED = {
    "insulated": {"right": Neumann(0.0), "top": Neumann(0.0), "bottom": Neumann(0.0)},
    "heated": {"left": Neumann("inflow"), "bottom": Neumann(-0.3), "top": Dirichlet(0.0)},
    "cooled": {"left": Robin("exchange", "ambient"), "top": Robin(2.0, "ambient")},
    "nowhere held": {
        "left": Robin("exchange", "ambient"),
        "right": Neumann("inflow"),
        "bottom": Neumann("inflow"),
        "top": Neumann(0.0),
    },
}
NUMBERS = {"inflow": 0.7, "exchange": 1.3, "ambient": -0.4}


@pytest.mark.parametrize(("accuracy", "error"), [("reference", 1e-11), ("sampling", 1e-6)])
@pytest.mark.parametrize("kind", ["even", "varying"])
@pytest.mark.parametrize("sides", SIDED.values(), ids=SIDED)
def test_it_is_the_general_path_on_sides_of_every_kind(sides, kind, accuracy, error):
    """The matrix of scikit-fem, factorised; without sources inside, which the load lumps."""
    own, K = basis(), tensors(kind)
    elements = np.broadcast_to(K, (SHAPE[0] * SHAPE[1], 2, 2)).reshape(*SHAPE, 2, 2)
    elements = elements[in_grid_order(centres(own.mesh))]
    conditions = {**dict.fromkeys(("left", "right", "bottom", "top"), Dirichlet(0.0)), **sides}
    general = SteadyDiffusion(
        DiffusionProblem(own, Coefficient("K", "element_tensors"), boundaries=conditions)
    )
    exact = np.empty((SHAPE[0] + 1, SHAPE[1] + 1))
    exact[in_grid_order(own.doflocs.T)] = general.value({**NUMBERS, "K": elements})["u"]
    stage = RectangleDiffusion(SHAPE, np.zeros_like(load()), SIDES, accuracy=accuracy, sides=sides)
    field = stage.value({**NUMBERS, "K": K})["u"].reshape(exact.shape)
    assert field == pytest.approx(exact, abs=error * np.abs(exact).max())


@pytest.mark.parametrize("sides", SIDED.values(), ids=SIDED)
def test_the_derivative_is_exact_to_what_the_sides_read_too(sides):
    K, stage = tensors("even"), RectangleDiffusion(SHAPE, load(), SIDES, sides=sides)
    read = [Parameter(name, "1", NUMBERS[name]) for name in stage.inputs[1:]]
    parameters = [Parameter("K", "1", K, shape=K.shape, dims=("a", "b")), *read]
    model = ForwardModel([stage], parameters, ["u"])
    check = check_gradient(model, model.theta(), np.random.default_rng(0))
    assert check.ok, (check.worst, check.dot_error)


@pytest.mark.parametrize("accuracy", ["reference", "sampling"])
@pytest.mark.parametrize("exchange", [1e-3, 0.1, 1.0, 30.0, 1e6])
def test_a_wall_that_is_cooled_on_one_side_has_the_known_profile(exchange, accuracy):
    """Heat g enters on the left and leaves on the right: u = u_a + g (1/h + (L - x)/k)."""
    k, g, ambient = 2.5, 0.8, 3.0
    sides = {
        "left": Neumann(g),
        "right": Robin(exchange, ambient),
        "top": Neumann(0.0),
        "bottom": Neumann(0.0),
    }
    stage = RectangleDiffusion(SHAPE, np.zeros_like(load()), SIDES, accuracy=accuracy, sides=sides)
    field = stage.value({"K": k * np.eye(2)})["u"].reshape(SHAPE[0] + 1, SHAPE[1] + 1)
    x = np.linspace(0, SIDES[0], SHAPE[0] + 1)[:, None]
    exact = ambient + g * (1 / exchange + (SIDES[0] - x) / k) + np.zeros(SHAPE[1] + 1)
    assert field == pytest.approx(exact, rel=1e-6 if accuracy == "sampling" else 1e-8)


def test_sides_that_make_no_sense_are_refused():
    def made(**sides):
        return RectangleDiffusion(SHAPE, load(), SIDES, sides=sides)

    for wrong, word in (
        ({"front": Neumann(0.0)}, "side 'front'"),
        ({"left": Dirichlet(1.0)}, "held at 1.0"),
        ({"left": Neumann(1.0, np.sin)}, "a profile"),
        (dict.fromkeys(("left", "right", "bottom", "top"), Neumann(0.0)), "up to a constant"),
    ):
        with pytest.raises(InputError, match=word):
            made(**wrong)
    with pytest.raises(Infeasible, match="exchange"):
        made(left=Robin("exchange", 0.0)).value({"K": np.eye(2), "exchange": -1.0})
