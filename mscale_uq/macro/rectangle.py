"""`RectangleDiffusion`: steady diffusion on a uniform rectangle without a matrix, the fast path of 2-D."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import LinAlgError, cho_solve_banded, cholesky_banded

from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Linearization, Named, Stage, Values
from mscale_uq.errors import Infeasible, InputError, SolveFailed, WiringError, explain
from mscale_uq.macro.rectangle_sides import EXCHANGE, Condition, RectangleSides
from mscale_uq.solve.rectangle_kernels import apply, contract, fill_band, hold, line_modes, solve

# Residual of the field, and of its tangents and adjoints, where it is iterated: readings are off by as much,
# relative. The reference is factorised, but for the largest meshes.
ACCURACIES = {"reference": (1e-10, 1e-10), "sampling": (1e-8, 1e-6)}
MAX_ITERATIONS = 500
LEAST_PIVOT = 1e-9  # of a factorisation, relative to the diagonal: below, hardly five digits would be left
DIRECT_WORK = 1e9  # multiplications of a factorisation, up to which the reference is exact: 128 x 128
NO_EXCHANGE = np.zeros(4)

Solver = Callable[[Array, float], Array]  # load and tolerance -> field, both ``(n1 + 1, n2 + 1)``


@final
class RectangleDiffusion(Stage):
    """Solves ``-div(K grad u) = q`` on equal bilinear elements, with u = 0 on every side that is not named.

    Reads K, one tensor ``(2, 2)``, or one tensor ``(n1 n2, 2, 2)`` or number ``(n1 n2,)`` per element, and
    what the sides name; makes the field at the nodes, ``((n1 + 1) (n2 + 1),)``, x running slowly. Value,
    tangent and adjoint are one solve each: iterations without a matrix, or by one factorisation of the band
    where the result shall be exact, or the iterations do not converge. `SteadyDiffusion` with the same
    conditions gives the same field.

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
        When run: if neither converges the iteration nor is the matrix regular to working precision.
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
        self._direct = accuracy == "reference" and self.load.size * self.nodes[1] ** 2 < DIRECT_WORK
        self.sides = RectangleSides(sides or {}, self.shape, self.steps)
        self.inputs, self.outputs = (conductivity, *self.sides.inputs), (field,)

    def value(self, values: Values) -> Named:
        """Return the field."""
        K, numbers = self._tensors(values), self.sides.numbers(values)
        load = self.load + self.sides.load(numbers)
        return {self.outputs[0]: self.solver(K, numbers[EXCHANGE])(load, self.tolerance).ravel()}

    def linearize(self, values: Values) -> tuple[Named, Linearization]:
        """Return the field and its derivative to the conductivity and to the numbers of the sides."""
        K, numbers = self._tensors(values), self.sides.numbers(values)
        solve, given = self.solver(K, numbers[EXCHANGE]), np.shape(values[self.inputs[0]])
        u = solve(self.load + self.sides.load(numbers), self.tolerance)
        return {self.outputs[0]: u.ravel()}, _RectangleLinearization(self, given, solve, numbers, u)

    def solver(self, K: Array, exchange: Array = NO_EXCHANGE) -> Solver:
        """Return what gives u of A u = load for K ``(3, n1, n2)``: K11, K22, K12."""
        return self._factorized(K, exchange) if self._direct else self._iterated(K, exchange)

    def _iterated(self, K: Array, exchange: Array) -> Solver:
        """Return the solver by iterations, if they converge; what its solves share is made once.

        Its tolerance is that of the preconditioned residual norm, relative to its start.
        """
        means = float(K[0].sum()) / K[0].size, float(K[1].sum()) / K[1].size
        left, right, bottom, top = self.sides.ends(exchange, means)
        along_x, x = line_modes(self.shape[0], self.steps[0], left, right)
        along_y, y = line_modes(self.shape[1], self.steps[1], bottom, top)
        inverse = (1.0 / (means[0] * along_x[:, None] + means[1] * along_y)).astype(np.float32)
        sides = self.sides.held, exchange

        def solved(load: Array, tolerance: float) -> Array:
            u, converged = solve(K, load, self.steps, sides, inverse, (x, y), tolerance, MAX_ITERATIONS)
            return u if converged else self._factorized(K, exchange)(load, tolerance)

        return solved

    def _factorized(self, K: Array, exchange: Array) -> Solver:
        band = np.empty((self.nodes[1] + 2, self.load.size), order="F")
        fill_band(K, self.steps, self.sides.held, exchange, band)
        diagonal = band[0].copy()
        try:
            factor = cholesky_banded(band, overwrite_ab=True, lower=True, check_finite=False)
        except LinAlgError as error:
            raise SolveFailed(self.name, {}, str(error)) from error
        if not (factor[0] ** 2 / diagonal).min() > LEAST_PIVOT:
            raise SolveFailed(
                self.name, {}, "the matrix is all but singular: hardly anything fixes the level of a part"
            )

        def solved(load: Array, _: float) -> Array:
            free = load.copy()
            hold(self.sides.held, free)
            return cho_solve_banded((factor, True), free.ravel(), check_finite=False).reshape(self.nodes)

        return solved

    def _tensors(self, values: Values) -> Array:
        given = np.asarray(values[self.inputs[0]], dtype=float)
        elements = self.shape[0] * self.shape[1]
        if given.shape not in ((2, 2), (elements, 2, 2), (elements,)):
            allowed = f"(2, 2), {(elements, 2, 2)} or {(elements,)}"
            raise WiringError(explain(f"{self.inputs[0]!r} of shape {given.shape}", allowed))
        K11, K22, K12 = _entries(given)
        if not (np.all(K11 > 0) and np.all(K11 * K22 > K12**2)):
            raise Infeasible(self.name, values, "a conductivity is not positive definite")
        return self.entries(given)

    def entries(self, given: Array) -> Array:
        """Return conductivities, or their changes, as K11, K22, K12 ``(3, n1, n2)``."""
        K = np.empty((3, self.shape[0] * self.shape[1]))
        K[0], K[1], K[2] = _entries(given)
        return K.reshape(3, *self.shape)


