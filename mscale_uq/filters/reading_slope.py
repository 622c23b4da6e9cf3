"""The derivative of a reading to the state vector, from the derivative of the stage that makes it."""

from collections.abc import Collection, Iterable
from math import prod

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Linearization, MatrixLinearization, Values
from mscale_uq.core.statespace import StateSpace


def places(space: StateSpace) -> dict[str, slice]:
    """Return where each state variable lies in the state vector."""
    if len(space.dynamics.state) == 1:
        return {space.dynamics.state[0].name: slice(None)}
    found, start = {}, 0
    for variable in space.dynamics.state:
        stop = start + prod(variable.shape)
        found[variable.name] = slice(start, stop)
        start = stop
    return found


def columns(space: StateSpace, variables: Iterable[str]) -> np.ndarray:
    """Return the places of some state variables in the state vector, behind each other."""
    there, size = places(space), space.dynamics.size
    return np.concatenate([np.zeros(0, dtype=int), *(np.arange(size)[there[name]] for name in variables)])


def derivative(
    linear: Linearization, space: StateSpace, output: str, made: Values, read: Collection[str]
) -> Array:
    """Return the derivative ``(m, n)`` of one output of a stage that may read some state variables.

    By rows or by columns, whichever are fewer: many cells may be read through a few numbers.
    """
    shapes = {variable.name: variable.shape for variable in space.dynamics.state}
    size = np.size(made[output])
    if isinstance(linear, MatrixLinearization):
        blocks = [
            linear.jacobians[output, name].reshape(size, -1)
            if (output, name) in linear.jacobians
            else np.zeros((size, prod(shape)))
            for name, shape in shapes.items()
        ]
        return np.hstack(blocks)
    if sum(prod(shape) for name, shape in shapes.items() if name in read) < size:
        return _by_columns(linear, space, output, size, read)
    rows = []
    for unit in np.eye(size):
        back = linear.vjp({output: unit.reshape(np.shape(made[output]))})
        rows.append(
            np.concatenate([np.ravel(back.get(name, np.zeros(shape))) for name, shape in shapes.items()])
        )
    return np.array(rows)


def _by_columns(
    linear: Linearization, space: StateSpace, output: str, size: int, read: Collection[str]
) -> Array:
    slopes = np.zeros((size, space.dynamics.size))
    where = places(space)
    for variable in space.dynamics.state:
        if variable.name in read:
            units = np.eye(prod(variable.shape)).reshape(-1, *variable.shape)
            columns = [np.ravel(linear.jvp({variable.name: unit})[output]) for unit in units]
            slopes[:, where[variable.name]] = np.stack(columns, axis=1)
    return slopes
