"""Radau steps one after another: under error control, or along a given mesh; kernels.

f is the right-hand side compiled for real, fc for complex numbers.
"""

import numpy as np

from mscale_uq.solve.kernel import kernel
from mscale_uq.solve.radau import (
    DONE,
    ERR,
    EVENT,
    NEWTON_LIMIT,
    NO_NEWTON,
    PATIENT,
    SCALE,
    STAGES,
    STEP_TOO_SMALL,
    TOO_MANY_STEPS,
    error_estimate,
    factor_both,
    newton,
    norm,
    progress,
    set_scale,
    workspace,
)
from mscale_uq.solve.rate import fill_jacobian

# A contraction below this says that the Jacobian is still good. A new one of thirty states costs about ten
# iterations; what a small contraction saves is one or two.
KEEP_JACOBIAN = 2e-2
SLOWEST, FASTEST = 0.2, 8.0  # limits of the change of step length from one step to the next


# What the control of the steps remembers, in one array of numbers.
NEXT_H, LAST_H, LAST_ERROR, FACTORED_H, JACOBIAN = range(5)
OLD, FRESH, OUTDATED = 0.0, 1.0, 2.0  # states of the Jacobian


@kernel
def adaptive(f, fc, level, direction, height, t, y0, p, stops, rtol, atol, iteration, max_steps):
    """Step from y0 at t through the `stops`, or to the end of the step in which the level passes zero.

    `height` is the level at the start.

    Returns (status, times (N+1,), states (N+1, n), stages (N, 3, n), step numbers of the stops reached).
    """
    w, y, n = workspace(y0.size), y0.copy(), y0.size
    times, states, stages = np.empty(64), np.empty((64, n)), np.empty((64, 3, n))
    reached, count, target, status = np.zeros(stops.size, np.int64), 0, 0, DONE
    times[0], states[0] = t, y
    control = np.array([0.0, 0.0, 1.0, 0.0, OUTDATED])
    control[NEXT_H] = first_step(f, t, y, p, stops[-1], rtol, atol, w)
    while target < stops.size and status == DONE:
        if count + 1 == times.size:
            times, states, stages = doubled(times), doubled(states), doubled(stages)
        step = next_step(
            f, fc, t, y, stops[target] - t, p, w, rtol, atol, iteration, control, stages[max(count, 1) - 1]
        )
        if step == 0 or count >= max_steps:
            status = STEP_TOO_SMALL if step == 0 else TOO_MANY_STEPS
            break
        t += step
        if step == stops[target] - times[count]:
            t, reached[target] = stops[target], count + 1
            target += 1
        stages[count] = w.rows[STAGES]
        y += stages[count, 2]
        count += 1
        times[count], states[count] = t, y
        before, height = height, level(t, y, p)
        if passed(before, height, direction):
            status = EVENT
    return status, times[: count + 1], states[: count + 1], stages[:count], reached[:target]


@kernel
def next_step(f, fc, t, y, left, p, w, rtol, atol, iteration, control, last_stages):
    """Try steps until one is accepted; its stages lie in `w`. Returns its length, or 0 for giving up."""
    again = control[LAST_H] == 0
    while True:
        step = towards(control[NEXT_H], left)
        if step <= 8 * np.spacing(abs(t)):
            return 0.0
        if control[JACOBIAN] == OUTDATED:
            fill_jacobian(fc, t, y, p, w.jacobian)
            control[JACOBIAN], control[FACTORED_H] = FRESH, 0.0
        solved, used, contraction = attempt(
            f, t, y, step, p, w, rtol, atol, iteration, NEWTON_LIMIT, control, last_stages
        )
        if not solved:
            control[NEXT_H] = step / 2 if control[JACOBIAN] == FRESH else step
        else:
            error = error_estimate(f, t, y, step, p, w, again)
            change = step_change(error, step, used, control)
            if error < 1:
                plan_next(error, step, change, contraction, control)
                return step
            control[NEXT_H] = step * min(change, 0.9)
        again = True
        if control[JACOBIAN] == OLD:
            control[JACOBIAN] = OUTDATED


