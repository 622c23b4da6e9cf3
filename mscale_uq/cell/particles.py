"""Diffusion through the pores between insulating particles in a regular array, on a mesh that fits them.

Around every particle lies its own cell, a square or a hexagon, cut into elements along rays from the centre:

    x = S (rho e(phi)),   rho = r (R(phi)/r)^t,   0 < t < 1,

with r the particle's radius, R(phi) the distance to the side of the cell, e(phi) the unit vector, and S the
stretch diag(sqrt a, 1/sqrt a) that turns the disks, cell and all, into ellipses of aspect ratio a. On the
fixed rectangle (t, phi) geometry only enters through the Jacobian J of this map:

    K_ij = (1/|Y|) integral of v_i . v_j det J dt dphi,   v_j = e_j + J^-T grad chi_j,

chi periodic on the sides of the cell, no flux into the particle. Because chi makes K stationary, the
derivative to r and a is that of J alone, at fixed nodal chi: no further solve, and exact to round-off by the
complex step. Elements are biquadratic; the error of K falls at fourth order.

The effective conductivity of such arrays is known as a series: W. T. Perrins, D. R. McKenzie,
R. C. McPhedran, Proc. R. Soc. Lond. A 369 (1979) 207-225, doi:10.1098/rspa.1979.0160.
"""

from functools import lru_cache
from typing import Any, final

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from skfem import Basis, ElementQuad2, MeshQuad

from mscale_uq.cell.inclusions import ARRAYS
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Linearization, MatrixLinearization, Named, Stage, Values
from mscale_uq.errors import InputError, OutOfLimits, explain, near_match
from mscale_uq.solve.linear import SparsePattern

SIDES = {"square": 4, "hexagonal": 6}
NAME = "particle array"
STEP = 1e-40  # of the complex step; no subtraction follows


@final
class ParticleArray(Stage):
    """Diffusivity of the pores between insulating particles, relative to that of what fills the pores.

    Reads the area fraction of the particles and their aspect ratio, both ``()`` and dimensionless; makes the
    tensor ``(2, 2)``, dimensionless. Axis 0 is the long axis of the particles if the aspect ratio is above 1.

    Parameters
    ----------
    array
        ``"square"`` or ``"hexagonal"``.
    fraction, aspect, tensor
        Names read and name made.
    elements
        Along the rays; twice as many lie along every side of the cell. The error at 4 is below 2e-4 up to a
        fraction of 0.7.
    name
        What failures call the stage.

    Raises
    ------
    InputError
        When made: at an unknown array, or less than one element.
    OutOfLimits
        When run: if the fraction is not positive, particles would touch, or the aspect ratio is not positive.
    """

    def __init__(
        self,
        array: str = "square",
        fraction: str = "fraction",
        aspect: str = "aspect",
        tensor: str = "K",
        elements: int = 4,
        name: str = NAME,
    ) -> None:
        if array not in SIDES:
            raise InputError(explain(f"array {array!r}{near_match(array, SIDES)}", ", ".join(SIDES)))
        if elements < 1:
            raise InputError(explain(f"elements = {elements}", "a positive whole number"))
        self.array = array
        self.elements = int(elements)
        self.inputs = (fraction, aspect)
        self.outputs = (tensor,)
        self.name = name

    def value(self, values: Values) -> Named:
        """Return the tensor ``(2, 2)``."""
        fraction, aspect = self._read(values)
        mesh = fitted_mesh(self.array, self.elements)
        J = mesh.jacobian(fraction, aspect)
        return {self.outputs[0]: mesh.tensor(J, mesh.corrector_gradients(J))}

    def linearize(self, values: Values) -> tuple[Named, Linearization]:
        """Return the tensor and its exact derivative to fraction and aspect ratio; one solve serves all."""
        point = self._read(values)
        mesh = fitted_mesh(self.array, self.elements)
        J = mesh.jacobian(*point)
        gradients = mesh.corrector_gradients(J)
        blocks = {
            (self.outputs[0], name): np.imag(mesh.tensor(mesh.jacobian(*moved), gradients)) / STEP
            for name, moved in zip(self.inputs, _steps(point), strict=True)
        }
        made = {self.outputs[0]: mesh.tensor(J, gradients)}
        return made, MatrixLinearization(blocks, dict.fromkeys(self.inputs, ()), {self.outputs[0]: (2, 2)})

    def _read(self, values: Values) -> tuple[float, float]:
        fraction, aspect = (float(values[name]) for name in self.inputs)
        touching = ARRAYS[self.array].touching
        if not 0.0 < fraction < touching:
            limits = f"(0, {touching:.6g}), where particles of a {self.array} array touch"
            raise OutOfLimits(self.name, values, f"the area fraction {fraction:.6g} lies outside {limits}")
        if not aspect > 0.0:
            raise OutOfLimits(self.name, values, f"the aspect ratio {aspect:.6g} is not positive")
        return fraction, aspect


def _steps(point: tuple[float, float]) -> list[tuple[complex, complex]]:
    fraction, aspect = point
    return [(fraction + 1j * STEP, aspect), (fraction, aspect + 1j * STEP)]


@lru_cache(maxsize=8)
def fitted_mesh(array: str, elements: int) -> "FittedMesh":
    """Return the mesh's symbolic work, done at its first use in this process, so that stages pickle small."""
    return FittedMesh(SIDES[array], elements)


