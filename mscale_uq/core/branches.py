"""What the complex step cannot see where a function compares numbers, found by real differences.

A comparison sees the real part alone. That is right inside a branch, and wrong in silence where comparisons
make the number (a bisection), or where the point lies on the border of two branches with different slopes.
"""

from collections.abc import Callable

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Named

STEP = 1e-6  # relative; balances round-off and curvature of a one-sided difference
TOLERANCE = 1e-2  # a hidden slope is wrong altogether; a slope inside a branch differs by the curvature
ROUND_OFF = 1e-8  # relative to the value: round-off of the value divided by STEP, with a margin


def hides_a_slope(
    moved: Callable[[Array], Named], x: Array, made: Named, slopes: Named, tie: bool
) -> str | None:
    """Return the output whose slope along an input is not that of real differences, or None.

    One side suffices, since the other may lie beyond a border; on a border both sides must agree.

    Parameters
    ----------
    moved
        The outputs with so much (the shape of `x`) added to the input.
    x
        The input, or the entry of it, along which the slopes are.
    made, slopes
        The outputs and their slopes.
    tie
        Whether equal numbers were compared: the point lies on a border.
    """
    step = STEP * np.where(x == 0, 1.0, np.abs(x))
    above, below = moved(step), moved(-step)
    scale = np.abs(x).max(initial=0.0) or 1.0
    for output, slope in slopes.items():
        value = made[output]
        if not np.isfinite(value).all():
            continue  # the chain reports the value, by name
        noise = ROUND_OFF * np.abs(value).max(initial=0.0) / scale
        right, left = (above[output] - value) / step, (value - below[output]) / step
        if tie:  # beyond the domain there is nothing to agree with
            good = [_agree(side, slope, noise) | ~np.isfinite(side) for side in (right, left)]
            hidden = not np.logical_and(*good).all()
        else:
            hidden = not np.logical_or(*(_agree(side, slope, noise) for side in (right, left))).all()
        if hidden:
            return output
    return None


def _agree(difference: Array, slope: Array, noise: float) -> np.ndarray:
    size = np.abs(slope).max(initial=0.0) + np.where(np.isfinite(difference), np.abs(difference), 0.0)
    agreed: np.ndarray = np.abs(difference - slope) <= TOLERANCE * size + noise
    return agreed