@kernel
def plan_next(error, step, change, contraction, control):
    """Note the next step's length and whether its Jacobian can be the same."""
    control[JACOBIAN] = OUTDATED if contraction > KEEP_JACOBIAN else OLD
    keep = control[JACOBIAN] == OLD and 1 <= change <= 1.2
    if step < control[NEXT_H]:  # cut short by a stop, not by an error
        control[NEXT_H] = max(control[NEXT_H], step * change)
    elif not keep:  # the same length keeps the factors
        control[NEXT_H] = step * change
    control[LAST_H], control[LAST_ERROR] = step, max(error, 1e-2)


@kernel
def attempt(f, t, y, step, p, w, rtol, atol, iteration, limit, control, last_stages):
    """Try to solve one step; returns (solved, iterations, contraction)."""
    if step != control[FACTORED_H]:
        if not factor_both(w, step):
            return False, 0, 1.0
        control[FACTORED_H] = step
    if control[LAST_H] == 0:
        w.rows[STAGES] = 0.0
    else:
        progress(last_stages, 1.0, step / control[LAST_H], w.rows[STAGES])
    set_scale(y, w.rows[STAGES][2], rtol, atol, w.rows[SCALE])
    return newton(f, t, y, step, p, w, iteration, limit)


@kernel
def first_step(f, t, y, p, end, rtol, atol, w):
    """Return a step in which an explicit Euler step would stay far inside the tolerance's reach."""
    w.rows[ERR] = 0.0
    set_scale(y, w.rows[ERR], rtol, atol, w.rows[SCALE])
    f(t, y, p, w.rows[ERR])
    speed = norm(w.rows[ERR], w.rows[SCALE])
    return min((end - t) / 2, 0.5 / speed) if speed > 0 else (end - t) / 2


@kernel
def towards(h, left):
    """Return a step of about h that either ends at the next stop or leaves room for a whole one."""
    if h >= left * (1 - 1e-10):
        return left
    return left / 2 if 2 * h > left else h


@kernel
def step_change(error, step, used, control):
    """Return the factor for the next step, by the error of this one and its trend."""
    safety = 0.9 * (2 * NEWTON_LIMIT + 1) / (2 * NEWTON_LIMIT + used)
    trend = 1.0
    if control[LAST_H] > 0:
        trend = step / control[LAST_H] * (control[LAST_ERROR] / error) ** 0.25
    return min(FASTEST, max(SLOWEST, safety * min(1.0, trend) * error**-0.25))


@kernel
def passed(before, after, direction):
    """Whether a level passed zero in the asked direction."""
    rising, falling = before < 0 <= after, before > 0 >= after
    return (rising and direction >= 0) or (falling and direction <= 0)


@kernel
def doubled(a):
    """Return a copy with room for twice as many rows."""
    return np.concatenate((a, np.empty_like(a)))


@kernel
def along(f, fc, times, y0, p, rtol, atol, iteration):
    """Take the steps of a mesh ``(N+1,)``, each with its own Jacobian and to the end of the iteration.

    Returns (status, states, stages, largest error estimate in units of the tolerance, step of a failure).
    """
    n, count = y0.size, times.size - 1
    w, states, stages = workspace(n), np.empty((count + 1, n)), np.empty((count, 3, n))
    states[0], worst, control = y0, 0.0, np.array([0.0, 0.0, 1.0, 0.0, FRESH])
    for i in range(count):
        t, y, h = times[i], states[i], times[i + 1] - times[i]
        fill_jacobian(fc, t, y, p, w.jacobian)
        control[FACTORED_H] = 0.0
        if not attempt(f, t, y, h, p, w, rtol, atol, iteration, PATIENT, control, stages[max(i, 1) - 1])[0]:
            return NO_NEWTON, states, stages, worst, i
        stages[i], control[LAST_H] = w.rows[STAGES], h
        worst = max(worst, error_estimate(f, t, y, h, p, w, i == 0))
        states[i + 1] = y + stages[i, 2]
    return DONE, states, stages, worst, count
