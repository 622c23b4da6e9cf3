"""`follow`: a filter, and its smoother if wanted, along a whole stream, every step told in numbers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike

from mscale_uq.core.observation import Observation
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Named, Values
from mscale_uq.core.statespace import StateSpace
from mscale_uq.errors import InputError, explain
from mscale_uq.filters.apart import numbered
from mscale_uq.filters.augment import unknown_values
from mscale_uq.filters.enks import EnKS
from mscale_uq.filters.ensemble import EnsembleKalman
from mscale_uq.filters.estimate import deviation, expected_readings
from mscale_uq.filters.filter import Filter
from mscale_uq.filters.loop import prepared, simultaneous, start
from mscale_uq.filters.records import StepInfo, Verdict
from mscale_uq.filters.smoothable import Smoothable
from mscale_uq.filters.smoother import smooth
from mscale_uq.filters.whole import WholeStream

REACH = 1.959963984540054  # standard deviations that hold 95 % of a normal law


@final
@dataclass(frozen=True)
class Estimate:
    """What one state says.

    Attributes
    ----------
    mean, sd
        Of the state, ``(n,)``.
    reading, reading_sd
        Of what is read at this time without its noise, ``(m,)``; empty before the first analysis, NaN where
        the model cannot say.
    learned
        Learned parameter -> ends and middle of its 95 % interval, ``(3, *shape)``: lower, median, upper.
    """

    mean: Array
    sd: Array
    reading: Array
    reading_sd: Array
    learned: Named


@final
@dataclass(frozen=True)
class Followed:
    """A stream that was taken in: an entry per analysis time.

    Attributes
    ----------
    first
        Before any reading.
    filtered, smoothed
        Given the readings up to each time (all, for `WholeStream`); given all, or those within the lag, or
        None if that was not asked for.
    infos
        What each analysis did.
    """

    first: Estimate
    filtered: tuple[Estimate, ...]
    smoothed: tuple[Estimate, ...] | None
    infos: tuple[StepInfo, ...]


def follow(
    filter: Filter | WholeStream,
    space: StateSpace,
    theta: "Values | dict[str, ArrayLike]",
    stream: Sequence[Observation],
    look_back: bool = False,
    key: int = 0,
    lag: int | None = None,
) -> Followed:
    """Return every step of a filter along a stream that is ordered in time.

    With `look_back` earlier states are corrected by later readings too: by the Rauch-Tung-Striebel smoother
    for Gaussian filters, by the ensemble Kalman smoother for ensembles, over the whole stream or, with `lag`,
    over so many analysis times. `WholeStream` does nothing else.

    Raises
    ------
    InputError
        If the filter has no smoother.
    """
    values = prepared(space, theta)
    groups = [numbered(space, values, together) for together in simultaneous(stream)]
    if isinstance(filter, WholeStream):
        return _at_once(filter, space, values, groups, key)
    window = len(groups) if lag is None else lag
    now = start(_with_memory(filter, window) if look_back else filter, space, theta, key)
    first = estimate(space, now.values, now.state, ())
    filtered, infos, past = [], [], {}
    for together in groups:
        now, info = now.update(*together)
        past.update({state.time: state for state in getattr(now.state, "past", ())})
        filtered.append(estimate(space, now.values, now.state, together))
        infos.append(checked(info, filtered[-1]))
    if not look_back:
        return Followed(first, tuple(filtered), None, tuple(infos))
    if isinstance(filter, Smoothable):
        states: Sequence[Any] = smooth(filter, space, theta, stream, key)
    else:
        states = list(past.values())
    smoothed = [
        estimate(space, now.values, state, together) for state, together in zip(states, groups, strict=True)
    ]
    return Followed(first, tuple(filtered), tuple(smoothed), tuple(infos))


def estimate(space: StateSpace, values: Values, state: Any, observations: Sequence[Observation]) -> Estimate:
    """Return what a state says, also about the readings of some observations at its time."""
    sd, nothing = deviation(state), np.zeros(0)
    pair = expected_readings(space, values, state, observations) if observations else (nothing, nothing)
    ends = state.mean + np.outer([-REACH, 0.0, REACH], sd)
    return Estimate(state.mean, sd, *pair, unknown_values(space, ends))


def _at_once(
    filter: WholeStream, space: StateSpace, values: Values, groups: Sequence[Sequence[Observation]], key: int
) -> Followed:
    taken = filter.take_in(space, values, groups, key)
    pairs = zip(taken.smoothed, groups, strict=True)
    after = tuple(estimate(space, values, state, together) for state, together in pairs)
    infos = tuple(checked(info, one) for info, one in zip(taken.infos, after, strict=True))
    return Followed(estimate(space, values, taken.first, ()), after, after, infos)


def checked(info: StepInfo, after: Estimate) -> StepInfo:
    """Return the record with the verdict on readings that the model cannot make at the state they led to."""
    failed = np.isnan(after.reading)
    if not failed.any():
        return info
    verdicts = info.verdicts.copy()
    verdicts[failed & (verdicts == Verdict.USED)] = Verdict.USED_POSTERIOR_FAILED
    verdicts[failed & (verdicts == Verdict.EVALUATED)] = Verdict.EVALUATED_POSTERIOR_FAILED
    return replace(info, verdicts=verdicts)


def _with_memory(filter: Filter, times: int) -> Filter:
    """Return the filter that can look back over a whole stream."""
    if isinstance(filter, Smoothable):
        return filter
    if isinstance(filter, EnsembleKalman):
        return EnKS(filter, times)
    raise InputError(explain(f"{type(filter).__name__} does not look back", "a Gaussian or ensemble filter"))
