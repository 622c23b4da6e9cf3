"""Where a point lies in a mesh, and the values of the basis functions there."""

import numpy as np
from scipy.sparse import csr_array
from skfem import Basis, Mesh

from mscale_uq.core.parameter import Array
from mscale_uq.errors import InputError, explain

# In element coordinates: a point on the outer boundary must not be lost to round-off.
TOLERANCE = 1e-9


def values_at(basis: Basis, points: Array) -> csr_array:
    """Return the matrix ``(points, n)`` from nodal values to values at `points` ``(points, dimension)``.

    Raises
    ------
    InputError
        If a point lies outside the mesh.
    """
    cells, local = locate(basis, points)
    functions = [
        np.ravel(np.asarray(basis.elem.gbasis(basis.mapping, local[:, :, None], k, tind=cells)[0]))
        for k in range(basis.Nbfun)
    ]
    rows = np.tile(np.arange(len(points)), basis.Nbfun)
    nodes = basis.dofs.element_dofs[:, cells].ravel()
    return csr_array((np.concatenate(functions), (rows, nodes)), shape=(len(points), basis.N))


def locate(basis: Basis, points: Array) -> tuple[np.ndarray, Array]:
    """Return for each point its element and its coordinates in that element ``(dimension, points)``.

    Raises
    ------
    InputError
        If a point lies outside the mesh.
    """
    point, cell = _near(basis.mesh, points)
    if point.size == 0:
        raise _outside(basis.mesh, points)
    local = basis.mapping.invF(points[point].T[:, :, None], tind=cell)[:, :, 0]
    order = np.lexsort((_depth(basis.mesh, local), point))  # by point, the element it lies deepest in last
    best = order[np.searchsorted(point[order], np.arange(len(points)), side="right") - 1]
    found = (point[best] == np.arange(len(points))) & (_depth(basis.mesh, local[:, best]) >= -TOLERANCE)
    if not found.all():
        raise _outside(basis.mesh, points[~found])
    return cell[best], local[:, best]


def _near(mesh: Mesh, points: Array) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs (point, element) where the point lies in the box around the element, or in the element."""
    corners = mesh.p[:, mesh.t]
    low, high = corners.min(axis=1), corners.max(axis=1)
    margin = TOLERANCE * (high - low)
    x = points[:, :, None]
    point, element = np.nonzero(((x >= low - margin) & (x <= high + margin)).all(axis=1))
    if mesh.dim() == 2 and len(corners[0]) == 4:
        # The coordinates in an oblique quadrilateral are found by iteration, which ends only inside of it.
        inside = _depth_between_sides(corners[:, :, element], points[point].T) >= -TOLERANCE
        point, element = point[inside], element[inside]
    return point, element


def _cross(a: Array, b: Array) -> Array:
    return a[0] * b[1] - a[1] * b[0]


def _depth_between_sides(corners: Array, x: Array) -> Array:
    """Return the least distance of each x ``(2, n)`` from its quadrilateral's sides; negative outside.

    Twice the area between point and side, as a share of the least such area of a corner; `corners`
    ``(2, 4, n)`` in order, in either sense.
    """
    side = np.roll(corners, -1, axis=1) - corners
    turn = _cross(side, np.roll(side, -1, axis=1))
    return np.min(_cross(side, x[:, None] - corners) * np.sign(turn), axis=0) / np.abs(turn).min(axis=0)


def _depth(mesh: Mesh, local: Array) -> Array:
    """Return how deep inside the reference element each point lies; negative outside."""
    simplex = mesh.t.shape[0] == mesh.dim() + 1
    beyond = 1 - local.sum(axis=0, keepdims=True) if simplex else 1 - local
    return np.concatenate([local, beyond]).min(axis=0)


def _outside(mesh: Mesh, points: Array) -> InputError:
    box = " x ".join(
        f"[{low:g}, {high:g}]" for low, high in zip(mesh.p.min(axis=1), mesh.p.max(axis=1), strict=True)
    )
    shown = ", ".join(str(tuple(float(x) for x in point)) for point in points[:3])
    return InputError(
        explain(
            f"{len(points)} point(s) outside the mesh, such as {shown}",
            f"points inside {box} m" + (" and the mesh's own outline" if mesh.dim() > 1 else ""),
            "is a size of the specimen, an option, another; are two columns swapped?",
        )
    )