@final
@dataclass(frozen=True)
class _RectangleLinearization(Linearization):
    """Derivative of the field to the tensors and the sides, one solve a direction."""

    stage: RectangleDiffusion
    given: tuple[int, ...]
    solve: Solver
    numbers: Array
    u: Array

    def jvp(self, tangents: Values) -> Named:
        """Carry a change of what is read to the field."""
        sides, (made,) = self.stage.sides, self.stage.outputs
        load = sides.load_change(self.numbers, sides.changes(tangents), self.u)
        if self.stage.inputs[0] in tangents:
            moved = np.empty(self.stage.nodes)
            change = self.stage.entries(np.asarray(tangents[self.stage.inputs[0]], dtype=float))
            apply(change, self.u, self.stage.steps, sides.held, NO_EXCHANGE, moved)
            load -= moved
        return {made: self.solve(load, self.stage.slope_tolerance).ravel()}

    def vjp(self, cotangents: Mapping[str, Array]) -> Named:
        """Carry a sensitivity to the field back to what is read."""
        (source, *names), (made,) = self.stage.inputs, self.stage.outputs
        if made not in cotangents:
            return {source: np.zeros(self.given), **{name: np.zeros(()) for name in names}}
        weights = np.asarray(cotangents[made], dtype=float).reshape(self.stage.nodes)
        multiplier = self.solve(weights, self.stage.slope_tolerance)
        slope = np.empty((3, *self.stage.shape))
        contract(multiplier, self.u, self.stage.steps, slope)
        first, second, both = slope.sum(axis=(1, 2)) if len(self.given) == 2 else slope.reshape(3, -1)
        parts = [first, 0.5 * both, 0.5 * both, second]
        whole = first + second if len(self.given) == 1 else np.array(parts).T
        through = self.stage.sides.collect(self.numbers, multiplier, self.u) if names else {}
        return {source: -whole.reshape(self.given), **through}


def _entries(given: Array) -> tuple[Array, Array, Array]:
    """Return K11, K22, K12 of one tensor, of one per element, or of one number per element."""
    if given.ndim == 1:
        return given, given, np.zeros(())
    return given[..., 0, 0], given[..., 1, 1], 0.5 * (given[..., 0, 1] + given[..., 1, 0])
