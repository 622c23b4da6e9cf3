"""Ordinary differential equations by the classical Runge-Kutta method, with the exact derivative of the step.

The derivative is that of the discrete step, stage by stage, forward (tangent) and backward (adjoint), so it
agrees with the value to round-off however long the step.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

import numba
import numpy as np

from mscale_uq.core.dynamics import Dynamics
from mscale_uq.core.parameter import Array, Quantity
from mscale_uq.core.stage import Linearization, Named, Values
from mscale_uq.errors import InputError, explain
from mscale_uq.solve.equal_steps import equal_steps
from mscale_uq.solve.kernel import kernel


@final
@dataclass(frozen=True)
class Field:
    """The right-hand side of dx/dt = rate(x, p) and its derivative, for many members at once.

    Functions of the module that makes it (so that it pickles), of contiguous arrays.

    Attributes
    ----------
    rate
        ``rate(states (N, n), parameters (N, p)) -> (N, n)``.
    tangent
        ``tangent(states, parameters, d_states, d_parameters) -> (N, n)``: change of the rate.
    adjoint
        ``adjoint(states, parameters, weights (N, n)) -> ((N, n), (N, p))``: sensitivities to states and
        parameters of the weighted sum of the rate.
    steps
        ``steps(states, parameters, h, count) -> (N, n)``: `count` steps of length h in one compiled pass, a
        compiled function of one line that calls `classical_steps` with the rate; None if there is none.
    """

    rate: Callable[[Array, Array], Array]
    tangent: Callable[[Array, Array, Array, Array], Array]
    adjoint: Callable[[Array, Array, Array], tuple[Array, Array]]
    steps: Callable[[Array, Array, float, int], Array] | None = None


@final
class RungeKutta(Dynamics):
    """An autonomous ordinary differential equation, stepped by the classical method of order 4.

    Parameters
    ----------
    name, inputs, state
        As in `Dynamics`; the inputs are scalars, the columns of the field's parameters.
    field
        The right-hand side.
    longest_step
        An interval is divided into equal steps no longer than this.

    Raises
    ------
    InputError
        If the longest step is not positive.
    """

    random: ClassVar[bool] = False

    def __init__(
        self,
        name: str,
        field: Field,
        inputs: tuple[str, ...],
        state: tuple[Quantity, ...],
        longest_step: float,
    ) -> None:
        if not longest_step > 0:
            raise InputError(explain(f"{name}: longest_step = {longest_step}", "a positive time"))
        self.name, self.inputs, self.state = name, inputs, state
        self.field = field
        self.longest_step = float(longest_step)

    def step(
        self, states: Array, start: float, stop: float, values: Values, rng: np.random.Generator
    ) -> Array:
        """Return the states ``(members, n)`` at `stop`; nothing here is random."""
        parameters = self._parameters(values, len(states))
        count, h = self._division(start, stop)
        x = np.ascontiguousarray(states, dtype=float)
        if self.field.steps is not None:
            return self.field.steps(x, parameters, h, count)
        for _ in range(count):
            x, _ = stages(self.field, x, parameters, h)
        return x

    def linearize_step(
        self, state: Array, start: float, stop: float, values: Values
    ) -> tuple[Array, Linearization]:
        """Return the state ``(n,)`` at `stop` and the derivative to state and parameters."""
        parameters = self._parameters(values, 1)
        count, h = self._division(start, stop)
        x, path = np.array(state, dtype=float)[None, :], []
        for _ in range(count):
            x, inner = stages(self.field, x, parameters, h)
            path.append(inner)
        return x[0], RungeKuttaLinearization(self.field, self.inputs, parameters, h, tuple(path))

    def _division(self, start: float, stop: float) -> tuple[int, float]:
        span = stop - start
        count = equal_steps(span, self.longest_step)
        return count, span / count

    def _parameters(self, values: Values, members: int) -> Array:
        table = np.empty((members, len(self.inputs)))
        for column, name in enumerate(self.inputs):
            table[:, column] = values[name]
        return table


@final
@dataclass(frozen=True)
class RungeKuttaLinearization(Linearization):
    """Derivative of a sequence of steps, replayed through the stored stages."""

    field: Field
    inputs: tuple[str, ...]
    parameters: Array
    h: float
    path: tuple[tuple[Array, Array, Array, Array], ...]

    def jvp(self, tangents: Values) -> Named:
        """Carry changes of the state and the parameters forward."""
        change = np.zeros_like(self.path[0][0])
        if "state" in tangents:
            change[0] = tangents["state"]
        moved = np.array([[float(tangents.get(name, 0.0)) for name in self.inputs]])
        for inner in self.path:
            change = step_tangent(self.field, inner, self.parameters, change, moved, self.h)
        return {"state": change[0]}

    def vjp(self, cotangents: Values) -> Named:
        """Carry a sensitivity to the final state back to the first state and the parameters."""
        weight = np.array(cotangents["state"], dtype=float)[None, :]
        total = np.zeros_like(self.parameters)
        for inner in reversed(self.path):
            weight, part = step_adjoint(self.field, inner, self.parameters, weight, self.h)
            total += part
        slopes = {name: np.asarray(total[0, column]) for column, name in enumerate(self.inputs)}
        return {"state": weight[0], **slopes}


def stages(
    field: Field, x: Array, parameters: Array, h: float
) -> tuple[Array, tuple[Array, Array, Array, Array]]:
    """Return the states after one step of length `h`, and the four states at which the rate was taken."""
    k1 = field.rate(x, parameters)
    x2 = moved_along(x, k1, h / 2)
    k2 = field.rate(x2, parameters)
    x3 = moved_along(x, k2, h / 2)
    k3 = field.rate(x3, parameters)
    x4 = moved_along(x, k3, h)
    k4 = field.rate(x4, parameters)
    return moved_by_all(x, k1, k2, k3, k4, h), (x, x2, x3, x4)


def step_tangent(
    field: Field, inner: tuple[Array, ...], parameters: Array, change: Array, moved: Array, h: float
) -> Array:
    """Return the change of a step's result for changes of its state and its parameters."""
    k1 = field.tangent(inner[0], parameters, change, moved)
    k2 = field.tangent(inner[1], parameters, moved_along(change, k1, h / 2), moved)
    k3 = field.tangent(inner[2], parameters, moved_along(change, k2, h / 2), moved)
    k4 = field.tangent(inner[3], parameters, moved_along(change, k3, h), moved)
    return moved_by_all(change, k1, k2, k3, k4, h)


