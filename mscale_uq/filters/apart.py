"""Covariates that only tell readings of one time apart, as their dishes: numbered over all readings."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mscale_uq.core.observation import Observation
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Values
from mscale_uq.core.statespace import StateSpace
from mscale_uq.errors import DataError, explain


def numbered(
    space: StateSpace, values: Values, observations: Sequence[Observation]
) -> tuple[Observation, ...]:
    """Return observations of one time with what tells them apart numbered 1, 2, .. in order.

    Where one of them brings such a covariate, the model's own value is that of the others. Numbers that are
    1, 2, .. already stay. What is told apart has one number for all sources: two that read the same dish
    read the same state.

    Raises
    ------
    DataError
        If there are more than the operator tells apart, or one has no value.
    """
    made = list(observations)
    limits = {name: most for operator in space.observations.values() for name, most in operator.apart.items()}
    for name, most in limits.items():
        sources = {source for source, operator in space.observations.items() if name in operator.apart}
        mine = [place for place, one in enumerate(made) if one.source in sources]
        if not any(name in made[place].covariates for place in mine):
            continue
        given = [_given(made[place], name, values) for place in mine]
        for place, own in zip(mine, _ranks(given, name, most, made[mine[0]]), strict=True):
            made[place] = replace(made[place], covariates={**made[place].covariates, name: own})
    return tuple(made)


def _given(one: Observation, name: str, values: Values) -> Array:
    found = np.asarray(one.covariates.get(name, values.get(name, np.nan)), dtype=float)
    if np.isnan(found).any():
        told = f"{one.source}: a reading at time {one.time:g} without {name!r}, beside one with it"
        raise DataError(explain(told, f"{name!r} for each"))
    return found


def _ranks(given: Sequence[Array], name: str, most: int, one: Observation) -> list[Array]:
    found, place = np.unique(np.concatenate([own.ravel() for own in given]), return_inverse=True)
    if found.size > most:
        told = f"{one.source}: {found.size} of {name!r} at time {one.time:g}"
        raise DataError(explain(told, f"at most {most}"))
    parts = np.split(place.ravel() + 1.0, np.cumsum([own.size for own in given])[:-1])
    return [part.reshape(own.shape) for part, own in zip(parts, given, strict=True)]
