"""The matrix-free rectangle gives what scikit-fem's assembled matrix gives."""

import numpy as np
import pytest
from skfem import Basis, BilinearForm, ElementQuad1, condense, solve

from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.parameter import Parameter
from mscale_uq.diagnose.gradient import check_gradient
from mscale_uq.errors import Infeasible, InputError, SolveFailed, WiringError
from mscale_uq.macro.mesh import element_centres, tensor_mesh
from mscale_uq.macro.rectangle import RectangleDiffusion
from mscale_uq.observe.grid_sensors import GridSensors
from mscale_uq.observe.sensors import PointSensors

SHAPE, SIDES = (12, 10), (1.5, 1.0)


def load():
    return np.random.default_rng(0).standard_normal((SHAPE[0] + 1, SHAPE[1] + 1))


def basis():
    x, y = (np.linspace(0, side, n + 1) for n, side in zip(SHAPE, SIDES, strict=True))
    return Basis(tensor_mesh(x, y), ElementQuad1())


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
    elements = grid[in_grid_order(element_centres(own.mesh))]
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
    rough = np.exp(20 * np.random.default_rng(0).standard_normal(SHAPE)).reshape(-1, 1, 1) * np.eye(2)
    with pytest.raises(SolveFailed, match="no convergence"):
        stage.value({"K": rough})
