import numpy as np
import pytest

from mscale_uq.errors import InputError
from mscale_uq.macro.mesh import aligned_nodes, interval_mesh, tensor_mesh


def test_every_interface_is_a_node_and_gaps_are_divided_evenly():
    nodes = aligned_nodes([0.0, 0.3, 0.35, 1.0], 20)
    assert {0.0, 0.3, 0.35, 1.0} <= set(nodes)
    for left, right in ((0.0, 0.3), (0.3, 0.35), (0.35, 1.0)):
        steps = np.diff(nodes[(nodes >= left) & (nodes <= right)])
        np.testing.assert_allclose(steps, steps[0], rtol=1e-12)
    assert len(nodes) == 21


def test_the_thinnest_layer_keeps_one_element():
    assert np.sum(np.diff(aligned_nodes([0.0, 1e-6, 1.0], 4)) < 2e-6) == 1


@pytest.mark.parametrize("triangles", [False, True])
def test_the_four_sides_of_a_rectangle_are_named_and_complete(triangles):
    mesh = tensor_mesh(np.linspace(0.01, 0.07, 4), [-0.1, 0.0, 0.3], triangles)
    counts = {name: len(facets) for name, facets in mesh.boundaries.items()}
    assert counts == {"left": 2, "right": 2, "bottom": 3, "top": 3}
    assert sum(counts.values()) == len(mesh.boundary_facets())


def test_the_two_ends_of_an_interval_are_named():
    mesh = interval_mesh([0.0, 0.1, 0.5])
    assert mesh.p[0, mesh.facets[0, mesh.boundaries["left"]]] == 0.0
    assert mesh.p[0, mesh.facets[0, mesh.boundaries["right"]]] == 0.5


def test_nodes_that_do_not_increase_are_refused():
    with pytest.raises(InputError, match="increase"):
        interval_mesh([0.0, 0.2, 0.2, 1.0])
