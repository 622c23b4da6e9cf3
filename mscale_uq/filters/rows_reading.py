"""What many states expect to be read, with slopes: all at once, if pointwise or by one matrix."""

from math import prod
from typing import NamedTuple

import numpy as np

from mscale_uq.core.formula import PointwiseFormula
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.linear_dynamics import LinearReading
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Named, PointwiseStage, Values
from mscale_uq.core.statespace import StateSpace
from mscale_uq.filters.augmented import AugmentedDynamics, AugmentedReading
from mscale_uq.filters.dependents import Dependents
from mscale_uq.filters.reading_slope import columns, derivative, places

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


class Slopes(NamedTuple):
    """Slopes of readings to the few entries of the state that each of them sees.

    `entries` ``(m, w)`` are places in the state, -1 where a reading sees fewer than w; `values` ``(N, m, w)``
    are the slopes of N states, zero there.
    """

    entries: np.ndarray
    values: Array


def linear_rows(
    space: StateSpace, values: Values, operator: ObservationOperator, states: Array, seen: Seen = EVERY
) -> tuple[Array, Slopes]:
    """Return expected readings ``(N, m)`` and their slopes to the state, learned parameters left out.

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
        return states[:, there], Slopes(there[:, None], np.ones((len(states), there.size, 1)))
    stage = operator.stage.inner if isinstance(operator.stage, AugmentedReading) else operator.stage
    if isinstance(stage, PointwiseStage):
        return _pointwise(space, values, operator, stage, states, seen)
    if isinstance(stage, LinearReading):
        return _by_matrices(space, values, stage, states, seen)
    made = [_one(space, values, operator, state) for state in states]
    expected, H = (np.array([one[part][seen] for one in made]) for part in (0, 1))
    there = columns(space, [v.name for v in dynamics.inner.state if v.name in stage.inputs])
    return expected, Slopes(np.tile(there, (expected.shape[1], 1)), H[:, :, there])


def _by_matrices(
    space: StateSpace, values: Values, stage: LinearReading, states: Array, seen: Seen
) -> tuple[Array, Slopes]:
    """Return what H x + d expects, with one H for all states unless it depends on what is learned."""
    dynamics = space.dynamics
    assert isinstance(dynamics, AugmentedDynamics)
    there = columns(space, stage.read)
    learned = dynamics.dependents.names.intersection(stage.inputs)
    if learned:
        rows = known_rows(dynamics.dependents, dynamics.split(states), values, len(states))
        sets = ({**values, **{name: rows[name][k] for name in learned}} for k in range(len(states)))
        H, d = (np.array(part) for part in zip(*(stage.matrices(one) for one in sets), strict=True))
    else:
        H, d = (part[None] for part in stage.matrices(values))
    H, d = H[:, seen], d[:, seen]
    expected = (H @ states[:, there, None])[..., 0] + d
    used = (H != 0).any(axis=0)
    first = np.argsort(~used, axis=1, kind="stable")[:, : max(1, used.sum(axis=1).max(initial=0))]
    entries = np.where(np.take_along_axis(used, first, axis=1), there[first], -1)
    slopes = np.take_along_axis(H, first[None], axis=2)
    return expected, Slopes(entries, np.broadcast_to(slopes, (len(states), *slopes.shape[1:])))


def _one(
    space: StateSpace, values: Values, operator: ObservationOperator, state: Array
) -> tuple[Array, Array]:
    stage = operator.stage
    assert stage is not None
    named = {**values, **space.dynamics.split(state)}
    made, linear = stage.linearize({name: np.asarray(named[name]) for name in stage.inputs})
    slope = derivative(linear, space, operator.quantity, made, stage.inputs)
    return np.ravel(made[operator.quantity]), slope


def expected_rows(
    space: StateSpace, values: Values, operator: ObservationOperator, states: Array, seen: Seen = EVERY
) -> Array:
    """Return expected readings ``(N, m)`` of states ``(N, n + k)``, as `linear_rows` does."""
    stage = operator.stage.inner if isinstance(operator.stage, AugmentedReading) else operator.stage
    if not isinstance(stage, PointwiseStage):
        return linear_rows(space, values, operator, states, seen)[0]
    made = stage.value(_flat(space, values, stage, states, seen)[0])
    return np.asarray(made[operator.quantity].reshape(len(states), -1))


def _pointwise(
    space: StateSpace,
    values: Values,
    operator: ObservationOperator,
    stage: PointwiseStage,
    states: Array,
    seen: Seen,
) -> tuple[Array, Slopes]:
    dynamics, count = space.dynamics, len(states)
    assert isinstance(dynamics, AugmentedDynamics)
    if isinstance(stage, PointwiseFormula):
        stage = stage.moved_by([variable.name for variable in dynamics.inner.state])
    given, m = _flat(space, values, stage, states, seen)
    made, tangent = stage.tangent(given)
    slopes = tangent[:, stage.outputs.index(operator.quantity)].reshape(count, -1, len(stage.inputs))
    where, row, place = places(space), np.arange(slopes.shape[1]), np.arange(m)[seen]
    read = [variable for variable in dynamics.inner.state if variable.name in stage.inputs]
    first = [np.arange(dynamics.size)[where[v.name]][0] for v in read]
    pairs = zip(first, read, strict=True)
    entries = [at + (0 * row if prod(v.shape) == 1 else place) for at, v in pairs]
    inputs = [stage.inputs.index(variable.name) for variable in read]
    found = Slopes(np.array(entries, dtype=int).reshape(len(read), row.size).T, slopes[:, :, inputs])
    return made[operator.quantity].reshape(count, row.size), found


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
