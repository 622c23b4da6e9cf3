"""`Replay`: an assimilation that takes late observations by going back and replaying.

A snapshot that was sequenced two weeks after it was taken belongs where it was taken: the filter is set back
to just before it, and everything since is assimilated again.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import attrgetter
from typing import Literal, final

import numpy as np

from mscale_uq.core.observation import Observation
from mscale_uq.errors import DataError, InputError, explain
from mscale_uq.filters.identity import check_same, identity
from mscale_uq.filters.loop import Assimilation
from mscale_uq.filters.records import StepInfo, Verdict

LATE = ("replay", "drop", "error")


@final
@dataclass(frozen=True)
class Replay:
    """An assimilation with its history; `add` returns a new one.

    Attributes
    ----------
    start
        The assimilation before any observation.
    late
        What happens to an observation that is not later than the last: replay it in its place, drop it, or
        raise.
    history
        How far back, in the time unit of the state space, it can be replayed; states and observations before
        that are forgotten.
    marks
        The assimilation after each analysis time within the history, in order.
    log
        The observations within the history, in order.
    """

    start: Assimilation
    late: Literal["replay", "drop", "error"] = "replay"
    history: float = np.inf
    marks: tuple[Assimilation, ...] = field(default=())
    log: tuple[Observation, ...] = field(default=())

    def __post_init__(self) -> None:
        if self.late not in LATE or not self.history >= 0:
            raise InputError(
                explain(f"late = {self.late!r}, history = {self.history}", f"{', '.join(LATE)}; zero or more")
            )

    @property
    def now(self) -> Assimilation:
        """The assimilation after the latest observation."""
        return self.marks[-1] if self.marks else self.start

    def add(self, *observations: Observation) -> tuple["Replay", tuple[StepInfo, ...]]:
        """Return the assimilation with further observations, in any order, and what each step did.

        The steps are those that were made anew, so that they replace earlier ones of the same times; an
        observation that was not taken in has a step of its own with the verdict `TOO_LATE` or `DUPLICATE`.
        A stream may deliver more than once: an observation with the source and the `record` of another within
        the history is a duplicate, and, without a record, one that says the same as another. So replicates
        need a record each.

        Raises
        ------
        DataError
            If an observation is late and `late` is ``"error"``, or two of one record say different things,
            their time among them.
        """
        fresh: list[Observation] = []
        refused = []
        for o in observations:
            earlier = next((e for e in (*self._rivals(o), *fresh) if identity(e) == identity(o)), None)
            if earlier is not None:
                check_same(earlier, o)
                refused.append(_refusal(o, Verdict.DUPLICATE))
            elif self._accepts(o):
                fresh.append(o)
            else:
                refused.append(_refusal(o, Verdict.TOO_LATE))
        if not fresh:
            return self, tuple(refused)
        first = min(o.time for o in fresh)
        kept = tuple(mark for mark in self.marks if mark.state.time < first)
        log = sorted((*self.log, *fresh), key=_place)
        marks, infos = self._replayed(kept, [o for o in log if o.time >= first])
        return replace(self, marks=marks, log=tuple(log))._forgotten(), (*refused, *infos)

    def _rivals(self, new: Observation) -> tuple[Observation, ...]:
        """Return what of the log may be the same: of the same record, or, without one, at the same time."""
        if new.record:
            return tuple(o for o in self.log if o.record == new.record)
        first, last = (cut(self.log, new.time, key=attrgetter("time")) for cut in (bisect_left, bisect_right))
        return self.log[first:last]

    def _accepts(self, observation: Observation) -> bool:
        if observation.time > self.now.state.time or (
            not self.marks and observation.time == self.start.state.time
        ):
            return True
        if self.late == "error":
            given = f"{observation.source}: observation at {observation.time:g}, late by the last one"
            raise DataError(explain(given, "times in order", 'late = "replay" takes it in its place'))
        return self.late == "replay" and observation.time >= self._oldest()

    def _oldest(self) -> float:
        return max(self.start.state.time, self.now.state.time - self.history)

    def _replayed(
        self, kept: tuple[Assimilation, ...], log: Iterable[Observation]
    ) -> tuple[tuple[Assimilation, ...], list[StepInfo]]:
        marks, infos = list(kept), []
        for _, together in groupby(log, key=lambda observation: observation.time):
            now, info = (marks[-1] if marks else self.start).update(*together)
            marks.append(now)
            infos.append(info)
        return tuple(marks), infos

    def _forgotten(self) -> "Replay":
        """Drop what lies before the history; the newest mark before it becomes the start."""
        oldest = self.now.state.time - self.history
        before = [mark for mark in self.marks if mark.state.time < oldest]
        if not before:
            return self
        marks = self.marks[len(before) :]
        return replace(
            self, start=before[-1], marks=marks, log=tuple(o for o in self.log if o.time >= oldest)
        )


def _place(observation: Observation) -> tuple[float, str, str]:
    """Order by time, then by name: the order of arrival must not matter, not even by round-off."""
    return observation.time, observation.source, observation.quantity


def _refusal(observation: Observation, why: Verdict) -> StepInfo:
    m = observation.value.size
    nothing, verdicts = np.full(m, np.nan), np.full(m, why)
    said = why.name.lower().replace("_", " ")
    sources = (observation.source,) * m
    return StepInfo(observation.time, sources, nothing, np.full((m, m), np.nan), 0.0, verdicts, said)
