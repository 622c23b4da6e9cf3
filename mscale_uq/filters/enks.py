"""The ensemble Kalman smoother: each reading also corrects the members' recent past."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from mscale_uq.core.observation import Observation
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Values
from mscale_uq.core.statespace import StateSpace
from mscale_uq.errors import InputError, explain
from mscale_uq.filters.ensemble import EnsembleKalman
from mscale_uq.filters.filter import Filter
from mscale_uq.filters.records import EnsembleState, StepInfo


@final
@dataclass(frozen=True)
class LaggedState:
    """Members now ``(N, n)`` and, in `past`, at the latest analysis times, given all readings up to now."""

    time: float
    members: Array
    past: tuple[EnsembleState, ...] = ()
    lost: int = 0

    @property
    def now(self) -> EnsembleState:
        """The present alone."""
        return EnsembleState(self.time, self.members, lost=self.lost)

    @property
    def mean(self) -> Array:
        """Mean ``(n,)`` of the present."""
        return self.now.mean

    @property
    def cov(self) -> Array:
        """Covariance ``(n, n)`` of the present."""
        return self.now.cov


@final
@dataclass(frozen=True)
class EnKS(Filter):
    """A fixed-lag smoother around an ensemble Kalman filter, whose present it leaves as it is.

    Attributes
    ----------
    filter
        The filter; its analysis acts on past and present together, its inflation on the present alone.
    lag
        How many analysis times back a reading acts.

    Raises
    ------
    InputError
        If the lag is negative.

    Source: G. Evensen and P. J. van Leeuwen, Mon. Wea. Rev. 128 (2000) 1852-1867,
    doi:10.1175/1520-0493(2000)128<1852:AEKSFN>2.0.CO;2.
    """

    filter: EnsembleKalman
    lag: int = 10

    def __post_init__(self) -> None:
        if self.lag < 0:
            raise InputError(explain(f"lag = {self.lag}", "0 or more analysis times"))

    def init(self, space: StateSpace, values: Values, key: int = 0) -> LaggedState:
        """Return draws of the initial law, without a past."""
        first = self.filter.init(space, values, key)
        return LaggedState(first.time, first.members)

    def forecast(
        self, space: StateSpace, values: Values, state: LaggedState, time: float, key: int = 0
    ) -> LaggedState:
        """Return the members at `time`; the past stays."""
        there = self.filter.forecast(space, values, state.now, time, key)
        return LaggedState(time, there.members, state.past, there.lost)

    def analyse(
        self,
        space: StateSpace,
        values: Values,
        state: LaggedState,
        observations: Sequence[Observation],
        key: int = 0,
    ) -> tuple[LaggedState, StepInfo]:
        """Return past and present given all readings, jointly; the present joins the past."""
        past = np.hstack([np.empty((len(state.members), 0)), *(earlier.members for earlier in state.past)])
        members, columns, info = self.filter.update(space, values, state.now, past, observations, key)
        cuts = np.split(columns, len(state.past), axis=1) if state.past else []
        smoothed = [EnsembleState(earlier.time, rows) for earlier, rows in zip(state.past, cuts, strict=True)]
        kept = (*smoothed, EnsembleState(state.time, members))[-self.lag :] if self.lag else ()
        return LaggedState(state.time, members, kept), info
