"""`NoisyCells`: cells that are followed under any network of reactions, by its linear noise.

The mean of all cells obeys the mean field, dm = S a(m) dt. A cell is the mean and a normal deviation from it.
The deviation is moved by the derivative of the mean field along the mean, dF = J F dt, and gains what the
covariance gains from zero, dQ = (J Q + Q J' + S diag(a) S') dt. So a cell's numbers are affine in what they
were, whatever the rates. Where these are linear, mean and covariance are exact (`macro.cells.FollowedCells`
is the same then, and has derivatives); elsewhere they are right in the limit of many molecules.

Source: M. Komorowski, B. Finkenstädt, C. V. Harper, D. A. Rand, BMC Bioinformatics 10 (2009) 343,
doi:10.1186/1471-2105-10-343 (inference under linear noise).
"""

from collections.abc import Mapping
from math import inf
from typing import final

import numpy as np

from mscale_uq.core.linear_dynamics import NOTHING, Intervals, LinearDynamics, Transition, alike
from mscale_uq.core.parameter import Array, Quantity
from mscale_uq.core.stage import Values
from mscale_uq.errors import InputError, NoGradient, explain
from mscale_uq.macro.linear_noise import linear_noise
from mscale_uq.macro.network import ReactionNetwork


@final
class NoisyCells(LinearDynamics):
    """The numbers of molecules in each of a few cells: state variables ``<species>`` of shape ``(cells,)``.

    Parameters
    ----------
    network
        The reactions in every cell.
    cells
        How many are followed.
    first
        Numbers of molecules in every cell at `begin`; zero of what is not named.
    begin
        When the cells start from these numbers.

    Raises
    ------
    InputError
        When moved: if an interval starts before the cells do.
    SolveFailed
        When moved: if the integration gives up.
    """

    def __init__(
        self,
        network: ReactionNetwork,
        cells: int,
        first: Mapping[str, float] | None = None,
        begin: float = 0.0,
    ) -> None:
        self.name = f"cells of {network.name}"
        self.state = tuple(
            Quantity(s.name, s.unit, s.meaning, shape=(cells,), tracked=True) for s in network.species
        )
        self.inputs = network.parameters
        self.shapes: Mapping[str, tuple[int, ...]] = {}
        self.autonomous = False
        self._network, self._cells, self._begin = network, cells, float(begin)
        self._first = np.array([float((first or {}).get(s.name, 0.0)) for s in network.species])
        self._noise = linear_noise(network)
        self._one = self if cells == 1 else NoisyCells(network, 1, first, begin)

    def transitions(self, intervals: Intervals, values: Values) -> list[Transition]:
        """Return F, b and Q of each interval, for all cells."""
        p = self._noise.vector(values)
        return [alike(Transition(*self._move(start, stop, p)), self._cells) for start, stop in intervals]

    def blocks(self, time: float = -inf, values: Values = NOTHING) -> tuple[np.ndarray, ...]:
        """Return each cell."""
        return (np.arange(self.size).reshape(-1, self._cells).T,)

    def block_rows(self, start: float, stop: float, values: Values, count: int) -> list[Transition]:
        """Return what moves a cell."""
        return [self._one.transition_rows(start, stop, values, count)]

    def linearize_transitions(
        self, intervals: Intervals, values: Values
    ) -> list[tuple[Transition, dict[str, Transition]]]:
        """Refuse: F and Q are derivatives and covariances themselves.

        Raises
        ------
        NoGradient
            Always.
        """
        hint = "a Gaussian sum or an ensemble learns rates without derivatives"
        raise NoGradient(explain(f"{self.name}: derivatives of linear noise along a path", hint=hint))

    def _move(self, start: float, stop: float, p: Array) -> tuple[Array, Array, Array]:
        """Return F ``(n, n)``, b and Q of one cell."""
        mean = self._mean_at(start, p)
        moments, n = self._sure(mean), len(mean)
        path = self._noise.path(moments, p, start, [stop])
        F = path.tangents(np.eye(moments.size, n), np.zeros((p.size, n)))[-1][:n]
        after, Q, rows = path.at_stops[-1], np.zeros((n, n)), np.tril_indices(n)
        Q[rows] = Q.T[rows] = after[n:]
        return F, after[:n] - F @ mean, Q

    def _mean_at(self, time: float, p: Array) -> Array:
        if time < self._begin:
            raise InputError(explain(f"cells moved from {time:g}", f"{self._begin:g} or later"))
        if time == self._begin:
            return self._first
        path = self._noise.path(self._sure(self._first), p, self._begin, [time])
        return path.at_stops[-1][: len(self._first)]

    @staticmethod
    def _sure(mean: Array) -> Array:
        """Return the moments of numbers that are known."""
        n = len(mean)
        return np.concatenate([mean, np.zeros(n * (n + 1) // 2)])
