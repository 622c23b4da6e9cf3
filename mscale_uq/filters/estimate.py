"""What a filter's state says in numbers: spread of the state, and the readings it expects without noise."""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import numpy as np

from mscale_uq.core.observation import Observation
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Values
from mscale_uq.core.statespace import StateSpace
from mscale_uq.errors import ForwardFailure
from mscale_uq.filters.draws import root
from mscale_uq.filters.rows_reading import expected_rows
from mscale_uq.filters.sight import Sight, look


def state_labels(space: StateSpace) -> list[tuple[str, str]]:
    """Return name and unit of every entry of the state, ``x`` or ``x[3]``."""
    labels = []
    for variable in space.dynamics.state:
        size = int(np.prod(variable.shape))
        names = [variable.name] if not variable.shape else [f"{variable.name}[{i}]" for i in range(size)]
        labels += [(name, variable.unit) for name in names]
    return labels


def deviation(state: Any) -> Array:
    """Return the standard deviations ``(n,)`` of any filter's state."""
    if hasattr(state, "variances"):
        return np.sqrt(np.maximum(state.variances, 0.0))
    if not hasattr(state, "members"):
        return np.sqrt(np.maximum(np.diag(state.cov), 0.0))
    weights = getattr(state, "weights", None)
    squares = (state.members - state.mean) ** 2
    freedom = 1 - 1 / len(squares) if weights is None else 1.0
    return np.sqrt(np.average(squares, axis=0, weights=weights) / freedom)


def expected_readings(
    space: StateSpace, values: Values, state: Any, observations: Sequence[Observation]
) -> tuple[Array, Array]:
    """Return mean and standard deviation ``(m,)`` of what a state expects to be read, noise left out.

    A normal law is represented by cubature points, which are exact for affine readings; an ensemble by its
    members, a Gaussian sum by two draws from each of its nodes. The order is that of the sources' names, as
    in `StepInfo`. NaN where the model cannot say what is read, at a point that counts.
    """
    rows, weights, freedom = _points(state)
    counts = np.ones(len(rows), dtype=bool) if weights is None else weights > 0
    sight = look(space, values, sorted(observations, key=attrgetter("source")), state.time)
    parts = [np.zeros((counts.sum(), 0))]
    for part, place in sight.parts():
        try:
            parts.append(_read(part, rows[counts], hasattr(state, "draws")))
        except ForwardFailure:
            parts.append(np.full((counts.sum(), place.stop - place.start), np.nan))
    expected, shares = np.hstack(parts), None if weights is None else weights[counts]
    mean = np.average(expected, axis=0, weights=shares)
    variance = np.average((expected - mean) ** 2, axis=0, weights=shares) / freedom
    return mean, np.sqrt(variance)


def _read(part: Sight, rows: Array, together: bool) -> Array:
    """Return what each row expects of the one observation of a sight; `together` is faster for many."""
    if not together:
        return part.members(rows)
    (observation,) = part.observations
    operator = part.space.observations[observation.source]
    return expected_rows(part.space, observation.among(part.values), operator, rows)


def _points(state: Any) -> tuple[Array, Array | None, float]:
    """Return rows ``(k, n)`` that stand for a state, their weights, and what their variance is divided by."""
    if hasattr(state, "members"):
        weights = getattr(state, "weights", None)
        return state.members, weights, 1.0 if weights is not None else 1 - 1 / len(state.members)
    if hasattr(state, "draws"):
        return *state.draws, 1.0
    arms = np.sqrt(state.mean.size) * root(state.cov)
    return np.concatenate([state.mean + arms.T, state.mean - arms.T]), None, 1.0
