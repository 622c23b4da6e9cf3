"""The right-hand sides of Lorenz (1963) and Lorenz (1996), their tangents and adjoints, for many members.

Rows are members; a column of `parameters` is one parameter. Each function is checked against the others by
the contract tests (Taylor remainder, dot product). `Reading` picks
readings from a path, `Entries` from a state.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Linearization, MatrixLinearization, Named, Stage, Values
from mscale_uq.solve.kernel import kernel
from mscale_uq.solve.runge_kutta import classical_steps


@kernel(error_model="python")
def rate63(states, parameters):
    """Return sigma (y - x), x (rho - z) - y, x y - beta z; parameters sigma, rho, beta."""
    rate = np.empty_like(states)
    for i in range(states.shape[0]):
        x, y, z = states[i]
        sigma, rho, beta = parameters[i]
        rate[i, 0] = sigma * (y - x)
        rate[i, 1] = x * (rho - z) - y
        rate[i, 2] = x * y - beta * z
    return rate


@kernel(error_model="python")
def steps63(states, parameters, h, count):
    """Runge-Kutta steps of `rate63`."""
    return classical_steps(rate63, states, parameters, h, count)


@kernel(error_model="python")
def tangent63(states, parameters, d_states, d_parameters):
    """Change of `rate63`."""
    change = np.empty_like(states)
    for i in range(states.shape[0]):
        x, y, z = states[i]
        sigma, rho, beta = parameters[i]
        dx, dy, dz = d_states[i]
        d_sigma, d_rho, d_beta = d_parameters[i]
        change[i, 0] = sigma * (dy - dx) + d_sigma * (y - x)
        change[i, 1] = dx * (rho - z) - x * dz - dy + x * d_rho
        change[i, 2] = dx * y + x * dy - beta * dz - d_beta * z
    return change


@kernel(error_model="python")
def adjoint63(states, parameters, weights):
    """Sensitivities of the weighted sum of `rate63` to states and parameters."""
    back, slopes = np.empty_like(states), np.empty_like(parameters)
    for i in range(states.shape[0]):
        x, y, z = states[i]
        sigma, rho, beta = parameters[i]
        u, v, w = weights[i]
        back[i, 0] = -sigma * u + (rho - z) * v + y * w
        back[i, 1] = sigma * u - v + x * w
        back[i, 2] = -x * v - beta * w
        slopes[i, 0] = (y - x) * u
        slopes[i, 1] = x * v
        slopes[i, 2] = -z * w
    return back, slopes


@kernel(error_model="python")
def rate96(states, parameters):
    """Return (x_{j+1} - x_{j-2}) x_{j-1} - x_j + F on a ring; one parameter, the forcing F."""
    members, n = states.shape
    rate = np.empty_like(states)
    for i in range(members):
        x, force, made = states[i], parameters[i, 0], rate[i]
        # Offsets that cannot be negative spare the wrap-around test of every index, a factor of three.
        for j in range(n - 3):
            made[j + 2] = (x[j + 3] - x[j]) * x[j + 1] - x[j + 2] + force
        made[0] = (x[1] - x[n - 2]) * x[n - 1] - x[0] + force
        made[1] = (x[2] - x[n - 1]) * x[0] - x[1] + force
        made[n - 1] = (x[0] - x[n - 3]) * x[n - 2] - x[n - 1] + force
    return rate


@kernel(error_model="python")
def steps96(states, parameters, h, count):
    """Runge-Kutta steps of `rate96`."""
    return classical_steps(rate96, states, parameters, h, count)


@kernel(error_model="python")
def tangent96(states, parameters, d_states, d_parameters):  # noqa: ARG001 (the forcing enters linearly)
    """Change of `rate96`."""
    members, n = states.shape
    change = np.empty_like(states)
    for i in range(members):
        x, dx, d_force = states[i], d_states[i], d_parameters[i, 0]
        for j in range(n):
            ahead, behind, second = (j + 1) % n, (j - 1) % n, (j - 2) % n
            change[i, j] = (dx[ahead] - dx[second]) * x[behind] + (x[ahead] - x[second]) * dx[behind]
            change[i, j] += d_force - dx[j]
    return change


@kernel(error_model="python")
def adjoint96(states, parameters, weights):
    """Sensitivities of the weighted sum of `rate96` to states and forcing."""
    members, n = states.shape
    back, slopes = np.zeros_like(states), np.zeros_like(parameters)
    for i in range(members):
        x = states[i]
        for j in range(n):
            ahead, behind, second, w = (j + 1) % n, (j - 1) % n, (j - 2) % n, weights[i, j]
            back[i, ahead] += w * x[behind]
            back[i, second] -= w * x[behind]
            back[i, behind] += w * (x[ahead] - x[second])
            back[i, j] -= w
            slopes[i, 0] += w
    return back, slopes


@final
class Reading(Stage):
    """Entries of a path ``(times, n)``: one number per pair of row and column."""

    def __init__(self, path: str, output: str, rows: ArrayLike, columns: ArrayLike) -> None:
        self.name = f"reading of {path}"
        self.inputs = (path,)
        self.outputs = (output,)
        self._entries = (np.asarray(rows, dtype=int), np.asarray(columns, dtype=int))

    def value(self, values: Values) -> Named:
        """Return the entries."""
        return {self.outputs[0]: np.asarray(values[self.inputs[0]])[self._entries]}

    def linearize(self, values: Values) -> tuple[Named, Linearization]:
        """Return the entries and the derivative, which picks the same entries."""
        return self.value(values), ReadingLinearization(self, np.shape(values[self.inputs[0]]))

    def scatter(self, weights: Array, shape: tuple[int, ...]) -> Array:
        """Return an array of the path's shape with the weights added up at the entries."""
        total = np.zeros(shape)
        np.add.at(total, self._entries, weights)
        return total


@final
@dataclass(frozen=True)
class ReadingLinearization(Linearization):
    """Derivative of `Reading`."""

    reading: Reading
    shape: tuple[int, ...]

    def jvp(self, tangents: Values) -> Named:
        """Pick the entries of the path's change."""
        return self.reading.value(tangents)

    def vjp(self, cotangents: Values) -> Named:
        """Put the weights where the entries come from."""
        return {self.reading.inputs[0]: self.reading.scatter(cotangents[self.reading.outputs[0]], self.shape)}


@final
class Entries(Stage):
    """Entries of a state ``(n,)`` as a reading, shaped like `entries`."""

    def __init__(self, state: str, output: str, entries: ArrayLike) -> None:
        self.name = f"{output} of {state}"
        self.inputs = (state,)
        self.outputs = (output,)
        self._entries = np.asarray(entries, dtype=int)

    def value(self, values: Values) -> Named:
        """Return the entries."""
        return {self.outputs[0]: np.asarray(values[self.inputs[0]])[self._entries]}

    def linearize(self, values: Values) -> tuple[Named, Linearization]:
        """Return the entries and the derivative, rows of the identity."""
        (state,), (output,), made = self.inputs, self.outputs, self.value(values)
        shape = np.shape(values[state])
        block = {(output, state): np.eye(*shape)[self._entries]}
        return made, MatrixLinearization(block, {state: shape}, {output: made[output].shape})
