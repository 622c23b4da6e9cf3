"""The step that ends at an event: its length is found by Newton's method; kernels.

f and `level` are right-hand side and level compiled for real, fc and `level_c` for complex numbers.
"""

import numpy as np

from mscale_uq.solve.kernel import kernel
from mscale_uq.solve.radau import (
    DONE,
    ERR,
    NO_EVENT,
    NO_NEWTON,
    PATIENT,
    SCALE,
    STAGES,
    STATE,
    factor_both,
    newton,
    set_scale,
    workspace,
)
from mscale_uq.solve.rate import fill_jacobian

LOOKS = 60  # at a step, before giving up; bisection alone would need 50
SHARP = 1e-13  # change of the length, relative to the whole step, at which it is found
BLUNT = 1e-7  # ... and below which a change that no longer falls is round-off of the level


@kernel
def event_step(f, fc, level, level_c, t, y, p, whole, rtol, atol, iteration):
    """Return (status, length, stages) of the step from y at t, shorter than `whole`, that ends at the event.

    The level must have opposite signs at y and after the `whole` step.
    """
    w = workspace(y.size)
    set_scale(y, w.rows[STATE], rtol, atol, w.rows[SCALE])
    fill_jacobian(fc, t, y, p, w.jacobian)
    stages, state = w.rows[STAGES], np.empty_like(y)
    first, low, high, length, last, turned = level(t, y, p), 0.0, whole, whole, whole, False
    for _ in range(LOOKS):
        stages[:] = 0.0
        if not (factor_both(w, length) and newton(f, t, y, length, p, w, iteration, PATIENT)[0]):
            return NO_NEWTON, length, stages
        for j in range(y.size):
            state[j] = y[j] + stages[2, j]
        height = level(t + length, state, p)
        if not turned:  # the first look is at the whole step
            if height * first > 0:
                return NO_EVENT, length, stages
            turned, length = True, whole * first / (first - height) if first != 0 else whole
            continue
        if height * first > 0:
            low = length
        else:
            high = length
        move = -height / level_speed(f, level_c, t + length, state, p, w.rows[ERR])
        falls = abs(move) < 0.25 * abs(last)
        if abs(move) <= SHARP * whole or (abs(move) < BLUNT * whole and not falls):
            return DONE, length, stages
        last = move
        length = length + move if low < length + move < high else (low + high) / 2
    return NO_EVENT, length, stages


@kernel
def level_speed(f, level_c, t, y, p, speed):
    """Return the change of a level in time along the solution, and fill the `speed` of the state."""
    f(t, y, p, speed)
    step = 1e-40
    for j in range(y.size):
        step = max(step, 1e-40 * abs(y[j]) / max(abs(speed[j]), 1e-200))
    moved = np.empty(y.size, np.complex128)
    for j in range(y.size):
        moved[j] = complex(y[j], step * speed[j])
    return level_c(complex(t, step), moved, p.astype(np.complex128)).imag / step
