import pickle

import numpy as np
import pytest
from skfem import (
    Basis,
    ElementLineP2,
    ElementQuad1,
    ElementQuad2,
    ElementQuadS2,
    ElementTriP1,
    ElementTriP2,
    MeshQuad,
)

from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.parameter import Parameter
from mscale_uq.diagnose.gradient import check_gradient
from mscale_uq.errors import InputError
from mscale_uq.macro.mesh import interval_mesh, tensor_mesh
from mscale_uq.observe.sensors import PointSensors

X = np.array([0.0, 0.01, 0.025, 0.03, 0.07]) + 0.1
Y = np.linspace(-0.02, 0.05, 6)
PLANE = {
    type(element).__name__: Basis(tensor_mesh(X, Y, "Tri" in type(element).__name__), element)
    for element in (ElementQuad1(), ElementQuad2(), ElementTriP1(), ElementTriP2())
}
LINE = Basis(interval_mesh(X), ElementLineP2())


def read(sensor, field):
    return sensor.value({"u": field})[sensor.outputs[0]]


def inside(count, rng):
    return np.column_stack([rng.uniform(X[0], X[-1], count), rng.uniform(Y[0], Y[-1], count)])


@pytest.mark.parametrize("basis", PLANE.values(), ids=PLANE)
def test_point_sensors_read_a_linear_field_exactly_anywhere(basis):
    points = inside(50, np.random.default_rng(0))
    field = 3 + 2 * basis.doflocs[0] - 5 * basis.doflocs[1]
    np.testing.assert_allclose(read(PointSensors(basis, points), field), 3 + points @ [2, -5], rtol=1e-13)


def tapered(flipped):
    """Return Cook's panel in m: oblique elements, whose boxes overlap."""
    mesh = tensor_mesh(np.linspace(0, 1, 7), np.linspace(0, 1, 4))
    x, y = mesh.p
    places = 0.048 * np.array([x, 44 / 48 * x + y * (44 - 28 * x) / 48])
    return Basis(MeshQuad(places[::-1] if flipped else places, mesh.t), ElementQuadS2(), intorder=3)


@pytest.mark.parametrize("flipped", [False, True], ids=["anticlockwise", "clockwise"])
def test_point_sensors_find_their_oblique_quadrilateral(flipped):
    basis, rng = tapered(flipped), np.random.default_rng(0)
    share, up = rng.uniform(size=(2, 200))
    points = 0.048 * np.stack([share, 44 / 48 * share + up * (44 - 28 * share) / 48], axis=1)
    points = points[:, ::-1] if flipped else points
    field = 3 + 2 * basis.doflocs[0] - 5 * basis.doflocs[1]
    np.testing.assert_allclose(read(PointSensors(basis, points), field), 3 + points @ [2, -5], rtol=1e-12)
    nodes = rng.normal(size=basis.N)
    np.testing.assert_allclose(read(PointSensors(basis, basis.doflocs.T), nodes), nodes, atol=1e-9)
    below = [0.024, 0.021] if not flipped else [0.021, 0.024]  # in a box, in no element
    with pytest.raises(InputError, match=r"1 point\(s\) outside the mesh"):
        PointSensors(basis, [below])


@pytest.mark.parametrize("basis", PLANE.values(), ids=PLANE)
def test_a_sensor_on_a_node_reads_that_node_also_on_the_rim(basis):
    field = np.random.default_rng(1).normal(size=basis.N)
    np.testing.assert_allclose(read(PointSensors(basis, basis.doflocs.T), field), field, atol=1e-12)


@pytest.mark.parametrize("name", ["ElementQuad2", "ElementTriP2"])
def test_quadratic_elements_let_sensors_read_a_quadratic_field_exactly(name):
    basis, points = PLANE[name], inside(20, np.random.default_rng(2))
    field = basis.doflocs[0] ** 2 - 3 * basis.doflocs[0] * basis.doflocs[1]
    exact = points[:, 0] ** 2 - 3 * points[:, 0] * points[:, 1]
    np.testing.assert_allclose(read(PointSensors(basis, points), field), exact, atol=1e-14)


def test_point_sensors_in_one_dimension_take_plain_numbers():
    exact = np.array([0.1, 0.123, 0.17]) ** 2
    sensors = PointSensors(LINE, [0.1, 0.123, 0.17], field="c", output="electrode")
    made = sensors.value({"c": LINE.doflocs[0] ** 2})
    np.testing.assert_allclose(made["electrode"], exact, rtol=1e-13)


def test_sensors_read_many_states_at_once():
    basis = PLANE["ElementQuad1"]
    fields = np.random.default_rng(3).normal(size=(2, 4, basis.N))
    points = PointSensors(basis, inside(3, np.random.default_rng(4)))
    assert read(points, fields).shape == (2, 4, 3)
    np.testing.assert_allclose(read(points, fields)[1, 2], read(points, fields[1, 2]), rtol=1e-14)


@pytest.mark.parametrize("shape", [(), (3,)])
def test_the_derivative_of_a_sensor_is_exact_for_one_state_and_for_many(shape):
    basis = PLANE["ElementQuad1"]
    sensors = PointSensors(basis, inside(3, np.random.default_rng(5)), output="points")
    model = ForwardModel([sensors], [Parameter("u", "K", 1.0, shape=(*shape, basis.N))], ["points"])
    theta = np.random.default_rng(6).normal(size=model.size)
    assert check_gradient(model, theta, np.random.default_rng(7)).ok


@pytest.mark.parametrize("points", [[[0.18, 0.0]], [[0.1, 0.0], [0.12, -0.021]], [[5.0, 5.0]]])
def test_a_point_outside_the_mesh_is_refused_with_the_extent_of_the_mesh(points):
    with pytest.raises(
        InputError, match=r"1 point\(s\) outside the mesh.*\[0\.1, 0\.17\] x \[-0\.02, 0\.05\]"
    ):
        PointSensors(PLANE["ElementQuad1"], points)


@pytest.mark.parametrize("point", [0.0999, 0.1701])
def test_a_point_beyond_either_end_of_a_line_is_refused(point):
    with pytest.raises(InputError, match="outside the mesh"):
        PointSensors(LINE, [0.12, point])


def test_points_of_another_dimension_are_refused():
    with pytest.raises(InputError, match=r"\(sensors, 2\)"):
        PointSensors(PLANE["ElementQuad1"], [0.1, 0.12])


def test_a_field_of_another_mesh_is_refused():
    with pytest.raises(InputError, match=r"reads a field of shape \(7,\)"):
        read(PointSensors(LINE, [0.12]), np.zeros(7))


def test_sensors_survive_pickling():
    basis = PLANE["ElementTriP2"]
    field = np.random.default_rng(8).normal(size=basis.N)
    sensor = PointSensors(basis, [[0.12, 0.0]])
    np.testing.assert_array_equal(read(pickle.loads(pickle.dumps(sensor)), field), read(sensor, field))
