"""From the table of an experiment to a stream of observations in the order of time."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np

from mscale_uq.case.divisions import check_births, lineage_at
from mscale_uq.case.laws import plain_law
from mscale_uq.case.model import Plan
from mscale_uq.case.places import Places, read_along, readings_of
from mscale_uq.core.law import Law, ObservationOperator
from mscale_uq.core.observation import Observation
from mscale_uq.core.parameter import Array, Quantity
from mscale_uq.core.statespace import StateSpace
from mscale_uq.core.system import System
from mscale_uq.errors import CaseError, explain
from mscale_uq.filters.screen import Screen
from mscale_uq.io.measurements import Measurements
from mscale_uq.observe.counts import NegativeBinomial
from mscale_uq.observe.laws import Gaussian, StudentT


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
    places
        Source -> where its readings are.
    stated
        The sources whose every reading states its own standard deviation.
    screen
        Which readings are only compared, or censored.
    counted
        The sources whose readings are counts.
    """

    observations: tuple[Observation, ...]
    rows: tuple[np.ndarray, ...]
    outputs: Mapping[str, Quantity]
    time: Quantity
    places: Mapping[str, Places]
    stated: frozenset[str] = frozenset()
    screen: Screen = field(default_factory=Screen)
    counted: frozenset[str] = frozenset()

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
    # What readings bring along has no value of the model's own; NaN would tell if one were used.
    carried = {c.name for c in system.coordinates if c.carried}
    points = {name: np.array(np.nan) for name in carried & set(plan.data.coordinates) & set(taken)}
    for output in plan.data.outputs:
        found = readings_of(system, plan, output, time)[2]
        if found.points is not None:
            points |= dict(zip((c.name for c in found.along), found.points.T, strict=True))
            points |= lineage_at(system, plan, output, time)
    space = system.space(**options, **points)  # type: ignore[misc]
    check_births(plan, space)
    sources = {output: _source(space, system.output(output)) for output in plan.data.outputs}
    return space.with_laws({source: _law(plan, output) for output, source in sources.items()})


def stream_of(system: System, plan: Plan, space: StateSpace) -> Stream:
    """Return the readings of an experiment as observations of the sources of its state space."""
    time, made, places = time_of(system), [], {}
    times = plan.data.coordinates[time.name]
    for name, readings in plan.seen.items():
        source, levels = _source(space, system.output(name)), _own_levels(plan, name)
        here, place, found = readings_of(system, plan, name, time)
        places[source] = found = read_along(found, space.observations[source])
        for now in np.unique(times[here]):
            there = np.flatnonzero(here & (times == now))
            for rows in [there] if found.carried else _vectors(there, place, found.count):
                shape = () if found.points is None and not found.carried else (len(rows),)
                value, noise = _at(readings, rows, np.nan), None if levels is None else _at(levels, rows, 1.0)
                noise = None if noise is None else noise.reshape(shape)
                own = found.covariates(plan.data.coordinates, rows)
                one = Observation(now, source, name, value.reshape(shape), noise, covariates=own)
                made.append((one, rows))
    made.sort(key=lambda pair: (pair[0].time, pair[0].source))
    outputs = {_source(space, system.output(name)): system.output(name) for name in plan.data.outputs}
    stated = {source for source, output in outputs.items() if _own_levels(plan, output.name) is not None}
    return Stream(
        tuple(o for o, _ in made),
        tuple(rows for _, rows in made),
        outputs,
        time,
        places,
        frozenset(stated),
        counted=frozenset(s for s, o in space.observations.items() if isinstance(o.law, NegativeBinomial)),
    )


def joined(plans: Sequence[Plan]) -> Plan:
    """Return several experiments as one, whose table has their rows one behind the other.

    Raises
    ------
    CaseError
        If they measure one output twice, have different options, or bind a parameter in two ways.
    """
    if len(plans) == 1:
        return plans[0]
    _check_alike(plans)
    outputs = dict.fromkeys(name for plan in plans for name in plan.data.outputs)
    coordinates = dict.fromkeys(name for plan in plans for name in plan.data.coordinates)
    return replace(
        plans[0],
        name=" and ".join(plan.name for plan in plans),
        files=tuple(file for plan in plans for file in plan.files),
        data=Measurements(
            {name: _behind(plans, [p.data.coordinates.get(name) for p in plans]) for name in coordinates},
            {name: _behind(plans, [p.data.outputs.get(name) for p in plans]) for name in outputs},
            files={name: file for plan in plans for name, file in plan.data.files.items()},
        ),
        operators={name: _among(plans, plan, one) for plan in plans for name, one in plan.operators.items()},
        targets={name: target for plan in reversed(plans) for name, target in plan.targets.items()},
        levels=frozenset(name for plan in plans for name in plan.levels),
        bindings={name: one for plan in plans for name, one in plan.bindings.items()},
        held={
            name: _behind(plans, [p.held.get(name) for p in plans]) == 1
            for name in dict.fromkeys(name for plan in plans for name in plan.held)
        },
    )


def _check_alike(plans: Sequence[Plan]) -> None:
    """Refuse experiments that are not of one system, or measure one output twice."""
    first, *others = plans
    for plan in others:
        if plan.options != first.options:
            raise CaseError(explain(f"{first.name!r} and {plan.name!r} have other options", "the same"))
        for name in plan.bindings.keys() & first.bindings.keys():
            if plan.bindings[name] != first.bindings[name]:
                raise CaseError(explain(f"{name!r} is not the same in {first.name!r} and {plan.name!r}"))
    measured = [name for plan in plans for name in plan.data.outputs]
    if len(set(measured)) < len(measured):
        given = f"{' and '.join(plan.name for plan in plans)} measure the same output"
        raise CaseError(explain(given, "different outputs", "put them into one experiment"))


def _behind(plans: Sequence[Plan], columns: Sequence[Array | None]) -> Array:
    """Return a column of all plans, NaN in the rows of those without it."""
    parts = []
    for plan, found in zip(plans, columns, strict=True):
        rows = len(next(iter(plan.data.coordinates.values())))
        parts.append(np.full(rows, np.nan) if found is None else found)
    return np.concatenate(parts)


def _among(plans: Sequence[Plan], mine: Plan, operator: ObservationOperator) -> ObservationOperator:
    """Return an operator of one plan for the rows of all: those of others have no level of their own."""
    law = operator.law
    if not (isinstance(law, Gaussian | StudentT) and isinstance(law.sd, tuple)):
        return operator
    sizes = [len(next(iter(plan.data.coordinates.values()))) for plan in plans]
    parts = [law.sd if plan is mine else np.ones(size) for plan, size in zip(plans, sizes, strict=True)]
    return replace(operator, law=replace(law, sd=tuple(np.concatenate(parts).tolist())))


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
    level = getattr(plain_law(plan.operators[output].law), "sd", None)
    return np.asarray(level, dtype=float) if isinstance(level, tuple) else None


def _law(plan: Plan, output: str) -> Law:
    law = plain_law(plan.operators[output].law)
    if _own_levels(plan, output) is None:
        return law
    if not (isinstance(law, Gaussian) and law.relative == 0.0):
        raise CaseError(explain(f"law of {output!r} with a level for each reading", "gaussian with sd alone"))
    return Gaussian(1.0)  # every observation states its own
