"""`RectangleDiffusion`: steady diffusion on a uniform rectangle without a matrix, the fast path of 2-D."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Linearization, Named, Stage, Values
from mscale_uq.errors import Infeasible, InputError, SolveFailed, WiringError, explain
from mscale_uq.macro.rectangle_sides import EXCHANGE, Condition, RectangleSides
from mscale_uq.solve.rectangle_kernels import apply, contract, line_modes, solve

# Residual of the field, and of its tangents and adjoints: readings are off by as much, relative.
ACCURACIES = {"reference": (1e-10, 1e-10), "sampling": (1e-8, 1e-6)}
MAX_ITERATIONS = 500
NO_EXCHANGE = np.zeros(4)


@final
class RectangleDiffusion(Stage):
    """Solves ``-div(K grad u) = q`` on equal bilinear elements, with u = 0 on every side that is not named.

    Reads K, one tensor ``(2, 2)`` or one per element ``(n1 n2, 2, 2)``, and what the sides name; makes the
    field at the nodes, ``((n1 + 1) (n2 + 1),)``, x running slowly. Value, tangent and adjoint are one solve
    each; there is no matrix. `SteadyDiffusion` with the same conditions gives the same field.

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
    sides
        left, right, bottom or top -> `Neumann`, `Robin`, or ``Dirichlet(0.0)``; no profiles.

    Raises
    ------
    InputError
        When made: if the load has another shape, the rectangle no inner node, or a side a condition that is
        not among these, or if nothing fixes the level of the field.
    Infeasible
        When run: if a tensor is not positive definite, or an exchange negative.
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
        sides: Mapping[str, Condition] | None = None,
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
        self.sides = RectangleSides(sides or {}, self.shape, self.steps)
        self.inputs, self.outputs = (conductivity, *self.sides.inputs), (field,)

    def value(self, values: Values) -> Named:
        """Return the field."""
        return {self.outputs[0]: self._field(self._tensors(values), self.sides.numbers(values)).ravel()}

    def linearize(self, values: Values) -> tuple[Named, Linearization]:
        """Return the field and its derivative to the tensors and to the numbers of the sides."""
        K, numbers = self._tensors(values), self.sides.numbers(values)
        u, given = self._field(K, numbers), np.shape(values[self.inputs[0]])
        return {self.outputs[0]: u.ravel()}, _RectangleLinearization(self, given, K, numbers, u)

    def solve(self, K: Array, load: Array, tolerance: float, exchange: Array = NO_EXCHANGE) -> Array:
        """Return u of A u = load for K ``(3, n1, n2)``: K11, K22, K12.

        The tolerance is that of the preconditioned residual norm, relative to its start.
        """
        means = float(K[0].mean()), float(K[1].mean())
        left, right, bottom, top = self.sides.ends(exchange, means)
        along_x, x = line_modes(self.shape[0], self.steps[0], left, right)
        along_y, y = line_modes(self.shape[1], self.steps[1], bottom, top)
        inverse = (1.0 / (means[0] * along_x[:, None] + means[1] * along_y)).astype(np.float32)
        sides = self.sides.held, exchange
        u, converged = solve(K, load, self.steps, sides, inverse, (x, y), tolerance, MAX_ITERATIONS)
        if not converged:
            raise SolveFailed(self.name, {}, f"no convergence in {MAX_ITERATIONS} iterations")
        return u

    def _field(self, K: Array, numbers: Array) -> Array:
        return self.solve(K, self.load + self.sides.load(numbers), self.tolerance, numbers[EXCHANGE])

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
    """Derivative of the field to the tensors and the sides, one solve a direction."""

    stage: RectangleDiffusion
    given: tuple[int, ...]
    K: Array
    numbers: Array
    u: Array

    def jvp(self, tangents: Values) -> Named:
        """Carry a change of what is read to the field."""
        sides, (made,) = self.stage.sides, self.stage.outputs
        load = sides.load_change(self.numbers, sides.changes(tangents), self.u)
        if self.stage.inputs[0] in tangents:
            moved = np.empty(self.stage.nodes)
            change = self._change(np.asarray(tangents[self.stage.inputs[0]]))
            apply(change, self.u, self.stage.steps, sides.held, NO_EXCHANGE, moved)
            load -= moved
        return {made: self._solve(load).ravel()}

    def vjp(self, cotangents: Mapping[str, Array]) -> Named:
        """Carry a sensitivity to the field back to what is read."""
        (source, *names), (made,) = self.stage.inputs, self.stage.outputs
        if made not in cotangents:
            return {source: np.zeros(self.given), **{name: np.zeros(()) for name in names}}
        multiplier = self._solve(np.asarray(cotangents[made], dtype=float).reshape(self.stage.nodes))
        slope = np.empty((3, *self.stage.shape))
        contract(multiplier, self.u, self.stage.steps, slope)
        first, second, both = slope.sum(axis=(1, 2)) if len(self.given) == 2 else slope.reshape(3, -1)
        whole = np.stack([first, 0.5 * both, 0.5 * both, second], axis=-1)
        through = self.stage.sides.collect(self.numbers, multiplier, self.u) if names else {}
        return {source: -whole.reshape(self.given), **through}

    def _solve(self, load: Array) -> Array:
        return self.stage.solve(self.K, load, self.stage.slope_tolerance, self.numbers[EXCHANGE])

    def _change(self, change: Array) -> Array:
        """Return a change of the tensors as ``(3, n1, n2)``."""
        if change.ndim == 2:
            change = np.broadcast_to(change, (self.K[0].size, 2, 2))
        change = change.reshape(*self.stage.shape, 2, 2)
        return np.stack([change[..., 0, 0], change[..., 1, 1], 0.5 * (change[..., 0, 1] + change[..., 1, 0])])
