"""Even polynomials on slab, cylinder and sphere: few nodes for smooth fields, symmetric about the middle.

A field on 0 <= r <= 1 is the polynomial in r^2 through its values at n nodes, the last one on the surface.
Nodes are those of Gauss and Radau for means over the body, so that sums of weights times values are means,
exact for polynomials in r^2 of degree 2n - 2; the stiffness is exact. Errors of smooth fields fall faster
than any power of 1/n.

Source: L. C. Young, Orthogonal collocation revisited, Comput. Methods Appl. Mech. Eng. 345 (2019) 1033-1076,
doi:10.1016/j.cma.2018.10.019.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.polynomial.legendre import legder, legval, legvander
from scipy.special import roots_jacobi

from mscale_uq.core.parameter import Array
from mscale_uq.errors import InputError, explain

SHAPES = ("slab", "cylinder", "sphere")


@final
@dataclass(frozen=True)
class SymmetricBody:
    """Nodes of a body of half thickness or radius 1.

    Attributes
    ----------
    nodes
        r ``(n,)``, rising, the last one 1.
    weights
        Of a mean over the body ``(n,)``; their sum is 1.
    stiffness
        K ``(n, n)``: u K v is the mean of du/dr dv/dr. K u / weights is minus the Laplacian of u inside.
    surface
        Surface over volume: 1, 2 or 3.
    """

    nodes: Array
    weights: Array
    stiffness: Array
    surface: int

    def at(self, r: Array) -> Array:
        """Return the matrix ``(len(r), n)`` from values at the nodes to values at r."""
        degree = self.nodes.size - 1
        basis = legvander(2 * self.nodes**2 - 1, degree)
        made = np.linalg.solve(basis.T, legvander(2 * np.asarray(r) ** 2 - 1, degree).T).T
        return np.asarray(made, dtype=float)


def symmetric_body(shape: str, nodes: int) -> SymmetricBody:
    """Return a body with that many nodes.

    Raises
    ------
    InputError
        For an unknown shape, or fewer than two nodes.
    """
    if shape not in SHAPES or nodes < 2:
        raise InputError(
            explain(f"body {shape!r} with {nodes} nodes", f"{', '.join(SHAPES)}; 2 nodes or more")
        )
    m, n = SHAPES.index(shape), nodes
    z = np.append(roots_jacobi(n - 1, 1.0, (m - 1) / 2)[0], 1.0)  # z = 2 r^2 - 1
    inside, gauss = roots_jacobi(n, 0.0, (m - 1) / 2)  # of r^m dr, up to a factor
    gauss = gauss / gauss.sum()
    basis = legvander(z, n - 1)
    values = np.linalg.solve(basis.T, legvander(inside, n - 1).T)
    slopes = np.linalg.solve(basis.T, legval(inside, legder(np.eye(n))))
    # du/dr = 4 r du/dz, and r^2 = (1 + z)/2
    stiffness = slopes * (8 * (1 + inside) * gauss) @ slopes.T
    return SymmetricBody(np.sqrt((1 + z) / 2), values @ gauss, (stiffness + stiffness.T) / 2, m + 1)
