"""The loop over a stream: `run` for all of it, `Assimilation` for one step at a time."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from mscale_uq.core.observation import Observation
from mscale_uq.core.stage import Named, Values
from mscale_uq.core.statespace import StateSpace
from mscale_uq.errors import DataError, ParameterError, explain, near_match
from mscale_uq.filters.apart import numbered
from mscale_uq.filters.filter import Filter, State
from mscale_uq.filters.identity import once
from mscale_uq.filters.records import StepInfo


@final
@dataclass(frozen=True)
class Assimilation:
    """A filter on a model at given parameter values, at one moment; every method returns a new one.

    Attributes
    ----------
    filter, space
        The settings and the model.
    values
        What `StateSpace.prepare` returned.
    state
        The filter's record, with its `time`.
    key
        Counter of all random numbers.
    taken
        Sources that tell readings of one time apart and have been read at the state's own time.
    """

    filter: Filter
    space: StateSpace
    values: Values
    state: State
    key: int = 0
    taken: frozenset[str] = frozenset()

    def predict_to(self, time: float) -> "Assimilation":
        """Return the forecast at `time`.

        Raises
        ------
        DataError
            If the time is before the state's.
        """
        check_order(self.state.time, time)
        state = self.filter.forecast(self.space, self.values, self.state, float(time), self.key)
        return replace(self, state=state, taken=self._taken_at(time))

    def update(self, *observations: Observation) -> tuple["Assimilation", StepInfo]:
        """Return the state given further observations, all at one time, and what happened.

        Of several with the same source and `record` the first is used, the others are duplicates.

        Raises
        ------
        DataError
            If the observations are at different times or before the state's, two of one record differ, or
            more are to be told apart than the source does, all of a time being in one update.
        """
        time = _common_time(observations)
        if len(observations) > 1:
            observations = once(observations)
        observations = numbered(self.space, self.values, observations)
        check_order(self.state.time, time)
        taken = self._taken_with(observations, self._taken_at(time))
        there = self.filter.forecast(self.space, self.values, self.state, time, self.key)
        state, info = self.filter.analyse(self.space, self.values, there, observations, self.key)
        return replace(self, state=state, taken=taken), info

    def _taken_at(self, time: float) -> frozenset[str]:
        return self.taken if time == self.state.time else frozenset()

    def _taken_with(self, observations: tuple[Observation, ...], before: frozenset[str]) -> frozenset[str]:
        """Return what is taken after an update; a second one would take other readings for those before."""
        apart = {source for source, operator in self.space.observations.items() if operator.apart}
        here = apart & {one.source for one in observations}
        again = sorted(here & before)
        if again:
            given = f"{again[0]}: a second update at time {observations[0].time:g}"
            raise DataError(explain(given, "all readings of one time in one update", "`replay.Replay` does"))
        return before | here


def start(
    filter: Filter, space: StateSpace, theta: "Values | dict[str, ArrayLike]", key: int = 0
) -> Assimilation:
    """Return the assimilation at `space.start`, before any observation."""
    values = prepared(space, theta)
    return Assimilation(filter, space, values, filter.init(space, values, key), key)


def prepared(space: StateSpace, theta: "Values | dict[str, ArrayLike]") -> Named:
    """Return every named value a filter needs: those of the model, and the unknowns its laws read.

    Raises
    ------
    ParameterError
        If a parameter, or a name that a law reads, is not in `theta`.
    """
    given = {name: np.asarray(value, dtype=float) for name, value in theta.items()}
    values = space.prepare(given)
    for source, operator in space.observations.items():
        made = operator.stage.outputs if operator.stage else ()
        for name in set(operator.law.reads) - set(values) - set(made):
            if name not in given:
                hint = near_match(name, given)
                raise ParameterError(explain(f"no value for {name!r}, read by the law of {source!r}{hint}"))
            values[name] = given[name]
    return values


def run(
    filter: Filter,
    space: StateSpace,
    theta: "Values | dict[str, ArrayLike]",
    stream: Iterable[Observation],
    key: int = 0,
) -> Iterator[tuple[State, StepInfo]]:
    """Yield the state and the record of each analysis time of a stream that is ordered in time.

    Observations at equal times are assimilated jointly.

    Raises
    ------
    DataError
        If an observation is earlier than its predecessor.
    """
    now = start(filter, space, theta, key)
    for together in simultaneous(stream):
        now, info = now.update(*together)
        yield now.state, info


def check_order(now: float, time: float) -> None:
    """Refuse a time before the state's."""
    if not time >= now:
        raise DataError(
            explain(f"time {time:g}", f"{now:g} or later", "sort the stream; late data need `replay.Replay`")
        )


def simultaneous(stream: Iterable[Observation]) -> Iterator[tuple[Observation, ...]]:
    """Yield the observations of a stream in groups of equal time."""
    for _, group in groupby(stream, key=lambda observation: observation.time):
        yield tuple(group)


def _common_time(observations: tuple[Observation, ...]) -> float:
    times = {observation.time for observation in observations}
    if len(times) != 1:
        raise DataError(
            explain(f"observations at times {sorted(times)}", "one time, at least one observation")
        )
    return times.pop()
