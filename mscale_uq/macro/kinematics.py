"""From nodal values to what drives a local law at quadrature points, and back: the geometry of a balance.

    drive_k = sum over c, d of table[k, c, d] du_c/dx_d

With `gradient(dim)` the drives are the gradient of one field (heat, diffusion), with `STRAIN` they are
eps_xx, eps_yy, 2 eps_xy of a displacement in the plane.
"""

from typing import final

import numpy as np
from skfem import Basis

from mscale_uq.core.parameter import Array
from mscale_uq.solve.linear import SparsePattern

STRAIN = np.zeros((3, 2, 2))
STRAIN[0, 0, 0] = STRAIN[1, 1, 1] = STRAIN[2, 0, 1] = STRAIN[2, 1, 0] = 1.0


def gradient(dimension: int) -> Array:
    """Return the table of a scalar field's gradient."""
    return np.eye(dimension)[:, None, :]


@final
class PointOperator:
    """The matrix B from nodal values to drives, element by element, with the weights of the points.

    Unknowns are the fields one after the other, ``(components * nodes,)``; points are the quadrature points
    of the elements, one element after the other.
    """

    def __init__(self, basis: Basis, table: Array) -> None:
        slopes = np.stack([np.asarray(basis.basis[k][0].grad) for k in range(basis.Nbfun)])  # k d e q
        local = np.einsum("xcd,kdeq->eqxck", table, slopes)
        elements, points, drives = local.shape[:3]
        components = table.shape[1]
        nodes = basis.dofs.element_dofs.T  # (elements, k)
        self.size = components * basis.N
        self.count, self.drives = elements * points, drives
        self._dofs = np.concatenate([nodes + c * basis.N for c in range(components)], axis=1)
        self._B = np.ascontiguousarray(local.reshape(elements, points * drives, -1))
        self._weights = np.asarray(basis.dx)[:, :, None]  # (elements, points, 1)
        rows = np.repeat(self._dofs, self._dofs.shape[1], axis=1)
        columns = np.tile(self._dofs, self._dofs.shape[1])
        self.pattern = SparsePattern(rows, columns, (self.size, self.size))

    def at_points(self, U: Array) -> Array:
        """Return the drives ``(points, drives)`` of nodal values ``(n,)``."""
        made = self._B @ U[self._dofs][:, :, None]
        return made.reshape(self.count, self.drives)

    def to_nodes(self, flux: Array) -> Array:
        """Return the integral of B^T flux ``(n,)`` for fluxes ``(points, drives)``."""
        parts = np.swapaxes(self._B, 1, 2) @ self._weighted(flux)[:, :, None]
        return np.asarray(np.bincount(self._dofs.ravel(), parts.ravel(), self.size), dtype=float)

    def weighted(self, flux: Array) -> Array:
        """Return fluxes times the weights of their points ``(points, drives)``."""
        return self._weighted(flux).reshape(self.count, self.drives)

    def stiffness(self, tangent: Array) -> Array:
        """Return the stored entries of the integral of B^T T B for tangents ``(points, drives, drives)``."""
        elements, points = self._weights.shape[:2]
        T = tangent.reshape(elements, points, self.drives, self.drives) * self._weights[..., None]
        TB = T @ self._B.reshape(elements, points, self.drives, -1)
        local = np.swapaxes(self._B, 1, 2) @ TB.reshape(self._B.shape)
        return self.pattern.data(local)

    def _weighted(self, flux: Array) -> Array:
        elements, points = self._weights.shape[:2]
        return (flux.reshape(elements, points, self.drives) * self._weights).reshape(elements, -1)