@final
class FittedMesh:
    """Rays and rings around one particle in its polygonal cell of unit particle distance.

    Parameters
    ----------
    sides
        Of the polygon: 4 or 6.
    elements
        Along a ray; twice as many along a side.
    """

    def __init__(self, sides: int, elements: int) -> None:
        first, turn = -np.pi / sides, 2 * np.pi / sides  # the first side lies across the axis phi = 0
        rings = np.linspace(0.0, 1.0, elements + 1)
        rays = first + turn * np.linspace(0.0, sides, 2 * sides * elements + 1)
        basis = Basis(MeshQuad.init_tensor(rings, rays), ElementQuad2())
        t, phi = np.asarray(basis.global_coordinates())
        off_middle = phi - turn * np.floor((phi - first) / turn)
        self._t = t
        self._unit = np.stack([np.cos(phi), np.sin(phi)])
        self._reach = 0.5 / np.cos(off_middle)
        self._reach_slope = np.tan(off_middle)  # of its logarithm
        self._area = sides / 4 * np.tan(np.pi / sides)
        self._weights = basis.dx
        self._gradients = np.stack([function[0].grad for function in basis.basis])  # (node, axis, e, q)
        self._nodes = _periodic_numbers(basis, sides)[basis.element_dofs]  # (node, element)
        self._size = self._nodes.max() + 1
        rows, cols = np.broadcast_arrays(self._nodes[:, None] - 1, self._nodes[None] - 1)
        self._free = (rows >= 0) & (cols >= 0)  # node 0 is held: chi is known up to a constant
        shape = (self._size - 1, self._size - 1)
        self._pattern = SparsePattern(
            rows[self._free], cols[self._free], shape, positive_definite=True, name=NAME
        )

    def jacobian(self, fraction: Any, aspect: Any) -> Any:
        """Return J ``(2, 2, elements, points)``: derivatives of x to (t, phi), analytic in both arguments."""
        radius, stretch = np.sqrt(fraction * self._area / np.pi), np.sqrt(aspect)
        growth = np.log(self._reach / radius)
        rho = radius * np.exp(self._t * growth)
        c, s = self._unit
        along_ray = growth * self._unit
        along_ring = self._t * self._reach_slope * self._unit + np.stack([-s, c])
        J = rho * np.stack([along_ray, along_ring], axis=1)
        return J * np.array([stretch, 1.0 / stretch])[:, None, None, None]

    def tensor(self, J: Any, gradients: Array) -> Any:
        """Return K ``(2, 2)`` for a geometry and (t, phi)-gradients of both correctors."""
        cofactor, det = _cofactor(J)
        v = np.eye(2)[:, :, None, None] + np.einsum("xkeq,jkeq->jxeq", cofactor, gradients) / det
        return np.einsum("ixeq,jxeq,eq->ij", v, v, det * self._weights) / self._area

    def corrector_gradients(self, J: Array) -> Array:
        """Return the gradients of chi_1 and chi_2 to (t, phi), ``(2, 2, elements, points)``.

        Raises
        ------
        SolveFailed
            If the mesh is so distorted that the matrix is singular.
        """
        cofactor, det = _cofactor(J)
        slopes = np.einsum("xkeq,akeq->axeq", cofactor, self._gradients)  # det times those to x
        stiffness = np.einsum("axeq,bxeq,eq->abe", slopes, slopes, self._weights / det, optimize=True)
        load = -np.einsum("axeq,eq->xae", slopes, self._weights)
        rhs = np.stack([np.bincount(self._nodes.ravel(), part.ravel(), self._size) for part in load], axis=1)
        chi = np.zeros((self._size, 2))
        matrix = self._pattern.data(stiffness[self._free])
        chi[1:] = self._pattern.factorize(matrix).solve(rhs[1:])
        return np.einsum("akeq,aej->jkeq", self._gradients, chi[self._nodes])


def _cofactor(J: Any) -> tuple[Any, Any]:
    """Return det(J) J^-T and det(J)."""
    (a, b), (c, d) = J
    return np.array([[d, -c], [-b, a]]), a * d - b * c


def _periodic_numbers(basis: Basis, sides: int) -> np.ndarray:
    """Return for every node of the rectangle (t, phi) the number of the unknown it belongs to.

    The last ray is the first one; a point of a side is the mirrored point of the side across, one particle
    distance away; corners follow from that.
    """
    ring_of, ray_of = (np.unique(np.round(x, 9), return_inverse=True)[1] for x in basis.doflocs)
    rays = ray_of.max() + 1
    grid = np.lexsort((ray_of, ring_of)).reshape(-1, rays)
    ring, per_side = grid[-1], (rays - 1) // sides
    along = np.arange(per_side + 1)
    pairs = [(grid[:, 0], grid[:, -1])]
    for side in range(sides // 2):
        across = (side + sides // 2) * per_side
        pairs.append((ring[side * per_side + along], ring[across + per_side - along]))
    first, second = (np.concatenate(part) for part in zip(*pairs, strict=True))
    graph = csr_array((np.ones(first.size), (first, second)), shape=(basis.N, basis.N))
    return connected_components(graph, directed=False)[1]