def step_adjoint(
    field: Field, inner: tuple[Array, ...], parameters: Array, weight: Array, h: float
) -> tuple[Array, Array]:
    """Return the sensitivities to a step's state and parameters, given that to its result."""
    back4, slope4 = field.adjoint(inner[3], parameters, h / 6 * weight)
    back3, slope3 = field.adjoint(inner[2], parameters, h / 3 * weight + h * back4)
    back2, slope2 = field.adjoint(inner[1], parameters, h / 3 * weight + h / 2 * back3)
    back1, slope1 = field.adjoint(inner[0], parameters, h / 6 * weight + h / 2 * back2)
    return weight + back1 + back2 + back3 + back4, slope1 + slope2 + slope3 + slope4


@numba.njit(inline="always")
def classical_steps(rate, x, parameters, h, count):
    """Return the states after `count` steps of length h; `rate` is a compiled function.

    One pass in compiled code: an array that crosses into Python costs more than a stage of a small ensemble.
    """
    for _ in range(count):
        k1 = rate(x, parameters)
        k2 = rate(moved_along(x, k1, h / 2), parameters)
        k3 = rate(moved_along(x, k2, h / 2), parameters)
        k4 = rate(moved_along(x, k3, h), parameters)
        x = moved_by_all(x, k1, k2, k3, k4, h)
    return x


@kernel(error_model="python")
def moved_along(x, k, h):
    """Return x + h k in one pass."""
    moved = np.empty_like(x)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            moved[i, j] = x[i, j] + h * k[i, j]
    return moved


@kernel(error_model="python")
def moved_by_all(x, k1, k2, k3, k4, h):
    """Return x + h/6 (k1 + 2 k2 + 2 k3 + k4) in one pass."""
    moved = np.empty_like(x)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            moved[i, j] = x[i, j] + h / 6 * (k1[i, j] + 2 * (k2[i, j] + k3[i, j]) + k4[i, j])
    return moved
