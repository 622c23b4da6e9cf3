"""What is asked of a branch of solutions: the first one at a given s, all of them there, its first fold."""

import numpy as np

from mscale_uq.core.continuation import Curve, Point

SAME = 1e-6  # how far apart two points may be that are one, in the units of the branch


def arrive(curve: Curve, parameter: float, least: float | None = None) -> tuple[Point | None, Point | None]:
    """Follow a branch to the first solution at s = `parameter`; return it, and the first fold before it.

    The first fold is the end, unless `least` is given: then folds are passed, until s falls below that.
    """
    before, fold = curve.first, None
    for point, folds in curve.points():
        if _around(before, point, parameter):
            return curve.between(before, point, parameter), fold
        if folds:
            fold = fold or point
            if least is None:
                return None, fold
        if least is not None and point.parameter < least:
            return None, fold
        before = point
    return None, fold


def crossings(curve: Curve, parameter: float, low: float, high: float) -> tuple[Point, ...]:
    """Return every solution at s = `parameter` on a branch, in its order, until s has left (low, high).

    A closed branch is gone around once, whether it has a solution there or not.
    """
    before, found = curve.first, [curve.first] if curve.first.parameter == parameter else []
    for point, _ in curve.points():
        if _around(before, point, parameter):
            here = curve.between(before, point, parameter)
            if found and _same(curve, here, found[0]):
                break
            found.append(here)
        if _comes_round(curve, before, point):
            break
        if low < before.parameter < high and not low < point.parameter < high:
            break
        before = point
    return tuple(found)


def first_fold(curve: Curve, latest: float) -> Point | None:
    """Return the first fold on a branch, if it comes before s passes `latest`."""
    for point, folds in curve.points():
        if (point.parameter - latest) * (curve.first.parameter - latest) < 0:
            return None
        if folds:
            return point
    return None


def _around(one: Point, other: Point, parameter: float) -> bool:
    """Whether a solution at s = `parameter` lies on the way from one point to the other, its end included."""
    return (one.parameter - parameter) * (other.parameter - parameter) < 0 or (
        other.parameter == parameter != one.parameter
    )


def _comes_round(curve: Curve, one: Point, other: Point) -> bool:
    """Whether a closed branch has its beginning on the way from one point to the other."""
    first = curve.first
    passed = _around(one, other, first.parameter)
    return passed and _same(curve, curve.between(one, other, first.parameter), first)


def _same(curve: Curve, one: Point, other: Point) -> bool:
    """Whether two points are one, on a way in the same direction."""
    apart = np.linalg.norm(curve.joined(one) - curve.joined(other))
    return bool(apart < SAME and (one.tangent[-1] > 0) == (other.tangent[-1] > 0))
