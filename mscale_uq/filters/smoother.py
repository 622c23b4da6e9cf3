"""Smoothers: what the readings say about earlier states, for every filter that can go back.

Source: H. E. Rauch, F. Tung, C. T. Striebel, AIAA J. 3 (1965) 1445-1450, doi:10.2514/3.3166.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, final

from numpy.typing import ArrayLike

from mscale_uq.core.observation import Observation
from mscale_uq.core.stage import Values
from mscale_uq.core.statespace import StateSpace
from mscale_uq.errors import InputError, ParameterError, explain
from mscale_uq.filters.apart import numbered
from mscale_uq.filters.filter import Filter, State
from mscale_uq.filters.loop import check_order, prepared, simultaneous
from mscale_uq.filters.smoothable import Passage, Smoothable


class Passed(NamedTuple):
    """One analysis time of the forward pass: the filtered state, and the forecast that led to it."""

    filtered: State
    passage: Passage | None


def smooth(
    filter: Smoothable,
    space: StateSpace,
    theta: "Values | dict[str, ArrayLike]",
    stream: Iterable[Observation],
    key: int = 0,
) -> list[State]:
    """Return the state at each analysis time given the whole stream.

    Raises
    ------
    DataError
        As `filters.loop.run`.
    """
    return backward([passed for passed, _ in _forward(filter, space, theta, stream, key)])


@final
@dataclass(frozen=True)
class FixedLag:
    """Smooths within a moving window.

    Attributes
    ----------
    filter
        A Gaussian filter, in square-root form or not.
    lag
        Length of the window, in the time unit of the state space.
    """

    filter: Smoothable
    lag: float

    def __post_init__(self) -> None:
        if not self.lag >= 0:
            raise ParameterError(explain(f"FixedLag: lag = {self.lag}", "zero or more"))

    def run(
        self,
        space: StateSpace,
        theta: "Values | dict[str, ArrayLike]",
        stream: Iterable[Observation],
        key: int = 0,
    ) -> Iterator[tuple[State, State]]:
        """Yield, at each analysis time, the filtered state now and the smoothed one at the window's begin.

        The window begins at the first analysis time that is not more than `lag` ago.
        """
        window: list[Passed] = []
        for passed, now in _forward(self.filter, space, theta, stream, key):
            window = [p for p in (*window, passed) if p.filtered.time >= now - self.lag]
            yield passed.filtered, backward(window)[0]


def backward(passes: Sequence[Passed]) -> list[State]:
    """Return the smoothed states of consecutive analysis times, from the last to the first and in order."""
    smoothed: list[Any] = [passes[-1].filtered]
    for here, after in zip(passes[-2::-1], passes[:0:-1], strict=True):
        assert after.passage is not None  # later than its predecessor, so it was forecast
        smoothed.append(after.passage.back(here.filtered, smoothed[-1]))
    return smoothed[::-1]


def _forward(
    filter: Filter,
    space: StateSpace,
    theta: "Values | dict[str, ArrayLike]",
    stream: Iterable[Observation],
    key: int,
) -> Iterator[tuple[Passed, float]]:
    if not isinstance(filter, Smoothable):
        allowed = "Kalman, SquareRootKalman, ExtendedKalman, SigmaPointKalman, LaplaceKalman"
        raise InputError(explain(f"smoothing by {type(filter).__name__}", allowed))
    values = prepared(space, theta)
    state = filter.init(space, values, key)
    for together in simultaneous(stream):
        time, passage = together[0].time, None
        check_order(state.time, time)
        if time != state.time:
            passage = filter.passage(space, values, state, time, key)
            state = passage.state
        observations = numbered(space, values, together)
        state, _ = filter.analyse(space, values, state, observations, key)
        yield Passed(state, passage), time
