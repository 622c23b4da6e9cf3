"""Cells under many models at once: a Kalman filter for every node (a model) and every cell.

The means are ``(G, N, n)`` and the covariances ``(G, N, n, n)`` of N cells under G nodes, all moved in place;
`which` ``(G,)`` says which of the different matrices ``(U, ...)`` is a node's. The length of the tuple `axes`
tells the compiler the number of states n.
"""

import numpy as np

from mscale_uq.solve.kalman_kernels import LOG_2PI, predict_cov, predict_mean
from mscale_uq.solve.kernel import kernel


@kernel
def move_nodes(axes, means, covs, F, b, Q, which):
    """Move all cells by their node's F ``(U, n, n)``, b ``(U, n)`` and Q ``(U, n, n)``."""
    n, half, moved = len(axes), np.empty((len(axes), len(axes))), np.empty(len(axes))
    for g in range(means.shape[0]):
        for i in range(means.shape[1]):
            predict_mean(n, means[g, i], F[which[g]], b[which[g]], moved)
            predict_cov(n, covs[g, i], F[which[g]], Q[which[g]], half)


@kernel
def update_nodes(axes, means, covs, H, which, error, own, seen, common, logs):
    """Condition all cells on one frame; add each node's log-density to logs ``(G,)``.

    H is ``(U, n)``; the errors and their own variances are ``(G, N)``, `seen` ``(N,)``. An error of variance
    `common` is shared by all readings of the frame; what it makes of the correlation between cells is dropped
    afterwards. Returns whether every variance of a reading was positive.
    """
    n, cells = len(axes), means.shape[1]
    gains, reaches = np.zeros((cells, n)), np.zeros((cells, n))
    for g in range(means.shape[0]):
        information, pull, density = 0.0, 0.0, 0.0
        for i in range(cells):
            if not seen[i]:
                continue
            variance = reach_of(n, covs[g, i], H[which[g]], own[g, i], reaches[i])
            if not variance > 0.0:
                return False
            for a in range(n):
                gains[i, a] = reaches[i, a] / variance
            information += 1.0 / variance
            pull += error[g, i] / variance
            density += LOG_2PI + np.log(variance) + error[g, i] ** 2 / variance
        rest = common / (1.0 + common * information)  # variance of the shared error given the frame
        logs[g] -= 0.5 * (density + np.log1p(common * information) - rest * pull**2)
        for i in range(cells):
            if seen[i]:
                left = error[g, i] - rest * pull
                correct(n, means[g, i], covs[g, i], gains[i], reaches[i], left, rest)
    return True


@kernel(inline="always")
def reach_of(n, cov, h, own, reach):
    """Fill reach = P h; return the reading's variance h'P h + own."""
    variance = own
    for a in range(n):
        reach[a] = 0.0
        for b in range(n):
            reach[a] += cov[a, b] * h[b]
        variance += reach[a] * h[a]
    return variance


@kernel(inline="always")
def correct(n, mean, cov, gain, reach, left, rest):
    """Correct one cell by what is left of its error, the shared error having the variance `rest`."""
    for a in range(n):
        mean[a] += gain[a] * left
        for b in range(a + 1):
            cov[a, b] += rest * gain[a] * gain[b] - gain[a] * reach[b]
            cov[b, a] = cov[a, b]
