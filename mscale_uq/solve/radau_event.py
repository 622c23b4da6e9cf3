"""The step that ends at an event: its length is found between those of no step and of the whole one; kernels.

Between steps of two lengths the level need not change as it does along the solution, where fast components
have hardly moved: a slope from the right-hand side misleads. So the search takes levels alone, and keeps
them on both sides of zero.

f and `level` are right-hand side and level compiled for real, fc the right-hand side for complex numbers.

Source: T. R. Chandrupatla, A new hybrid quadratic/bisection algorithm for finding the zero of a nonlinear
function without using derivatives, Adv. Eng. Softw. 28 (1997) 145-149, doi:10.1016/S0965-9978(96)00051-8.
"""

import numpy as np

from mscale_uq.solve.kernel import kernel
from mscale_uq.solve.radau import (
    DONE,
    NO_EVENT,
    NO_NEWTON,
    PATIENT,
    SCALE,
    STAGES,
    factor_both,
    newton,
    progress,
    set_scale,
    workspace,
)
from mscale_uq.solve.rate import fill_jacobian

LOOKS = 150  # at a step, before giving up; bisection alone would need 44
SHARP = 1e-13  # how far apart, as a share of the whole step, the lengths on both sides of zero are at the end


@kernel
def event_step(f, fc, level, t, y, p, whole, stages, after, rtol, atol, iteration):
    """Return (status, length, stages) of the step from y at t that ends at the event, within the `whole` one.

    `stages` are those of the whole step, `after` is the level at its end, of another sign than that at y.
    """
    w, last = workspace(y.size), stages.copy()
    set_scale(y, stages[2], rtol, atol, w.rows[SCALE])
    fill_jacobian(fc, t, y, p, w.jacobian)
    # The two newest lengths on either side of zero, then the one before; and the levels there.
    lengths, heights = np.array([0.0, whole, whole]), np.array([level(t, y, p), after, after])
    share, length = heights[0] / (heights[0] - after), whole
    for _ in range(LOOKS):
        before, length = length, lengths[0] + share * (lengths[1] - lengths[0])
        progress(last, 0.0, length / before, w.rows[STAGES])
        if not (factor_both(w, length) and newton(f, t, y, length, p, w, iteration, PATIENT)[0]):
            break
        last[:] = w.rows[STAGES]
        height = level(t + length, y + last[2], p)
        enclose(lengths, heights, length, height)
        least = 0.5 * SHARP * whole / abs(lengths[1] - length)
        if height == 0 or least > 0.5:
            return DONE, length, last
        share = min(1 - least, max(least, next_share(lengths, heights)))
    else:
        return NO_EVENT, length, last
    return NO_NEWTON, length, last


@kernel
def enclose(lengths, heights, length, height):
    """Put the newest look first and the nearest on the other side of zero second."""
    side = 0 if (height > 0) == (heights[0] > 0) else 1
    lengths[2], heights[2] = lengths[side], heights[side]
    if side == 1:
        lengths[1], heights[1] = lengths[0], heights[0]
    lengths[0], heights[0] = length, height


@kernel
def next_share(lengths, heights):
    """Return where to look, from the newest length (0) to the other side (1).

    By the quadratic of length over level through all three where it is monotonic, else in the middle.
    """
    (a, b, c), (fa, fb, fc) = lengths, heights
    at, level = (a - b) / (c - b), (fa - fb) / (fc - fb)
    if level**2 < at and (1 - level) ** 2 < 1 - at:
        return fa / (fb - fa) * fc / (fb - fc) + (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb)
    return 0.5
