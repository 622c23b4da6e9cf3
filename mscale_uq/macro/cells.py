"""Cells of one population that are followed in time, and the moments of all of them.

Every cell runs the same reactions from the same numbers of molecules. What a cell's numbers gain at random in
an interval has the covariance that the population's would gain from zero, starting from the population's mean
at the interval's start; so the noise depends on the time since the beginning.
"""

from collections.abc import Callable, Collection, Mapping
from copy import copy
from math import inf
from typing import Any, NamedTuple, final

import numpy as np

from mscale_uq.core.dynamics import initial_name
from mscale_uq.core.formula import Formula
from mscale_uq.core.linear_dynamics import NOTHING, Intervals, LinearDynamics, Transition, alike, leading
from mscale_uq.core.parameter import Array, Quantity
from mscale_uq.core.stage import MatrixLinearization, Named, Stage, Values
from mscale_uq.errors import InputError, explain
from mscale_uq.macro.linear_sde import LinearSDE, law_rows
from mscale_uq.macro.moments import MomentLaw, moment_state
from mscale_uq.solve.affine_path import affine_path
from mscale_uq.solve.van_loan import Discrete, discretise_rows, discretise_tangents

Law = tuple[Array, Array, Array]  # A, c and G of the moments, one behind the other for many sets of rates


class Moves(NamedTuple):
    """Moments ``(T + 1, nz)`` and, for each of T intervals, F ``(T, n, n)``, b and Q of one cell.

    The derivatives are the same behind one axis of k scalar rates.
    """

    moments: Array
    F: Array
    b: Array
    Q: Array


