import numpy as np
import pytest

from mscale_uq.observe.rows import Rows, grid_of


def test_a_table_is_rebuilt_from_its_distinct_times_and_points():
    time, x = np.array([5.0, 1.0, 5.0, 1.0]), np.array([0.2, 0.2, 0.1, 0.2])
    times, at_time = grid_of({"time": time})
    points, at_point = grid_of({"x": x})
    assert times[at_time, 0].tolist() == time.tolist()
    assert points[at_point, 0].tolist() == x.tolist()
    on_grid = times + 10 * points.T
    rows = Rows(at_time, at_point, "grid", "reading").value({"grid": on_grid})["reading"]
    assert rows == pytest.approx(time + 10 * x)


def test_a_row_that_is_read_twice_counts_twice_in_the_sensitivity():
    stage = Rows([0, 0, 1], [1, 1, 0], "grid", "reading")
    linear = stage.linearize({"grid": np.zeros((2, 2))})[1]
    tangent, weight = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([0.5, 0.25, -1.0])
    moved = linear.jvp({"grid": tangent})["reading"]
    back = linear.vjp({"reading": weight})["grid"]
    assert moved.tolist() == [2.0, 2.0, 3.0]
    assert back.tolist() == [[0.0, 0.75], [-1.0, 0.0]]
    assert moved @ weight == np.sum(back * tangent)
