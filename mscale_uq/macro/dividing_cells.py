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
from mscale_uq.errors import InputError, NoGradient, explain
from mscale_uq.macro.cells import FollowedCells, Law, Population
from mscale_uq.macro.lineage import BORN, PARENT, Lineage
from mscale_uq.macro.linear_sde import law_rows


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
    NoGradient
        If the derivative of a step is asked for, and a cell divides.
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
        n = self.size
        F, b, Q = np.zeros((count, n, n)), np.zeros((count, n)), np.zeros((count, n, n))
        moves = self.block_rows(start, stop, values, count)
        for kind, move in zip(self.blocks(stop, values), moves, strict=True):
            rows, columns = kind[:, :, None], kind[:, None, :]
            F[:, rows, columns], Q[:, rows, columns] = move.F[:, None], move.Q[:, None]
            b[:, kind] = move.b[:, None]
        return Transition(F, b, Q)

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
            law = law_rows(self.population.formula, self._one, values, count)
            past = Past(self.population, lineage, law, self.share)
            moves += [past.move(family, start, stop) for family in families]
        return moves

    def linearize_transitions(
        self, intervals: Intervals, values: Values
    ) -> list[tuple[Transition, dict[str, Transition]]]:
        """Return F, b and Q of each interval and their derivatives, as long as no cell divides."""
        if Lineage.of(values).daughters:
            raise NoGradient(
                "cells that divide have no derivative of their step: use gaussian_sum, kalman or an ensemble"
            )
        return self._plain.linearize_transitions(intervals, values)

    def _check(self, lineage: Lineage, start: float) -> None:
        begin = self.population.begin
        if start < begin:
            raise InputError(explain(f"cells moved from {start:g}", f"{begin:g} or later"))
        early = lineage.births(-math.inf, begin)
        if early:
            raise InputError(explain(f"a cell is born at {early[0]:g}", f"later than {begin:g}"))


@final
class Past:
    """Cells with a past, under laws of the moments ``(rows, ...)``, one for each set of rates.

    Attributes
    ----------
    population, lineage, law, share
        As in `DividingCells`.
    """

    def __init__(self, population: Population, lineage: Lineage, law: Law, share: float) -> None:
        self.population, self.lineage, self.law, self.share = population, lineage, law, share
        self._means: dict[tuple[int, float], Array] = {}

    def mean(self, cell: int, time: float) -> Array:
        """Return the mean ``(rows, n)`` of cells with the past of this one; just after birth if born then."""
        if (cell, time) not in self._means:
            mother, born = self.lineage.parent[cell], self.lineage.since(cell)
            if mother == cell:
                born = self.population.begin
                first = np.broadcast_to(
                    self.population.first, self.law[1][:, : len(self.population.first)].shape
                )
            else:
                first = self._part(cell) * self.mean(mother, born)
            there = first if time == born else self.population.mean_rows(self.law, first, time - born)
            self._means[cell, time] = there
        return self._means[cell, time]

    def move(self, family: Sequence[int], start: float, stop: float) -> Transition:
        """Return F ``(rows, s, s)``, b and Q of a family, cell by cell."""
        rows, s = len(self.law[0]), len(family) * len(self.population.species)
        whole = Transition(np.tile(np.eye(s), (rows, 1, 1)), np.zeros((rows, s)), np.zeros((rows, s, s)))
        now = start
        for then in sorted({*self.lineage.births(start, stop), stop}):
            whole = _after(whole, self._between(family, now, then))
            whole = _after(whole, self._division(family, then)) if then > start else whole
            now = then
        return whole

    def _between(self, family: Sequence[int], start: float, stop: float) -> Transition:
        """Return what moves those that live, where nobody divides."""
        whole = self._still(family)
        for i, cell in enumerate(family):
            if self.lineage.since(cell) <= start < self.lineage.until(cell) and stop > start:
                own = self._own(i)
                whole.F[:, own, own], whole.b[:, own], whole.Q[:, own, own] = self.population.move_rows(
                    self.law, self.mean(cell, start), stop - start
                )
        return whole

    def _division(self, family: Sequence[int], time: float) -> Transition:
        """Return what the divisions at a time do."""
        whole, n = self._still(family), len(self.population.species)
        for mother, daughters in self.lineage.daughters.items():
            if mother not in family or self.lineage.until(mother) != time:
                continue
            here, spread = self._own(family.index(mother)), np.zeros((len(whole.b), n, n))
            spread[:, range(n), range(n)] = self.share * (1 - self.share) * self.mean(mother, time)
            whole.F[:, here, here] = 0.0
            for one in daughters:
                own = self._own(family.index(one))
                whole.F[:, own] = 0.0
                whole.F[:, own, here] = self._part(one) * np.eye(n)
                for other in daughters:
                    whole.Q[:, own, self._own(family.index(other))] = spread if one == other else -spread
        return whole

    def _still(self, family: Sequence[int]) -> Transition:
        rows, s = len(self.law[0]), len(family) * len(self.population.species)
        return Transition(np.tile(np.eye(s), (rows, 1, 1)), np.zeros((rows, s)), np.zeros((rows, s, s)))

    def _own(self, place: int) -> slice:
        n = len(self.population.species)
        return slice(place * n, (place + 1) * n)

    def _part(self, daughter: int) -> float:
        first = self.lineage.daughters[self.lineage.parent[daughter]][0] == daughter
        return self.share if first else 1 - self.share


def _after(before: Transition, then: Transition) -> Transition:
    """Return two moves, one behind the other, as one."""
    turned = np.swapaxes(then.F, 1, 2)
    b = np.einsum("gij,gj->gi", then.F, before.b) + then.b
    return Transition(then.F @ before.F, b, then.F @ before.Q @ turned + then.Q)
