"""Limit cycles of autonomous equations: the periodic orbit, its period, their derivatives, its stability.

The orbit starts on a section, where one state variable has a given value, and comes back to it: the others
and the period T solve y(T; y_0, p) = y_0 (shooting). The state must have no conserved quantity, else the
equations are singular: eliminate one variable by it. Newton's method starts from an orbit at nearby
parameters, after some turns that the equation itself brings nearer; then a mesh of steps is chosen, scaled
with the period, and the equations are solved to round-off along it, so that derivatives are exact for the
discrete orbit.

Source: K. Lust, D. Roose, A. Spence, A. R. Champneys, An adaptive Newton-Picard algorithm with subspace
iteration for computing periodic solutions, SIAM J. Sci. Comput. 19 (1998) 1188-1209,
doi:10.1137/S1064827594277673.
"""

from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from mscale_uq.core.parameter import Array
from mscale_uq.errors import Infeasible, SolveFailed
from mscale_uq.solve.rate import Level, Rate
from mscale_uq.solve.stiff import Event, Path, Tolerances, find_event, follow, locate


@final
@dataclass(frozen=True)
class Turns:
    """How an orbit is searched.

    Attributes
    ----------
    first
        Turns the equation makes on its own before the first step of Newton's method.
    between
        Turns after each such step, which damp what the step has stirred up.
    near
        Relative change over one turn, below which the mesh is chosen and the rest solved along it.
    most
        Steps of Newton's method before giving up, on each of the two stretches.
    longest
        Turns longer than this many times the start's period mean that there is no cycle.
    """

    first: int = 4
    between: int = 2
    near: float = 1e-3
    most: int = 12
    longest: float = 4.0


@final
@dataclass(frozen=True)
class Section:
    """Where an orbit starts: at the level, which reads only the state variable `index`."""

    level: Level
    index: int


@final
@dataclass(frozen=True)
class Cycle:
    """A periodic orbit as a path over one period.

    Attributes
    ----------
    path
        From time 0 to the period.
    index
        The state variable that is fixed at the start.
    monodromy
        Change of the state after one period with that at its start, at fixed period, ``(n, n)``; as of the
        last step of Newton's method, which is near enough to judge stability by.
    """

    path: Path
    index: int
    monodromy: Array

    @property
    def period(self) -> float:
        """Duration of a turn."""
        return float(self.path.times[-1])

    @property
    def multipliers(self) -> np.ndarray:
        """Floquet multipliers, largest first, without the one that is 1 (along the orbit)."""
        path, i = self.path, self.index
        speed = path.rate.at(self.period, path.states[-1], path.parameters)
        back_on_section = self.monodromy - np.outer(speed / speed[i], self.monodromy[i])
        values = np.linalg.eigvals(np.delete(np.delete(back_on_section, i, 0), i, 1))
        return values[np.argsort(-np.abs(values))]

    def tangents(self, dp: Array) -> tuple[Array, Array]:
        """Return the changes of the states at all steps ``(N+1, n, k)`` and of the period ``(k,)``.

        For changes dp ``(m, k)`` of the parameters, by the implicit function theorem: the changes of the
        start and the period are those that make the orbit close.
        """
        n = len(self.monodromy)
        moves = _moves(self.path, dp, np.arange(len(self.path.times)))
        change = np.linalg.solve(_closing(moves[-1], self.index), -moves[-1][:, n + 1 :])
        dT = change[self.index].copy()
        change[self.index] = 0.0
        everywhere = moves[:, :, :n] @ change + moves[:, :, n + 1 :] + moves[:, :, n, None] * dT
        return everywhere, dT


def find_cycle(
    rate: Rate,
    section: Section,
    state: Array,
    period: float,
    parameters: Array,
    tolerances: Tolerances,
    mesh: Array | None = None,
    turns: Turns = Turns(),
    name: str = "limit cycle",
) -> Cycle:
    """Return the limit cycle near an orbit from `state` ``(n,)`` on the section with about the given period.

    `mesh` ``(N+1,)`` from 0 to 1 fixes the steps as shares of the period, which makes the cycle a smooth
    function of the parameters; without it the steps are chosen by the tolerances.

    Raises
    ------
    Infeasible
        If the equation stops turning, or its cycle is not stable.
    SolveFailed
        If Newton's method does not converge.
    """
    search = (rate, section, tolerances, turns, name)
    y, T = _approach(search, state, period, parameters)
    if mesh is None:
        turn = _turn(search, y, T, parameters)
        mesh, T = np.append(turn.path.times, turn.time) / turn.time, turn.time
    cycle = _close(search, y, T, parameters, mesh)
    if abs(cycle.multipliers[0]) > 1:  # perhaps only because the monodromy is not quite that of the orbit
        exact = _moves(cycle.path, np.zeros((len(parameters), 0)), [len(cycle.path.stages)])[0]
        cycle = replace(cycle, monodromy=exact[:, : len(exact)])
        if abs(cycle.multipliers[0]) > 1:
            growth = f"a disturbance grows by {cycle.multipliers[0]:.3g} a turn"
            raise Infeasible(name, {}, f"the cycle is not stable: {growth}")
    return cycle


