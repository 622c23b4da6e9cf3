"""Compiled parts of a surrogate: from what a stretch reads to coordinates, and on to its value and slopes."""

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.solve.kernel import kernel
from mscale_uq.solve.product_polynomial import contract

FAST = {"nogil": True}  # not fastmath: NaN says that there is no place
RATIO, LOGIT, PLAIN = 0, 1, 2  # how a number becomes a coordinate


@kernel(**FAST)
def place(u: Array, rows: int, kinds: Array) -> tuple[Array, Array, float, Array]:
    """Return x ``(d,)``, its slope ``(d, n)``, the log of the scale and its slope ``(n,)``.

    `u` holds the scale, a matrix of `rows` flattened (1 for a number, 0 if there is none), and then numbers.
    """
    head, n = rows * rows, u.size
    entries = max(0, rows * (rows + 1) // 2 - 1)
    x, slope = np.empty(entries + kinds.size), np.zeros((entries + kinds.size, n))
    log_scale, log_slope = 0.0, np.zeros(n)
    if rows:
        mean = 0.0
        for i in range(rows):
            mean += u[i * rows + i] / rows
        for i in range(rows):
            log_slope[i * rows + i] = 1.0 / (rows * mean)
        log_scale = np.log(mean) if mean > 0.0 else np.nan
        at = 0
        for i in range(rows):
            for j in range(i, rows):
                if at < entries:
                    x[at] = 0.5 * (u[i * rows + j] + u[j * rows + i]) / mean
                    slope[at] = -x[at] * log_slope
                    slope[at, i * rows + j] += 0.5 / mean
                    slope[at, j * rows + i] += 0.5 / mean
                at += 1
    for k in range(kinds.size):
        at, value = entries + k, u[head + k]
        if kinds[k] == RATIO:
            x[at] = (np.log(value) if value > 0.0 else np.nan) - log_scale
            slope[at] = -log_slope
            slope[at, head + k] = 1.0 / value
        elif kinds[k] == LOGIT:
            x[at] = np.tanh(0.5 * value)
            slope[at, head + k] = 0.5 * (1.0 - x[at] * x[at])
        else:
            x[at], slope[at, head + k] = value, 1.0
    return x, slope, log_scale, log_slope


@kernel(**FAST)
def evaluate(
    read: Array,
    rows: int,
    kinds: Array,
    degree: float,
    flat: Array,
    nodes: Array,
    periodic: Array,
    ends: Array,
) -> Array:
    """Return the flattened quantity and its slopes ``(1 + n, m)``; NaN where there is no place for it."""
    x, slope, log_scale, log_slope = place(read, rows, kinds)
    there = contract(flat, nodes, periodic, ends, x)
    made = np.empty((1 + read.size, there.shape[1]))
    factor = np.exp(degree * log_scale)
    for k in range(there.shape[1]):
        made[0, k] = factor * there[0, k]
        for i in range(read.size):
            total = degree * log_slope[i] * there[0, k]
            for a in range(x.size):
                total += slope[a, i] * there[1 + a, k]
            made[1 + i, k] = factor * total
    return made
