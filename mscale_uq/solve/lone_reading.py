"""One normal reading of a small normal law, whose noise may grow with what is read, at many nodes at once.

A block N(m, P) is read as e + h'(x - m) with the variance

    R(e) = base + shot max(e - background, 0) + (relative (e - background))^2.

However many states it has, its most probable one is m + P h s with one number s: with v = h'P h the top of

    log N(y; e + v s, R(e + v s)) - v s^2 / 2.

Newton's steps go by the curvature, or by the information 1 / R where that would not lead up. At the top the
law is the normal one that a reading of the variance R leaves, and the evidence Laplace's with 1 / R, as
`filters.node_update` has it for many readings of a block.
"""

import numpy as np

from mscale_uq.solve.kalman_kernels import INLINE, LOG_2PI, shrink, weigh
from mscale_uq.solve.kernel import kernel

STEPS, HALVINGS = 50, 30
TOLERANCE = 1e-14  # of what another step would gain in the logarithm


@kernel
def take_lone(reading, block, entries, live, H, y, levels, places, e, R, means, covs, logs):
    """Take readings in, each of which is the only one of its block, in place; return whether all settled.

    Reading ``reading[i]`` of the M sees ``entries[i]`` of block ``block[i]``, where they are `live`, with the
    slopes H ``(G, M, w)``; its row of `levels` ``(M, 3)`` is shot, relative and background. Of what is
    expected e ``(G, M)`` and of the base R ``(G, M)`` become what is expected and the variance at the top;
    `places` ``(C, n)`` says where a block stands in the means.
    """
    n, settled = covs.shape[3], True
    h, row, gain, left = np.empty(n), np.empty(n), np.empty(n), np.empty((n, n))
    for g in range(e.shape[0]):
        for i in range(reading.size):
            q, c = reading[i], block[i]
            h[:] = 0.0
            for a in range(entries.shape[1]):
                if live[i, a]:
                    h[entries[i, a]] += H[g, q, a]
            v = weigh(n, covs[g, c], h, 0.0, row, gain)
            s, R[g, q], height, done = _top(e[g, q], v, y[q], R[g, q], levels[q])
            settled &= done
            e[g, q] += v * s
            logs[g] += height - 0.5 * np.log1p(v / R[g, q])
            for a in range(n):
                means[g, places[c, a]] += row[a] * s
                gain[a] = row[a] / (v + R[g, q])
            shrink(n, covs[g, c], h, R[g, q], row, gain, left)
    return settled


@kernel
def _top(e, v, y, base, levels):
    """Return s, the variance there, the height, and whether the search settled."""
    s = 0.0
    R, density, pull, bend = _said(e, y, base, levels)
    height = density
    for _ in range(STEPS):
        steady = 1.0 + v / R
        if (pull - s) ** 2 * v <= TOLERANCE * steady:
            return s, R, height, True
        curved = 1.0 + v * bend
        step = (pull - s) / (curved if curved > 0.1 * steady else steady)
        before = height
        for _ in range(HALVINGS):
            R, density, pull, bend = _said(e + v * (s + step), y, base, levels)
            height = density - 0.5 * v * (s + step) ** 2
            if height >= before - 1e-12 * abs(before):
                break
            step /= 2
        s += step
    return s, R, height, False


@kernel(**INLINE)
def _said(e, y, base, levels):
    """Return the variance of a reading expected at e, its log-density, and its slope and curvature down."""
    light, error = e - levels[2], y - e
    R = base + levels[0] * max(light, 0.0) + (levels[1] * light) ** 2
    slope, bow = levels[0] * (light > 0.0) + 2 * levels[1] ** 2 * light, 2 * levels[1] ** 2
    misfit, turn = error**2 / R, slope / R
    pull = error / R + 0.5 * (misfit - 1) * turn
    bend = (1 + 2 * error * turn - 0.5 * (misfit - 1) * bow) / R + (misfit - 0.5) * turn**2
    return R, -0.5 * (LOG_2PI + np.log(R) + misfit), pull, bend