def find_on_cycle(
    cycle: Cycle, level: Level, tolerances: Tolerances, parameters: Array | None = None
) -> list[Event]:
    """Return every event on the cycle, in the order of time.

    `parameters` may hold other values than the cycle's where only the level reads them.
    """
    path = cycle.path if parameters is None else replace(cycle.path, parameters=parameters)
    heights = level.along(path.times, path.states, path.parameters)
    signs = np.sign(heights)
    crossed = signs[:-1] * signs[1:] < 0
    if level.direction:
        crossed &= np.sign(np.diff(heights)) == level.direction
    return [locate(path, level, int(step), tolerances) for step in np.flatnonzero(crossed)]


Search = tuple[Rate, Section, Tolerances, Turns, str]


def _turn(search: Search, y: Array, period: float, p: Array) -> Event:
    rate, section, tolerances, turns, name = search
    return find_event(rate, section.level, y, p, 0.0, turns.longest * period, tolerances, name)


def _approach(search: Search, y: Array, period: float, p: Array) -> tuple[Array, float]:
    """Return a state on the section that one turn hardly changes."""
    _, _, tolerances, turns, name = search
    for _ in range(turns.first):
        y = _turn(search, y, period, p).state
    for _ in range(turns.most):
        turn = _turn(search, y, period, p)
        change = (turn.state - y) / (np.abs(y) + 1e3 * tolerances.vector(y.size))
        if np.abs(change).max() < turns.near:
            return turn.state, turn.time
        _, dy = turn.tangents(np.eye(y.size), np.zeros((p.size, y.size)))
        step = np.linalg.solve(np.eye(y.size) - dy, turn.state - y)
        # Concentrations stay positive: no more than half of anything is taken away.
        share = min(1.0, 0.5 / max(1e-12, np.max(-step / np.where(y > 0, y, np.inf))))
        y = y + share * step
        for _ in range(turns.between):
            y = _turn(search, y, period, p).state
    raise SolveFailed(name, {}, f"the orbit still changes by {np.abs(change).max():.2g} a turn")


def _close(search: Search, y: Array, T: float, p: Array, mesh: Array) -> Cycle:
    """Solve y(T) = y(0) along the mesh to round-off: Newton, with a new matrix only where it is needed."""
    rate, section, tolerances, turns, name = search
    n, last, before, size, closing = y.size, [len(mesh) - 1], np.inf, np.inf, None
    y, scale = y.copy(), np.abs(y) + 1e3 * tolerances.vector(y.size)
    for _ in range(turns.most):
        path = follow(rate, y, p, mesh * T, tolerances, name)
        if closing is None or size > 0.1 * before:
            moves = _moves(path, np.zeros((p.size, 0)), last)[0]
            closing = _closing(moves, section.index)
        step = np.linalg.solve(closing / scale[:, None], (y - path.states[-1]) / scale)
        relative = step / scale
        relative[section.index] = step[section.index] / T
        before, size = size, np.abs(relative).max()
        if not np.isfinite(size):
            break
        if size < 1e-11:
            return Cycle(path, section.index, moves[:, :n])
        T += step[section.index]
        step[section.index] = 0.0
        y += step
    raise SolveFailed(name, {}, f"shooting ended with a step of {size:.1e}")


def _moves(path: Path, dp: Array, keep: ArrayLike) -> Array:
    """Return changes with the start (n columns), the period (1) and parameters ``(len(keep), n, n+1+k)``."""
    n, k = path.states.shape[1], dp.shape[1]
    dy, stretch = np.eye(n, n + 1 + k), np.zeros(n + 1 + k)
    stretch[n] = 1 / path.times[-1]
    return path.tangents(dy, np.hstack([np.zeros((len(dp), n + 1)), dp]), keep, stretch)


def _closing(moves: Array, index: int) -> Array:
    """Return d(y(T) - y_0)/d(y_0, T), with the period in the column of the variable that is fixed."""
    n = len(moves)
    closing = moves[:, :n] - np.eye(n)
    closing[:, index] = moves[:, n]
    return closing
