"""`DividingCells`: cells that are followed through their divisions, daughters from what their mother was.

At a division each molecule goes to the first daughter with probability p, independently of the others: of a
mother with N molecules she gets p N + e, her sister (1 - p) N - e, and e has mean zero and the variance
p (1 - p) E N. With what moves a cell between divisions this is affine in what was before, so that the first
two moments of all cells and times are exact, as they are for cells that do not divide (`macro.cells`): the
mean that noise is taken at is that of cells with this past, halved where they were.

A cell that is gone holds no molecules. One that is still to be born is what the population is, as any that
was not seen yet.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import final

import numpy as np

from mscale_uq.core.linear_dynamics import NOTHING, Intervals, LinearDynamics, Transition
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Values
from mscale_uq.errors import InputError, explain
from mscale_uq.macro.cells import FollowedCells, Population
from mscale_uq.macro.jets import Jets, Rows, Sets
from mscale_uq.macro.lineage import BORN, PARENT, Lineage
from mscale_uq.macro.linear_sde import law_rows
from mscale_uq.solve.van_loan import Discrete


@final
class DividingCells(LinearDynamics):
    """As `FollowedCells`, and reads `lineage.PARENT` and `lineage.BORN`, each ``(cells,)``.

    Parameters
    ----------
    population, cells
        As in `FollowedCells`.
    share
        Probability that a molecule goes to the first of two daughters, such as her part of the volume.

    Raises
    ------
    InputError
        If the share is not inside (0, 1). When moved: if an interval, or a cell, begins before the population
        does, or the lineage is impossible.
    """

    def __init__(self, population: Population, cells: int, share: float = 0.5) -> None:
        if not 0 < share < 1:
            raise InputError(explain(f"share = {share}", "inside (0, 1)", "a half for equal daughters"))
        self.name = "dividing cells"
        self.population, self.cells, self.share = population, cells, share
        self._plain, self._one = FollowedCells(population, cells), FollowedCells(population, 1)
        self.state = self._plain.state
        self.inputs = (*self._plain.inputs, PARENT, BORN)
        self.shapes: Mapping[str, tuple[int, ...]] = {PARENT: (cells,), BORN: (cells,)}
        self.autonomous = False

    def moved_by(self, names: Collection[str]) -> "DividingCells":
        """Return the cells whose derivatives are taken along these rates alone."""
        return DividingCells(self.population.moved_by(names), self.cells, self.share)

    def transitions(self, intervals: Intervals, values: Values) -> list[Transition]:
        """Return F, b and Q of each interval, for all cells."""
        wholes = [self.stacked(start, stop, values, 1) for start, stop in intervals]
        return [Transition(whole.F[0], whole.b[0], whole.Q[0]) for whole in wholes]

    def stacked(self, start: float, stop: float, values: Values, count: int) -> Transition:
        """Return F, b and Q of many sets of rates."""
        moves = self.block_rows(start, stop, values, count)
        return self._assembled(self.blocks(stop, values), moves, count)

    def blocks(self, time: float = -math.inf, values: Values = NOTHING) -> tuple[np.ndarray, ...]:
        """Return each cell without relatives, and each family."""
        families = Lineage.of(values).families(time) if values else []
        places = np.arange(self.size).reshape(-1, self.cells).T
        alone = np.setdiff1d(np.arange(self.cells), [cell for family in families for cell in family])
        single = (places[alone],) if alone.size else ()
        return (*single, *(places[list(family)].reshape(1, -1) for family in families))

    def block_rows(self, start: float, stop: float, values: Values, count: int) -> list[Transition]:
        """Return what moves a cell without relatives, and each family."""
        lineage = Lineage.of(values)
        self._check(lineage, start)
        families, moves = lineage.families(stop), []
        if sum(map(len, families)) < self.cells:
            moves.append(self._one.transition_rows(start, stop, values, count))
        if families:
            law = Sets(law_rows(self.population.formula, self._one, values, count))
            past = Past(self.population, lineage, law, self.share)
            moves += [past.move(family, start, stop) for family in families]
        return moves

    def linearize_transitions(
        self, intervals: Intervals, values: Values
    ) -> list[tuple[Transition, dict[str, Transition]]]:
        """Return F, b and Q of each interval and their derivatives to each rate that moves."""
        lineage, moving = Lineage.of(values), self.population.moving
        if not lineage.daughters:
            return self._plain.linearize_transitions(intervals, values)
        *law, tangents = self.population.linearized(values)
        A, c, G = law
        past = Past(self.population, lineage, Jets((A, c, G), tangents), self.share)
        made = []
        for start, stop in intervals:
            self._check(lineage, start)
            families = lineage.families(stop)
            moves = [past.alone(start, stop)] if sum(map(len, families)) < self.cells else []
            moves += [past.move(family, start, stop) for family in families]
            rows = self._assembled(self.blocks(stop, values), moves, 1 + len(moving))
            whole, *slopes = (Transition(*parts) for parts in zip(rows.F, rows.b, rows.Q, strict=True))
            made.append((whole, dict(zip(moving, slopes, strict=True))))
        return made

    def _assembled(self, kinds: Sequence[np.ndarray], moves: Sequence[Transition], rows: int) -> Transition:
        """Return the moves of blocks as that of the whole state."""
        n = self.size
        F, b, Q = np.zeros((rows, n, n)), np.zeros((rows, n)), np.zeros((rows, n, n))
        for kind, move in zip(kinds, moves, strict=True):
            there = kind[:, :, None], kind[:, None, :]
            F[:, *there], Q[:, *there] = move.F[:, None], move.Q[:, None]
            b[:, kind] = move.b[:, None]
        return Transition(F, b, Q)

    def _check(self, lineage: Lineage, start: float) -> None:
        begin = self.population.begin
        if start < begin:
            raise InputError(explain(f"cells moved from {start:g}", f"{begin:g} or later"))
        early = lineage.births(-math.inf, begin)
        if early:
            raise InputError(explain(f"a cell is born at {early[0]:g}", f"later than {begin:g}"))


@final
class Past:
    """Cells with a past, under laws of the moments in rows.

    Attributes
    ----------
    population, lineage, share
        As in `DividingCells`.
    law
        The laws, or one with its derivatives.
    """

    def __init__(self, population: Population, lineage: Lineage, law: Rows, share: float) -> None:
        self.population, self.lineage, self.law, self.share = population, lineage, law, share
        self._n = len(population.species)
        self._means: dict[tuple[int, float], Array] = {}
        self._moves: dict[tuple[float, int | None], Discrete] = {}

    def mean(self, cell: int, time: float) -> Array:
        """Return the mean ``(rows, n)`` of cells with the past of this one; just after birth if born then."""
        if (cell, time) not in self._means:
            mother, born = self.lineage.parent[cell], self.lineage.since(cell)
            if mother == cell:
                born, first = self.population.begin, self.law.constant(self.population.first)
            else:
                first = self._part(cell) * self.mean(mother, born)
            if time > born:
                move = self._moved(time - born, self._n)
                first = self.law.applied(move.F, first) + move.b
            self._means[cell, time] = first
        return self._means[cell, time]

    def alone(self, start: float, stop: float) -> Transition:
        """Return F ``(rows, n, n)``, b and Q of a cell without relatives."""
        founder = next(cell for cell, mother in enumerate(self.lineage.parent) if cell == mother)
        return self._one(self.mean(founder, start), stop - start)

    def move(self, family: Sequence[int], start: float, stop: float) -> Transition:
        """Return F ``(rows, s, s)``, b and Q of a family, cell by cell."""
        whole, now = self.law.still(len(family) * self._n), start
        for then in sorted({*self.lineage.births(start, stop, family), stop}):
            whole = self.law.after(whole, self._between(family, now, then))
            whole = self.law.after(whole, self._division(family, then)) if then > start else whole
            now = then
        return whole

    def _between(self, family: Sequence[int], start: float, stop: float) -> Transition:
        """Return what moves those that live, where nobody divides."""
        whole = self.law.still(len(family) * self._n)
        if stop == start:
            return whole
        for i, cell in enumerate(family):
            if self.lineage.since(cell) <= start < self.lineage.until(cell):
                one, own = self._one(self.mean(cell, start), stop - start), self._own(i)
                whole.F[:, own, own], whole.b[:, own], whole.Q[:, own, own] = one.F, one.b, one.Q
        return whole

    def _one(self, mean: Array, length: float) -> Transition:
        """Return what moves a cell of a kind whose mean is this now."""
        move, n = self._moved(length), self._n
        gained = self.law.applied(move.F[:, n:, :n], mean) + move.b[:, n:]
        return Transition(move.F[:, :n, :n], move.b[:, :n], self.population.full(gained))

    def _division(self, family: Sequence[int], time: float) -> Transition:
        """Return what the divisions at a time do."""
        whole, n = self.law.still(len(family) * self._n), self._n
        for place, mother in enumerate(family):
            if self.lineage.until(mother) != time:
                continue
            daughters = self.lineage.daughters[mother]
            here, spread = self._own(place), np.zeros((self.law.rows, n, n))
            spread[:, range(n), range(n)] = self.share * (1 - self.share) * self.mean(mother, time)
            whole.F[:, here, here] = 0.0
            for one in daughters:
                own = self._own(family.index(one))
                whole.F[:, own] = 0.0
                whole.F[:, own, here] = self.law.constant(self._part(one) * np.eye(n))
                for other in daughters:
                    whole.Q[:, own, self._own(family.index(other))] = spread if one == other else -spread
        return whole

    def _moved(self, length: float, n: int | None = None) -> Discrete:
        """Return what the moments do in a time, which is the same for all cells."""
        if (length, n) not in self._moves:
            self._moves[length, n] = self.law.moves(length, n)
        return self._moves[length, n]

    def _own(self, place: int) -> slice:
        return slice(place * self._n, (place + 1) * self._n)

    def _part(self, daughter: int) -> float:
        first = self.lineage.daughters[self.lineage.parent[daughter]][0] == daughter
        return self.share if first else 1 - self.share