@final
class Population:
    """Reactions with linear rates in every cell of a population.

    Parameters
    ----------
    species
        What is counted in a cell; scalars.
    stoichiometry, rates
        As in `MomentLaw`; the rates read scalars.
    first
        Numbers of molecules in every cell at `begin`.
    begin
        When the cells start from these numbers.
    """

    def __init__(
        self,
        species: tuple[Quantity, ...],
        stoichiometry: Any,
        rates: Callable[..., Any],
        first: tuple[float, ...] | None = None,
        begin: float = 0.0,
    ) -> None:
        self.species = species
        self.law = MomentLaw(stoichiometry, rates)
        self.formula = Formula(self.law, ("A", "c", "G"), f"moments of {rates.__name__}")
        self.moving = self.formula.inputs
        self.first = np.zeros(len(species)) if first is None else np.asarray(first, dtype=float)
        self.begin = float(begin)

    def moved_by(self, names: Collection[str]) -> "Population":
        """Return the population whose derivatives are taken along these rates alone."""
        here = copy(self)
        here.formula = self.formula.moved_by(names)
        here.moving = tuple(name for name in self.formula.inputs if name in names)
        return here

    def moments(self) -> LinearSDE:
        """Return the dynamics of means and covariances, `moment_state`; it adds no noise."""
        return LinearSDE("moments of the population", moment_state(self.species), self.formula)

    def start(self) -> dict[str, Array]:
        """Return the initial values of the state variables of `moments`, and of `FollowedCells`."""
        z, state = self._z(), moment_state(self.species)
        named = {initial_name(v.name): np.asarray(z[k]) for k, v in enumerate(state)}
        return named | {initial_name(s.name): np.asarray(self.first[k]) for k, s in enumerate(self.species)}

    def moves(self, times: Array, values: Values, still: bool = False) -> tuple[Moves, Moves]:
        """Return what leads from each of the times ``(T + 1,)`` to the next, and its derivatives.

        The times increase from `begin`, where all cells are alike. With `still` there are no derivatives.
        """
        A, c, G, tangents = self.linearized(values, still)
        lengths, which = np.unique(np.round(np.diff(times), 12), return_inverse=True)
        pairs = [discretise_tangents(A, c, G, tangents, length) for length in lengths]
        F, b, dF, db = (
            np.stack(part)
            for part in zip(*((now.F, now.b, moved.F, moved.b) for now, moved in pairs), strict=True)
        )
        path, d_path = np.empty((len(times), len(c))), np.empty((len(times), len(tangents.F), len(c)))
        affine_path(self._z(), F, b, dF, db, np.ravel(which), path, d_path)
        return self._cell(F, b, dF, db, np.ravel(which), path, np.moveaxis(d_path, 1, 0))

    def linearized(self, values: Values, still: bool = False) -> tuple[Array, Array, Array, Discrete]:
        """Return A, c, G and their derivatives to each rate, or to none."""
        if still or not self.moving:
            made = self.formula.value(values)
            none = Discrete(*(made[name][None][:0] for name, _ in _PARTS))
            return made["A"], made["c"], made["G"], none
        made, linear = self.formula.linearize(values)
        parts = (np.stack([leading(linear, o, name, a) for name in self.moving]) for o, a in _PARTS)
        return made["A"], made["c"], made["G"], Discrete(*parts)

    def _cell(
        self, F: Array, b: Array, dF: Array, db: Array, which: np.ndarray, path: Array, d_path: Array
    ) -> tuple[Moves, Moves]:
        """Return a cell's own moves: the noise is what the covariances gain from zero."""
        n = len(self.species)
        mean, d_mean = path[:-1, :n], d_path[:, :-1, :n]
        gain, d_gain = F[which][:, n:, :n], np.moveaxis(dF[which], 1, 0)[..., n:, :n]
        gained = np.einsum("tij,tj->ti", gain, mean) + b[which][:, n:]
        d_gained = np.einsum("ptij,tj->pti", d_gain, mean) + np.einsum("tij,ptj->pti", gain, d_mean)
        d_gained = d_gained + np.moveaxis(db[which], 1, 0)[..., n:]
        now = Moves(path, F[which][:, :n, :n], b[which][:, :n], self.full(gained))
        moved_F = np.moveaxis(dF[which], 1, 0)[..., :n, :n]
        return now, Moves(d_path, moved_F, np.moveaxis(db[which], 1, 0)[..., :n], self.full(d_gained))

    def cell_rows(self, law: Law, start: float, stop: float) -> tuple[Array, Array, Array]:
        """Return F ``(rows, n, n)``, b and Q of one cell under each law of the moments ``(rows, ...)``."""
        A, c, G = law
        n = len(self.species)
        before = discretise_rows(A[:, :n, :n], c[:, :n], G[:, :n, :n], start - self.begin)
        mean = before.F @ self.first + before.b
        move = discretise_rows(A, c, G, stop - start)
        gained = np.einsum("gij,gj->gi", move.F[:, n:, :n], mean) + move.b[:, n:]
        return move.F[:, :n, :n], move.b[:, :n], self.full(gained)

    def full(self, lower: Array) -> Array:
        """Return covariances ``(..., n, n)`` from their lower triangles."""
        n = len(self.species)
        full = np.zeros((*lower.shape[:-1], n, n))
        full[..., self.law.rows, self.law.columns] = lower
        full[..., self.law.columns, self.law.rows] = lower
        return full

    def _z(self) -> Array:
        return np.concatenate([self.first, np.zeros(len(self.law.rows))])


_PARTS = (("A", 2), ("c", 1), ("G", 2))


