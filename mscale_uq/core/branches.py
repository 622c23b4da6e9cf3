"""What the complex step cannot see where a function compares numbers, found by real differences.

A comparison sees the real part alone. That is right inside a branch, and wrong in silence where comparisons
make the number (a bisection), or where the point lies on the border of two branches with different slopes.

The error of a one-sided difference of a differentiable function vanishes with its step. That of a wrong slope
does not, however small the slope beside others: this, entry by entry, is the test.
"""

from collections.abc import Callable

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Named

STEP = 1e-5  # relative; balances round-off and curvature of a one-sided difference
SHORTER = 1 / 8
TOLERANCE = 1e-6  # relative error of a slope that no second, shorter step has to confirm
ROUND_OFF = 64 * np.finfo(float).eps  # of a value, relative to its terms


def hides_a_slope(
    moved: Callable[[Array], Named], x: Array, made: Named, slopes: Named, tie: bool
) -> str | None:
    """Return the output whose slope along an input is not that of real differences, or None.

    One side suffices, since the other may lie beyond a border; on a border both sides must agree, except
    where the function ends.

    Parameters
    ----------
    moved
        The outputs with so much (the shape of `x`) added to the input.
    x
        The input, or the entry of it, along which the slopes are.
    made, slopes
        The outputs and their slopes.
    tie
        Whether the point may lie on a border: equal numbers were compared.
    """
    step = STEP * np.where(x == 0, 1.0, np.abs(x))
    sides = [[_errors(moved(h), made, slopes, x, h) for h in (s * step, s * SHORTER * step)] for s in (1, -1)]
    for output, value in made.items():
        if not np.isfinite(value).all():
            continue  # the chain reports the value, by name
        right, left = (_vanishes(far[output], near[output]) for far, near in sides)
        if tie:
            ends = [~np.isfinite(far[output][0]) for far, _ in sides]
            good = (right | ends[0]) & (left | ends[1]) & ~(ends[0] & ends[1])
        else:
            good = right | left
        if not good.all():
            return output
    return None


def _errors(there: Named, made: Named, slopes: Named, x: Array, h: Array) -> dict[str, tuple[Array, Array]]:
    """Return, for each output, the error of the difference with step h, and how much of it to forgive."""
    found = {}
    for output, slope in slopes.items():
        difference = (there[output] - made[output]) / h
        terms = np.abs(made[output]) + np.abs(slope * x)
        forgiven = ROUND_OFF * terms / np.abs(h) + TOLERANCE * np.abs(slope)
        found[output] = (np.abs(difference - slope), forgiven)
    return found


def _vanishes(far: tuple[Array, Array], near: tuple[Array, Array]) -> np.ndarray:
    """Whether an error is small, or falls with the step."""
    vanished: np.ndarray = (far[0] <= far[1]) | (near[0] <= near[1] + 0.5 * far[0])
    return vanished
