import pickle

import numpy as np
import pytest
from skfem import Basis, ElementLineP1, ElementLineP2, ElementQuad1, ElementQuad2, ElementTriP1, ElementTriP2

from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.parameter import Parameter
from mscale_uq.diagnose.gradient import check_gradient
from mscale_uq.errors import InputError
from mscale_uq.macro.mesh import interval_mesh, tensor_mesh
from mscale_uq.observe.sensors import LineSensor, PointSensors

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


SEGMENTS = {
    "slanted": ([0.105, -0.013], [0.165, 0.047]),
    "from rim to rim": ([0.1, -0.02], [0.17, 0.05]),
    "along an edge": ([0.125, -0.02], [0.125, 0.05]),
    "inside one element": ([0.131, 0.001], [0.135, 0.002]),
    "backwards": ([0.165, 0.047], [0.105, -0.013]),
}


@pytest.mark.parametrize("ends", SEGMENTS.values(), ids=SEGMENTS)
@pytest.mark.parametrize("basis", PLANE.values(), ids=PLANE)
def test_the_mean_of_a_linear_field_along_a_segment_is_its_value_in_the_middle(basis, ends):
    field = 3 + 2 * basis.doflocs[0] - 5 * basis.doflocs[1]
    middle = np.mean(ends, axis=0)
    assert read(LineSensor(basis, *ends), field) == pytest.approx(3 + middle @ [2, -5], rel=1e-13)


@pytest.mark.parametrize("name", ["ElementQuad2", "ElementTriP2"])
def test_the_mean_of_a_quadratic_field_along_a_segment_is_exact(name):
    basis = PLANE[name]
    start, stop = (np.array(end) for end in SEGMENTS["slanted"])
    middle = (start + stop) / 2
    simpson = sum(w * x[0] * (x[0] - x[1]) for w, x in ((1, start), (4, middle), (1, stop))) / 6
    field = basis.doflocs[0] * (basis.doflocs[0] - basis.doflocs[1])
    assert read(LineSensor(basis, start, stop), field) == pytest.approx(simpson, rel=1e-12)


def test_the_mean_of_a_kinked_field_is_exact_since_the_segment_is_cut_at_the_mesh():
    basis = Basis(interval_mesh(X), ElementLineP1())
    hat = np.zeros(basis.N)
    hat[np.argmin(np.abs(basis.doflocs[0] - 0.125))] = 1.0
    area = (0.13 - 0.11) / 2
    assert read(LineSensor(basis, 0.1, 0.17), hat) == pytest.approx(area / 0.07, rel=1e-13)


def test_sensors_read_many_states_at_once():
    basis = PLANE["ElementQuad1"]
    fields = np.random.default_rng(3).normal(size=(2, 4, basis.N))
    points = PointSensors(basis, inside(3, np.random.default_rng(4)))
    line = LineSensor(basis, *SEGMENTS["slanted"])
    assert read(points, fields).shape == (2, 4, 3)
    assert read(line, fields).shape == (2, 4)
    np.testing.assert_allclose(read(points, fields)[1, 2], read(points, fields[1, 2]), rtol=1e-14)


@pytest.mark.parametrize("shape", [(), (3,)])
def test_the_derivative_of_a_sensor_is_exact_for_one_state_and_for_many(shape):
    basis = PLANE["ElementQuad1"]
    sensors = [
        PointSensors(basis, inside(3, np.random.default_rng(5)), output="points"),
        LineSensor(basis, *SEGMENTS["slanted"], output="line"),
    ]
    model = ForwardModel(sensors, [Parameter("u", "K", 1.0, shape=(*shape, basis.N))], ["points", "line"])
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


@pytest.mark.parametrize("ends", [([0.12, 0.0], [0.12, 0.0]), ([0.12], [0.13, 0.0])])
def test_a_segment_without_length_or_of_another_dimension_is_refused(ends):
    with pytest.raises(InputError, match="two points in 2-D"):
        LineSensor(PLANE["ElementQuad1"], *ends)


def test_a_segment_that_leaves_the_mesh_is_refused():
    with pytest.raises(InputError, match="outside the mesh"):
        LineSensor(PLANE["ElementQuad1"], [0.12, 0.0], [0.2, 0.0])


def test_a_field_of_another_mesh_is_refused():
    with pytest.raises(InputError, match=r"reads a field of shape \(7,\)"):
        read(PointSensors(LINE, [0.12]), np.zeros(7))


def test_sensors_survive_pickling():
    basis = PLANE["ElementTriP2"]
    field = np.random.default_rng(8).normal(size=basis.N)
    for sensor in (PointSensors(basis, [[0.12, 0.0]]), LineSensor(basis, *SEGMENTS["slanted"])):
        np.testing.assert_array_equal(read(pickle.loads(pickle.dumps(sensor)), field), read(sensor, field))
