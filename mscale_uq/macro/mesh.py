"""Meshes whose element edges lie on given interfaces, with boundaries named left, right, bottom, top."""

import numpy as np
from numpy.typing import ArrayLike
from skfem import Mesh, MeshLine, MeshQuad, MeshTri

from mscale_uq.core.parameter import Array
from mscale_uq.errors import InputError, explain


def aligned_nodes(interfaces: ArrayLike, elements: int) -> Array:
    """Return about `elements` + 1 node coordinates, in m, that contain every interface exactly.

    Each gap between interfaces (their first and last are the ends) is divided evenly, into as many elements
    as its share of the length, and at least one.

    Raises
    ------
    InputError
        If the interfaces do not increase.
    """
    ends = _increasing(interfaces, "interfaces")
    gaps = np.diff(ends)
    counts = np.maximum(1, np.rint(elements * gaps / gaps.sum()).astype(int))
    parts = [
        np.linspace(left, right, count, endpoint=False)
        for left, right, count in zip(ends[:-1], ends[1:], counts, strict=True)
    ]
    return np.concatenate([*parts, ends[-1:]])


def interval_mesh(nodes: ArrayLike) -> MeshLine:
    """Return the 1-D mesh with node coordinates `nodes` ``(n,)`` in m, and boundaries left and right.

    Raises
    ------
    InputError
        If the nodes do not increase.
    """
    return _with_named_sides(MeshLine(_increasing(nodes, "nodes")))


def tensor_mesh(x_nodes: ArrayLike, y_nodes: ArrayLike, triangles: bool = False) -> Mesh:
    """Return the rectangle mesh with nodes at all pairs of `x_nodes` ``(n,)`` and `y_nodes` ``(m,)``, in m.

    Elements are rectangles, or each halved into two `triangles`; boundaries are left, right, bottom, top.

    Raises
    ------
    InputError
        If the nodes do not increase.
    """
    x, y = _increasing(x_nodes, "x_nodes"), _increasing(y_nodes, "y_nodes")
    return _with_named_sides((MeshTri if triangles else MeshQuad).init_tensor(x, y))


def _with_named_sides(mesh: Mesh) -> Mesh:
    facets = mesh.boundary_facets()
    middles = mesh.p[:, mesh.facets[:, facets]].mean(axis=1)
    sides = {}
    for axis, names in zip(range(mesh.dim()), (("left", "right"), ("bottom", "top")), strict=False):
        low, high = mesh.p[axis].min(), mesh.p[axis].max()
        # The mean of equal coordinates is that coordinate, to the last bit.
        sides.update(
            dict(zip(names, (facets[middles[axis] == low], facets[middles[axis] == high]), strict=True))
        )
    return mesh.with_boundaries(sides)


def _increasing(values: ArrayLike, word: str) -> Array:
    array = np.asarray(values, dtype=float)
    if array.ndim != 1 or array.size < 2 or not np.all(np.diff(array) > 0):
        raise InputError(explain(f"{word} {array}", "at least two numbers that increase"))
    return array
