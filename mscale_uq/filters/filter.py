"""`Filter`: what every filter is, frozen settings with three pure methods."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from mscale_uq.core.observation import Observation
from mscale_uq.core.stage import Values
from mscale_uq.core.statespace import StateSpace
from mscale_uq.filters.records import StepInfo

State = Any  # each filter's own record: GaussianState, FactorState, EnsembleState


class Filter(ABC):
    """Settings of a filter; a child is a frozen dataclass.

    `values` are what `StateSpace.prepare(theta)` returned, `key` the counter of all random numbers. What a
    step adds at random is either drawn by `Dynamics.step` or stated by `Dynamics.noise`, never both: an
    ensemble filter draws the stated noise and adds it, a Gaussian filter adds its covariance.

    Raises
    ------
    CovarianceError
        If a covariance stops being positive; it carries the time of the step.
    SolveFailed, Infeasible, NoGradient
        From the model.
    """

    @abstractmethod
    def init(self, space: StateSpace, values: Values, key: int = 0) -> State:
        """Return the state at `space.start`."""

    @abstractmethod
    def forecast(self, space: StateSpace, values: Values, state: State, time: float, key: int = 0) -> State:
        """Return the state moved to `time`; the same state if it is there already."""

    @abstractmethod
    def analyse(
        self,
        space: StateSpace,
        values: Values,
        state: State,
        observations: Sequence[Observation],
        key: int = 0,
    ) -> tuple[State, StepInfo]:
        """Return the state given all observations, jointly; they are at the state's time."""
