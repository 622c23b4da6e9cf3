"""Branches of solutions of r(u, s) = 0, followed through their folds by pseudo-arclength continuation.

Near a fold du/ds is infinite, and beyond it there is no solution at all; the arclength along the branch
knows of neither. From a point the tangent leads ahead (predictor), and Newton's method brings back to the
branch in the plane across the tangent (corrector), whose bordered matrix is regular at a fold. A step on
which the tangent turns too far, or otherwise than on the step before, is made shorter, so that one branch is
not taken for another and no pair of folds is stepped over, unless it is much smaller than the range of s.
Folds are where the tangent has no part along s; they are located to round-off, and so is every solution at a
given s.

Branches that cross (pitchforks) are passed straight on, and closed ones that the followed branch does not
touch are not found.

Source: E. L. Allgower, K. Georg, Introduction to Numerical Continuation Methods, SIAM (2003),
doi:10.1137/1.9780898719154.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import final

import numpy as np

from mscale_uq.core.parameter import Array

EXACT = 1e-9  # of the last step of a corrector, after which the error is its square
NEAR = 1e-6  # the same, where the branch is only followed
Family = Callable[[Array, float], tuple[Array, Array, Array]]


@final
@dataclass(frozen=True)
class Stride:
    """How a branch is followed.

    Attributes
    ----------
    first
        Length of the first step, as a share of the range of s.
    longest, shortest, most, iterations
        Of any step, where even the shortest fails the branch ends; number of steps, and of the corrector.
    turn, swerve
        By how much the unit tangent may change in one step, and how differently from the step before.
    """

    first: float = 0.25
    longest: float = 64.0
    shortest: float = 1e-9
    most: int = 400
    turn: float = 0.4
    swerve: float = 0.15
    iterations: int = 8


@final
@dataclass(frozen=True)
class Point:
    """A solution on a branch.

    Attributes
    ----------
    unknown, parameter
        u ``(n,)`` and s.
    jacobian
        dr/du ``(n, n)``.
    slope
        dr/ds ``(n,)``.
    tangent
        Direction ``(n + 1,)`` of the branch, in the units of its `Curve`; its last entry is the part along s.
    """

    unknown: Array
    parameter: float
    jacobian: Array
    slope: Array
    tangent: Array

    @property
    def eigenvalues(self) -> np.ndarray:
        """Eigenvalues ``(n,)`` of dr/du, largest real part first."""
        values = np.linalg.eigvals(self.jacobian)
        return values[np.argsort(-values.real)]

    @property
    def stable(self) -> bool:
        """Whether a disturbance fades if the unknown changes at the rate r (what is made, less what is)."""
        return bool(self.eigenvalues[0].real < 0)


@final
class Curve:
    """A branch from a solution on.

    Parameters
    ----------
    family
        ``family(u, s) -> (r, dr/du, dr/ds)``; not finite where it has no value.
    unknown, parameter
        The solution where the branch begins.
    reach
        Range of s that is of interest: its sign says which way to go, its size is the unit of s.
    size
        Unit of the unknowns; None takes how far each would move over that range if it went on as it begins.
    """

    def __init__(
        self,
        family: Family,
        unknown: Array,
        parameter: float,
        reach: float,
        stride: Stride = Stride(),
        size: float | None = None,
    ) -> None:
        self._family, self._stride = family, stride
        _, J, slope = family(unknown, parameter)
        ahead = np.append(-_solved(J, slope * reach), reach) if np.all(np.isfinite(J)) else np.zeros(1)
        units = _units(ahead[:-1], unknown) if size is None else np.full(unknown.size, size)
        self._units = np.append(units, abs(reach))
        ahead = ahead / self._units
        self.first = Point(unknown, parameter, J, slope, ahead / np.linalg.norm(ahead))

    def points(self) -> Iterator[tuple[Point, bool]]:
        """Yield points along the branch, the first one first, and whether each is a fold.

        Between two of them s rises or falls. Folds are exact to round-off, and the others nearly, since
        nothing less tells a fold. Ends where no step succeeds, or after the most steps allowed.
        """
        point, length, bend = self.first, self._stride.first, None
        yield point, False
        for _ in range(self._stride.most):
            moved = self._step(point, length, bend)
            while moved is None and length > self._stride.shortest:
                length /= 3
                moved = self._step(point, length, bend)
            if moved is None:
                return
            if (moved.tangent[-1] > 0) != (point.tangent[-1] > 0):
                yield self._locate(point, moved, lambda here: float(here.tangent[-1])), True
            yield moved, False
            bend = (moved.tangent - point.tangent) / length
            point, length = moved, min(2 * length, self._stride.longest)

    def between(self, one: Point, other: Point, parameter: float) -> Point:
        """Return the solution at s = `parameter` between two neighbours on the branch that lie around it."""
        share = (parameter - one.parameter) / (other.parameter - one.parameter)
        guess = one.unknown + share * (other.unknown - one.unknown)
        landed = self._land(guess, parameter, one, other)
        if landed is None:
            found = self._locate(one, other, lambda here: here.parameter - parameter)
            landed = self._land(found.unknown, parameter, found, found) or found
        return landed

    def joined(self, point: Point) -> Array:
        """Return u and s ``(n + 1,)`` in the units of the branch."""
        joined: Array = np.append(point.unknown, point.parameter) / self._units
        return joined

    def _step(self, point: Point, length: float, bend: Array | None) -> Point | None:
        """Predict along the tangent and correct across it; None if that ends nowhere, or turns too far."""
        start = self.joined(point) + length * point.tangent
        moved = self._correct(start, point.tangent, point, 0.5 * length, NEAR)
        if moved is None or bend is None:
            return moved
        swerved = np.linalg.norm(moved.tangent - point.tangent - length * bend)
        return None if swerved > self._stride.swerve else moved

    def _land(self, guess: Array, parameter: float, one: Point, other: Point) -> Point | None:
        """Correct at a fixed s, on this side of a fold."""
        start = np.append(guess, parameter) / self._units
        away = np.linalg.norm(self.joined(other) - self.joined(one)) + 1e-6
        here = self._correct(start, np.eye(start.size)[-1], one, float(away))
        behind = here is not None and (here.tangent[-1] > 0) != (one.tangent[-1] + other.tangent[-1] > 0)
        return None if behind else here

    @np.errstate(over="ignore", invalid="ignore")  # a trial that overflows is a step that was too long
    def _correct(
        self, start: Array, across: Array, near: Point, furthest: float, last: float = EXACT
    ) -> Point | None:
        """Newton's method in the plane through `start` across a direction; None where it leads too far."""
        x = start.copy()
        for _ in range(self._stride.iterations):
            r, J, slope = self._family((x * self._units)[:-1], float(x[-1] * self._units[-1]))
            step = _bordered(J, slope, self._units, across, np.append(-r, across @ (start - x)))
            if step is None:
                return None
            x = x + step
            if np.linalg.norm(x - start) > furthest:
                return None
            if np.linalg.norm(step) <= last * (1.0 + np.linalg.norm(x)):
                return self._point(x, near, (J, slope) if last == NEAR else None)
        return None

    def _point(self, x: Array, near: Point, slopes: tuple[Array, Array] | None) -> Point | None:
        """Return the point, with the slopes there, unless those of the last step before it will do."""
        u, s = (x * self._units)[:-1], float(x[-1] * self._units[-1])
        J, slope = self._family(u, s)[1:] if slopes is None else slopes
        tangent = _bordered(J, slope, self._units, near.tangent, np.eye(x.size)[-1])
        if tangent is None:
            return None
        tangent = tangent / np.linalg.norm(tangent)
        if np.linalg.norm(tangent - near.tangent) > self._stride.turn:
            return None
        return Point(u, s, J, slope, tangent)

    def _locate(self, one: Point, other: Point, height: Callable[[Point], float]) -> Point:
        """Return the point between two where a height, of unlike signs at both, is zero."""
        low, high, f_low, f_high = self.joined(one), self.joined(other), height(one), height(other)
        furthest, best, flat = float(np.linalg.norm(high - low)), one, 1e-10 * max(abs(f_low), abs(f_high))
        for _ in range(60):  # regula falsi; an end that stays has its height halved (Illinois)
            start = low + f_low / (f_low - f_high) * (high - low)
            moved = float(np.linalg.norm(start - high))  # since the last try, less and less
            here = self._correct(start, one.tangent, one, furthest)
            if here is None:
                break
            best, x, f = here, self.joined(here), height(here)
            if abs(f) <= flat or moved < 1e-11 * furthest:
                break
            if f * f_high < 0:
                low, f_low = high, f_high
            else:
                f_low /= 2
            high, f_high = x, f
        return best


def _solved(J: Array, right: Array) -> Array:
    try:
        return np.asarray(np.linalg.solve(J, right), dtype=float)
    except np.linalg.LinAlgError:
        return np.zeros_like(right)


def _units(moved: Array, unknown: Array) -> Array:
    """How far each unknown moves over the range of s: what the length of the branch is measured in."""
    size = np.maximum(np.abs(moved), 0.1 * np.abs(unknown))
    largest = size.max()
    return np.where(size > 1e-3 * largest, size, largest) if largest > 0 else np.ones(size.size)


def _bordered(J: Array, slope: Array, units: Array, across: Array, right: Array) -> Array | None:
    """Solve [dr; across] x = right with dr = [dr/du, dr/ds] in the branch's units; None if singular."""
    n = slope.size
    rows = np.empty((n + 1, n + 1))
    rows[:n, :n], rows[:n, n], rows[n] = J, slope, across
    rows[:n] *= units
    if not (np.isfinite(rows).all() and np.isfinite(right).all()):
        return None
    size = np.sqrt((rows * rows).sum(axis=1))  # the equations may be in any unit
    try:
        return np.asarray(np.linalg.solve(rows / size[:, None], right / size), dtype=float)
    except np.linalg.LinAlgError:
        return None
