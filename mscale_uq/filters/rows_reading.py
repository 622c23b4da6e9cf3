"""What many states expect to be read, with slopes: all at once, if pointwise or by one matrix."""

from math import prod

import numpy as np

from mscale_uq.core.formula import PointwiseFormula
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.linear_dynamics import LinearReading
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Named, PointwiseStage, Values
from mscale_uq.core.statespace import StateSpace
from mscale_uq.filters.augmented import AugmentedDynamics, AugmentedReading
from mscale_uq.filters.dependents import Dependents
from mscale_uq.filters.reading_slope import derivative, places

Seen = np.ndarray | slice
EVERY = slice(None)


def known_rows(dependents: Dependents, named: Values, values: Values, count: int) -> Named:
    """Return everything that depends on the learned parameters, one row per state."""
    if dependents.names == {c.parameter.name for c in dependents.coordinates}:
        return dependents.parameters(named)
    made = [
        dependents.value({c.name: named[c.name][row] for c in dependents.coordinates}, values)
        for row in range(count)
    ]
    return {name: np.array([one[name] for one in made]) for name in dependents.names}


def linear_rows(
    space: StateSpace, values: Values, operator: ObservationOperator, states: Array, seen: Seen = EVERY
) -> tuple[Array, Array]:
    """Return expected readings ``(N, m)`` and their slopes ``(N, m, n)`` to the state, learned ones left out.

    `states` are ``(N, n + k)``, with the coordinates of the k learned parameters behind the n others. `seen`
    ``(m,)`` asks for some of the m readings alone.

    Raises
    ------
    NoGradient
        If the reading's stage has no exact derivative.
    """
    dynamics = space.dynamics
    assert isinstance(dynamics, AugmentedDynamics)
    n = dynamics.inner.size
    if operator.stage is None:
        there = np.arange(n)[places(space)[operator.quantity]][seen]
        return states[:, there], np.broadcast_to(np.eye(n)[there], (len(states), there.size, n))
    stage = operator.stage.inner if isinstance(operator.stage, AugmentedReading) else operator.stage
    if isinstance(stage, PointwiseStage):
        return _pointwise(space, values, operator, stage, states, seen)
    if isinstance(stage, LinearReading) and not dynamics.dependents.names.intersection(stage.inputs):
        H, d = (part[seen] for part in stage.matrices(values))
        return states[:, :n] @ H.T + d, np.broadcast_to(H, (len(states), *H.shape))
    made = [_one(space, values, operator, state) for state in states]
    return np.array([one[0][seen] for one in made]), np.array([one[1][seen, :n] for one in made])


def _one(
    space: StateSpace, values: Values, operator: ObservationOperator, state: Array
) -> tuple[Array, Array]:
    stage = operator.stage
    assert stage is not None
    named = {**values, **space.dynamics.split(state)}
    made, linear = stage.linearize({name: np.asarray(named[name]) for name in stage.inputs})
    slope = derivative(linear, space, operator.quantity, made, stage.inputs)
    return np.ravel(made[operator.quantity]), slope


def expected_rows(space: StateSpace, values: Values, operator: ObservationOperator, states: Array) -> Array:
    """Return expected readings ``(N, m)`` of states ``(N, n + k)``, as `linear_rows` does."""
    stage = operator.stage.inner if isinstance(operator.stage, AugmentedReading) else operator.stage
    if not isinstance(stage, PointwiseStage):
        return linear_rows(space, values, operator, states)[0]
    made = stage.value(_flat(space, values, stage, states)[0])
    return np.asarray(made[operator.quantity].reshape(len(states), -1))


def _pointwise(
    space: StateSpace,
    values: Values,
    operator: ObservationOperator,
    stage: PointwiseStage,
    states: Array,
    seen: Seen,
) -> tuple[Array, Array]:
    dynamics, count = space.dynamics, len(states)
    assert isinstance(dynamics, AugmentedDynamics)
    if isinstance(stage, PointwiseFormula):
        stage = stage.moved_by([variable.name for variable in dynamics.inner.state])
    given, m = _flat(space, values, stage, states, seen)
    made, tangent = stage.tangent(given)
    slopes = tangent[:, stage.outputs.index(operator.quantity)].reshape(count, -1, len(stage.inputs))
    H, where = np.zeros((*slopes.shape[:2], dynamics.inner.size)), places(space)
    row, place = np.arange(slopes.shape[1]), np.arange(m)[seen]
    for variable in dynamics.inner.state:
        if variable.name in stage.inputs:
            slope, first = slopes[:, :, stage.inputs.index(variable.name)], where[variable.name].start
            if prod(variable.shape) == 1:
                H[:, :, first] += slope
            else:
                H[:, row, first + place] += slope
    return made[operator.quantity].reshape(count, row.size), H


def _flat(
    space: StateSpace, values: Values, stage: PointwiseStage, states: Array, seen: Seen = EVERY
) -> tuple[Named, int]:
    """Return what a stage reads, the places of all states behind each other, and how many m there are."""
    dynamics, count = space.dynamics, len(states)
    assert isinstance(dynamics, AugmentedDynamics)
    named = dynamics.split(states)
    rows = {**named, **known_rows(dynamics.dependents, named, values, count)}
    given = {
        name: np.reshape(rows[name], (count, -1)) if name in rows else np.reshape(values[name], (1, -1))
        for name in stage.inputs
    }
    m = max(array.shape[1] for array in given.values())
    return {name: np.broadcast_to(array, (count, m))[:, seen].ravel() for name, array in given.items()}, m
