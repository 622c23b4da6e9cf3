"""`Redrawn`: state variables that forget at once, such as the level of the dish that is taken away now."""

import math
from collections.abc import Mapping
from typing import final

import numpy as np

from mscale_uq.core.linear_dynamics import NOTHING, Intervals, LinearDynamics, Transition
from mscale_uq.core.parameter import Quantity
from mscale_uq.core.stage import Values


@final
class Redrawn(LinearDynamics):
    """Scalars that are drawn anew over any time, independently, from one normal law.

    Parameters
    ----------
    name, state
        As in `Dynamics`.
    mean, variance
        Names of the values that say the law.
    """

    def __init__(self, name: str, state: tuple[Quantity, ...], mean: str, variance: str) -> None:
        self.name, self.state, self.inputs = name, state, (mean, variance)
        self.shapes: Mapping[str, tuple[int, ...]] = {}
        self.autonomous = True

    def transitions(self, intervals: Intervals, values: Values) -> list[Transition]:
        """Return the same for every interval: nothing is kept."""
        n, (mean, variance) = self.size, (float(values[name]) for name in self.inputs)
        one = Transition(np.zeros((n, n)), np.full(n, mean), variance * np.eye(n))
        return [one] * len(intervals)

    def linearize_transitions(
        self, intervals: Intervals, values: Values
    ) -> list[tuple[Transition, dict[str, Transition]]]:
        """Return the same with its derivatives to mean and variance."""
        n = self.size
        F, none, Q = np.zeros((n, n)), np.zeros(n), np.zeros((n, n))
        mean, variance = self.inputs
        slopes = {mean: Transition(F, np.ones(n), Q), variance: Transition(F, none, np.eye(n))}
        return [(one, slopes) for one in self.transitions(intervals, values)]

    def blocks(self, time: float = -math.inf, values: Values = NOTHING) -> tuple[np.ndarray, ...]:
        """Return each of them."""
        return (np.arange(self.size)[:, None],)

    def block_rows(self, start: float, stop: float, values: Values, count: int) -> list[Transition]:
        """Return what draws one of them anew."""
        whole = self.transition_rows(start, stop, values, count)
        return [Transition(whole.F[:, :1, :1], whole.b[:, :1], whole.Q[:, :1, :1])]
