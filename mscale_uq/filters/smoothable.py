"""What a filter must tell so that a smoother can go back over its steps."""

from abc import ABC, abstractmethod
from typing import Any

from mscale_uq.core.stage import Values
from mscale_uq.core.statespace import StateSpace
from mscale_uq.filters.filter import Filter, State


class Passage(ABC):
    """A forecast that can be gone back over.

    Attributes
    ----------
    state
        The forecast state.
    """

    state: State

    @abstractmethod
    def back(self, here: Any, after: Any) -> Any:
        """Return the smoothed state at the begin, from the filtered one there and the smoothed one after."""


class Smoothable(Filter):
    """A filter whose forecasts can be gone back over."""

    @abstractmethod
    def passage(self, space: StateSpace, values: Values, state: Any, time: float, key: int = 0) -> Passage:
        """Return the forecast to a later time, with what is needed to go back."""
