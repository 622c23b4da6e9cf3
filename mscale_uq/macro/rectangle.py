"""`RectangleDiffusion`: steady diffusion on a uniform rectangle without a matrix, the fast path of 2-D."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Linearization, Named, Stage, Values
from mscale_uq.errors import Infeasible, InputError, SolveFailed, WiringError, explain
from mscale_uq.solve.rectangle_kernels import apply, contract, line_eigenvalues, sines, solve

# Residual of the field, and of its tangents and adjoints: readings are off by as much, relative.
ACCURACIES = {"reference": (1e-10, 1e-10), "sampling": (1e-8, 1e-6)}
MAX_ITERATIONS = 500


@final
class RectangleDiffusion(Stage):
    """Solves ``-div(K grad u) = q`` with u = 0 on the boundary, on equal bilinear elements.

    Reads K, one tensor ``(2, 2)`` or one per element ``(n1 n2, 2, 2)``; makes the field at the nodes,
    ``((n1 + 1) (n2 + 1),)``, x running slowly. Value, tangent and adjoint are one solve each; there is no
    matrix.

    Parameters
    ----------
    shape, lengths
        Number of elements, and sides, along x and y.
    load
        Source at the nodes times the area of an element, ``(n1 + 1, n2 + 1)``.
    conductivity, field
        Name read and name made.
    accuracy
        One of `ACCURACIES`.

    Raises
    ------
    InputError
        When made: if the load has another shape, or the rectangle no inner node.
    Infeasible
        When run: if a tensor is not positive definite.
    SolveFailed
        When run: if the iterations do not converge.
    """

    name = "diffusion on a rectangle"

    def __init__(
        self,
        shape: tuple[int, int],
        load: ArrayLike,
        lengths: tuple[float, float] = (1.0, 1.0),
        conductivity: str = "K",
        field: str = "u",
        accuracy: str = "reference",
    ) -> None:
        if min(shape) < 2 or not min(lengths) > 0:
            raise InputError(
                explain(f"shape {shape}, lengths {lengths}", "two elements or more, positive sides")
            )
        self.shape = (int(shape[0]), int(shape[1]))
        self.steps = (lengths[0] / shape[0], lengths[1] / shape[1])
        self.load = np.array(load, dtype=float)
        self.nodes = (self.shape[0] + 1, self.shape[1] + 1)
        if self.load.shape != self.nodes:
            raise InputError(explain(f"a load of shape {self.load.shape}", f"{self.nodes}, one per node"))
        self.tolerance, self.slope_tolerance = ACCURACIES[accuracy]
        self.inputs, self.outputs = (conductivity,), (field,)

    def value(self, values: Values) -> Named:
        """Return the field."""
        return {self.outputs[0]: self.solve(self._tensors(values), self.load, self.tolerance).ravel()}

    def linearize(self, values: Values) -> tuple[Named, Linearization]:
        """Return the field and its derivative to the tensors."""
        K = self._tensors(values)
        u = self.solve(K, self.load, self.tolerance)
        return {self.outputs[0]: u.ravel()}, _RectangleLinearization(
            self, np.shape(values[self.inputs[0]]), K, u
        )

    def solve(self, K: Array, load: Array, tolerance: float) -> Array:
        """Return u of A u = load for K ``(3, n1, n2)``: K11, K22, K12.

        The tolerance is that of the preconditioned residual norm, relative to its start.
        """
        means = K[0].mean(), K[1].mean()
        inverse = (1.0 / (means[0] * self._along[0] + means[1] * self._along[1])).astype(np.float32)
        u, converged = solve(K, load, self.steps, inverse, self._bases, tolerance, MAX_ITERATIONS)
        if not converged:
            raise SolveFailed(self.name, {}, f"no convergence in {MAX_ITERATIONS} iterations")
        return u

    @cached_property
    def _bases(self) -> tuple[Array, Array]:
        return sines(self.shape[0]), sines(self.shape[1])

    @cached_property
    def _along(self) -> tuple[Array, Array]:
        """Eigenvalues of the second derivatives along x and y, each ``(n1 - 1, n2 - 1)``."""
        (k1, m1), (k2, m2) = (line_eigenvalues(*one) for one in zip(self.shape, self.steps, strict=True))
        return np.outer(k1, m2), np.outer(m1, k2)

    def _tensors(self, values: Values) -> Array:
        given = np.asarray(values[self.inputs[0]], dtype=float)
        elements = self.shape[0] * self.shape[1]
        if given.shape not in ((2, 2), (elements, 2, 2)):
            raise WiringError(
                explain(f"{self.inputs[0]!r} of shape {given.shape}", f"(2, 2) or {(elements, 2, 2)}")
            )
        given = given if given.ndim == 2 else given.reshape(*self.shape, 2, 2)
        K = np.empty((3, *self.shape))
        K[0], K[1] = given[..., 0, 0], given[..., 1, 1]
        K[2] = 0.5 * (given[..., 0, 1] + given[..., 1, 0])
        if not (np.all(K[0] > 0) and np.all(K[0] * K[1] > K[2] ** 2)):
            raise Infeasible(self.name, values, "a conductivity is not positive definite")
        return K


@final
@dataclass(frozen=True)
class _RectangleLinearization(Linearization):
    """Derivative of the field to the tensors, one solve a direction."""

    stage: RectangleDiffusion
    given: tuple[int, ...]
    K: Array
    u: Array

    def jvp(self, tangents: Values) -> Named:
        """Carry a change of the tensors to the field."""
        (source,), (made,) = self.stage.inputs, self.stage.outputs
        if source not in tangents:
            return {made: np.zeros(self.u.size)}
        change = np.asarray(tangents[source])
        if change.ndim == 2:
            change = np.broadcast_to(change, (self.K[0].size, 2, 2))
        change = change.reshape(*self.stage.shape, 2, 2)
        both = 0.5 * (change[..., 0, 1] + change[..., 1, 0])
        moved = np.empty(self.stage.nodes)
        apply(np.stack([change[..., 0, 0], change[..., 1, 1], both]), self.u, self.stage.steps, moved)
        return {made: self.stage.solve(self.K, -moved, self.stage.slope_tolerance).ravel()}

    def vjp(self, cotangents: Mapping[str, Array]) -> Named:
        """Carry a sensitivity to the field back to the tensors."""
        (source,), (made,) = self.stage.inputs, self.stage.outputs
        if made not in cotangents:
            return {source: np.zeros(self.given)}
        weights = np.asarray(cotangents[made], dtype=float).reshape(self.stage.nodes)
        multiplier = self.stage.solve(self.K, weights, self.stage.slope_tolerance)
        slope = np.empty((3, *self.stage.shape))
        contract(multiplier, self.u, self.stage.steps, slope)
        first, second, both = slope.sum(axis=(1, 2)) if len(self.given) == 2 else slope.reshape(3, -1)
        whole = np.stack([first, 0.5 * both, 0.5 * both, second], axis=-1)
        return {source: -whole.reshape(self.given)}
