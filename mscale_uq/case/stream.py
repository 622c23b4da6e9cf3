"""From the table of an experiment to a stream of observations in the order of time."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np

from mscale_uq.case.model import Plan
from mscale_uq.core.law import Law
from mscale_uq.core.observation import Observation
from mscale_uq.core.parameter import Array, Quantity
from mscale_uq.core.statespace import StateSpace
from mscale_uq.core.system import System
from mscale_uq.errors import CaseError, explain
from mscale_uq.filters.screen import Screen
from mscale_uq.observe.laws import Gaussian
from mscale_uq.observe.rows import grid_of


@final
@dataclass(frozen=True)
class Stream:
    """The observations of one experiment, and where in its table each reading stands.

    Attributes
    ----------
    observations
        In the order of time, then of the sources' names.
    rows
        For each observation the row of the table of each of its readings ``(m,)``; -1 where there is none.
    outputs
        Source -> output, whose column it is.
    time
        The coordinate that is time.
    along, points
        The other coordinates, and the distinct places read ``(points, coordinates)``; none if readings have
        no places.
    stated
        The sources whose every reading states its own standard deviation.
    screen
        Which readings are only compared, or censored.
    """

    observations: tuple[Observation, ...]
    rows: tuple[np.ndarray, ...]
    outputs: Mapping[str, Quantity]
    time: Quantity
    along: tuple[Quantity, ...] = ()
    points: Array | None = None
    stated: frozenset[str] = frozenset()
    screen: Screen = field(default_factory=Screen)

    def screened(self, screen: Screen) -> "Stream":
        """Return the stream with the marks of a screen."""
        return replace(self, observations=tuple(screen.over(self.observations)), screen=screen)


def time_of(system: System) -> Quantity:
    """Return the coordinate that is time: the one that `System.space` does not take as places.

    Raises
    ------
    CaseError
        If the system has no state space, or leaves it open which coordinate is time.
    """
    if system.space is None:
        raise CaseError(explain(f"{system.name} is no model in time", "a system with a state space"))
    taken = inspect.signature(system.space).parameters
    left = [coordinate for coordinate in system.coordinates if coordinate.name not in taken]
    if len(left) != 1:
        given = f"{system.name}: space() does not take {', '.join(c.name for c in left) or 'a time'}"
        raise CaseError(explain(given, "every coordinate but that of time"))
    return left[0]


def state_space(system: System, plan: Plan) -> StateSpace:
    """Return the system's state space with the options, places and laws of an experiment."""
    time, taken = time_of(system), inspect.signature(system.space).parameters  # type: ignore[arg-type]
    if time.name not in plan.data.coordinates:
        given = f"the data have no column {time.name!r}"
        raise CaseError(explain(given, f"readings along {time.name!r}"))
    options: dict[str, Any] = {name: value for name, value in plan.options.items() if name in taken}
    along = {name: plan.data.coordinates[name] for name in _places(system, plan, time)}
    points = dict(zip(along, grid_of(along)[0].T, strict=True)) if along else {}
    space = system.space(**options, **points)  # type: ignore[misc]
    sources = {output: _source(space, system.output(output)) for output in plan.data.outputs}
    return space.with_laws({source: _law(plan, output) for output, source in sources.items()})


def stream_of(system: System, plan: Plan, space: StateSpace) -> Stream:
    """Return the readings of an experiment as observations of the sources of its state space."""
    time = time_of(system)
    times = plan.data.coordinates[time.name]
    along = {name: plan.data.coordinates[name] for name in _places(system, plan, time)}
    points, place = grid_of(along) if along else (np.zeros((1, 0)), np.zeros(times.size, dtype=int))
    made = []
    for name, readings in plan.seen.items():
        source, levels = _source(space, system.output(name)), _own_levels(plan, name)
        for now in np.unique(times):
            for rows in _vectors(np.flatnonzero(times == now), place, len(points)):
                shape = (len(points),) if along else ()
                value, noise = _at(readings, rows, np.nan), None if levels is None else _at(levels, rows, 1.0)
                noise = None if noise is None else noise.reshape(shape)
                made.append((Observation(now, source, name, value.reshape(shape), noise), rows))
    made.sort(key=lambda pair: (pair[0].time, pair[0].source))
    outputs = {_source(space, system.output(name)): system.output(name) for name in plan.data.outputs}
    stated = {source for source, output in outputs.items() if _own_levels(plan, output.name) is not None}
    return Stream(
        tuple(o for o, _ in made),
        tuple(rows for _, rows in made),
        outputs,
        time,
        tuple(c for c in system.coordinates if c.name in along),
        points if along else None,
        frozenset(stated),
    )


def _places(system: System, plan: Plan, time: Quantity) -> list[str]:
    """Return the measured coordinates that are not time."""
    return [c.name for c in system.coordinates if c.name in plan.data.coordinates and c is not time]


def _source(space: StateSpace, output: Quantity) -> str:
    for source, operator in space.observations.items():
        if operator.quantity == output.name:
            return source
    known = ", ".join(operator.quantity for operator in space.observations.values())
    hint = "what has no time is for `mscale fit`"
    raise CaseError(explain(f"no source of the state space reads {output.name!r}", known, hint))


def _vectors(rows: np.ndarray, place: np.ndarray, points: int) -> list[np.ndarray]:
    """Return the rows of one time as vectors over the points; a second reading of a point opens another."""
    vectors: list[np.ndarray] = []
    for row in rows:
        free = (vector for vector in vectors if vector[place[row]] < 0)
        vector = next(free, None)
        if vector is None:
            vector = np.full(points, -1)
            vectors.append(vector)
        vector[place[row]] = row
    return vectors


def _at(column: Array, rows: np.ndarray, missing: float) -> Array:
    return np.where(rows >= 0, column[rows], missing)


def _own_levels(plan: Plan, output: str) -> Array | None:
    """Return the standard deviation of each row, if the law has one for each."""
    level = getattr(plan.operators[output].law, "sd", None)
    return np.asarray(level, dtype=float) if isinstance(level, tuple) else None


def _law(plan: Plan, output: str) -> Law:
    law = plan.operators[output].law
    if _own_levels(plan, output) is None:
        return law
    if not (isinstance(law, Gaussian) and law.relative == 0.0):
        raise CaseError(explain(f"law of {output!r} with a level for each reading", "gaussian with sd alone"))
    return Gaussian(1.0)  # every observation states its own