@final
class FollowedCells(LinearDynamics):
    """The numbers of molecules in each of a few cells: state variables ``<species>`` of shape ``(cells,)``.

    Raises
    ------
    InputError
        When moved: if an interval starts before the population does.
    """

    def __init__(self, population: Population, cells: int) -> None:
        self.name = "followed cells"
        self.population = population
        self.cells = cells
        self.state = tuple(
            Quantity(s.name, s.unit, s.meaning, shape=(cells,), tracked=True) for s in population.species
        )
        self.inputs = population.formula.inputs
        self.shapes: Mapping[str, tuple[int, ...]] = {}
        self.autonomous = False
        self._one = self if cells == 1 else FollowedCells(population, 1)

    def moved_by(self, names: Collection[str]) -> "FollowedCells":
        """Return the cells whose derivatives are taken along these rates alone."""
        return FollowedCells(self.population.moved_by(names), self.cells)

    def transitions(self, intervals: Intervals, values: Values) -> list[Transition]:
        """Return F, b and Q of each interval, for all cells."""
        return [self._at(start, stop, values, still=True)[0] for start, stop in intervals]

    def stacked(self, start: float, stop: float, values: Values, count: int) -> Transition:
        """Return F, b and Q of many sets of rates."""
        if start < self.population.begin:
            raise InputError(explain(f"cells moved from {start:g}", f"{self.population.begin:g} or later"))
        if self.cells > 1:
            return alike(self._one.stacked(start, stop, values, count), self.cells)
        law = law_rows(self.population.formula, self, values, count)
        return Transition(*self.population.cell_rows(law, start, stop))

    def blocks(self, time: float = -inf, values: Values = NOTHING) -> tuple[np.ndarray, ...]:
        """Return each cell."""
        return (np.arange(self.size).reshape(-1, self.cells).T,)

    def block_rows(self, start: float, stop: float, values: Values, count: int) -> list[Transition]:
        """Return what moves a cell."""
        return [self._one.transition_rows(start, stop, values, count)]

    def linearize_transitions(
        self, intervals: Intervals, values: Values
    ) -> list[tuple[Transition, dict[str, Transition]]]:
        """Return F, b and Q of each interval and their derivatives to each rate that moves."""
        return [self._at(start, stop, values) for start, stop in intervals]

    def _at(
        self, start: float, stop: float, values: Values, still: bool = False
    ) -> tuple[Transition, dict[str, Transition]]:
        begin = self.population.begin
        if start < begin:
            raise InputError(explain(f"cells moved from {start:g}", f"{begin:g} or later"))
        times = np.array([begin, start, stop]) if start > begin else np.array([start, stop])
        now, moved = self.population.moves(times, values, still)
        whole = alike(Transition(now.F[-1], now.b[-1], now.Q[-1]), self.cells)
        slopes = {
            name: alike(Transition(moved.F[p, -1], moved.b[p, -1], moved.Q[p, -1]), self.cells)
            for p, name in enumerate(() if still else self.population.moving)
        }
        return whole, slopes


@final
class MomentPath(Stage):
    """Moments of a population at given times, and how a cell gets from each time to the next.

    Makes the variables of `moment_state` ``(T,)``, ``transition`` ``(T, n, n)`` and ``diffusion``
    ``(T, n, n)``; the first ones lead from the beginning. What the law of `observe.followed` reads is made
    from these by renaming: give their names as `outputs` in this order.
    """

    def __init__(self, population: Population, times: Array, transition: str, diffusion: str) -> None:
        self.name = "path of the moments"
        self.population = population
        self.times = np.concatenate([[population.begin], np.asarray(times, dtype=float)])
        self.inputs = population.formula.inputs
        self._means = tuple(variable.name for variable in moment_state(population.species))
        self.outputs = (*self._means, transition, diffusion)

    def value(self, values: Values) -> Named:
        """Return the path."""
        return self._named(self.population.moves(self.times, values, still=True)[0])

    def linearize(self, values: Values) -> tuple[Named, MatrixLinearization]:
        """Return the path and its derivative to every rate."""
        now, moved = self.population.moves(self.times, values)
        made, blocks = self._named(now), {}
        for p, name in enumerate(self.inputs):
            one = self._named(Moves(*(part[p] for part in moved)))
            blocks.update({(output, name): slope for output, slope in one.items()})
        shapes = {output: array.shape for output, array in made.items()}
        return made, MatrixLinearization(blocks, dict.fromkeys(self.inputs, ()), shapes)

    def _named(self, moves: Moves) -> Named:
        means = dict(zip(self._means, moves.moments[1:].T, strict=True))
        return {**means, self.outputs[-2]: moves.F, self.outputs[-1]: moves.Q}
