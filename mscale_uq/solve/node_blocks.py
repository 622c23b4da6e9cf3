"""Many small normal laws at once, each of which is told something of its state: Newton's step, what is left.

Covariances P and informations J are ``(N, s, s)``, slopes and places ``(N, s)``, a place a standing for the
state mean + P a. With P = L L' and B = I + L'J L

    (I + J P)^-1 = I - J L B^-1 L',    (P^-1 + J)^-1 = L B^-1 L',    |I + J P| = |B|,

so no inverse of P is needed, which is singular where something is known exactly. Up to `SMALL` states the
loops are written out, which is many times as fast for two states; LAPACK serves the others.
"""

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.solve.kalman_kernels import SMALL, factor, predict_cov, predict_mean
from mscale_uq.solve.kernel import kernel


def moved_blocks(means: Array, covs: Array, F: Array, b: Array, Q: Array) -> tuple[Array, Array]:
    """Return means ``(G, C, s)`` and covariances of C blocks after a move F ``(G, s, s)``, b, Q each node."""
    if means.shape[-1] > SMALL:
        moved = np.einsum("gab,gcb->gca", F, means) + b[:, None]
        return moved, F[:, None] @ covs @ np.swapaxes(F, 1, 2)[:, None] + Q[:, None]
    moved, spread = means.copy(), covs.copy()
    _move(moved, spread, *(np.ascontiguousarray(part) for part in (F, b, Q)))
    return moved, spread


def newton(P: Array, J: Array, rest: Array) -> tuple[Array, Array]:
    """Return Newton's step ``(N, s)`` from a place a, and what it gains ``(N,)``.

    `rest` is slope - a, which vanishes at the top, so that round-off does, too: the step (I + J P)^-1 rest.
    """
    if P.shape[-1] <= SMALL:
        step, gain = np.empty_like(rest), np.empty(len(rest))
        _newton(P, J, rest, step, gain)
        return step, gain
    ahead = np.asarray(np.linalg.solve(np.eye(P.shape[-1]) + J @ P, rest[..., None])[..., 0])
    return ahead, np.einsum("ka,kab,kb->k", rest, P, ahead)


def told(P: Array, J: Array) -> tuple[Array, Array]:
    """Return what is left of each covariance, and log |I + J P| ``(N,)``."""
    if P.shape[-1] <= SMALL:
        left, volume = np.empty_like(P), np.empty(len(P))
        _told(P, J, left, volume)
        return left, volume
    one = np.eye(P.shape[-1])
    rest = np.asarray(np.linalg.solve(one + P @ J, P))
    return (rest + np.swapaxes(rest, 1, 2)) / 2, np.linalg.slogdet(one + J @ P)[1]


def roots(P: Array) -> Array:
    """Return L with L L' = P."""
    if P.shape[-1] <= SMALL:
        found = np.zeros_like(P)
        _roots(P, found)
        return found
    size, vectors = np.linalg.eigh(P)
    return np.asarray(vectors * np.sqrt(np.maximum(size, 0.0))[:, None, :])


@kernel
def gather(block, entries, H, score, information, slope, J):
    """Add what readings say to slope ``(G, C, s)`` and J ``(G, C, s, s)``.

    Reading i is one of block[i], and sees w of its entries ``(r, w)`` with the slopes H ``(G, r, w)``; score
    and information ``(G, r)`` are the derivatives to what is expected.
    """
    for g in range(H.shape[0]):
        for i in range(H.shape[1]):
            c = block[i]
            for a in range(H.shape[2]):
                h, at = H[g, i, a], entries[i, a]
                slope[g, c, at] += h * score[g, i]
                for b in range(H.shape[2]):
                    J[g, c, at, entries[i, b]] += h * information[g, i] * H[g, i, b]


@kernel
def reaches(block, entries, H, P, h, reach):
    """Add each reading's slopes to its block h ``(G, r, s)``, and fill P h ``(G, r, s)``."""
    for g in range(H.shape[0]):
        for i in range(H.shape[1]):
            c = block[i]
            for a in range(H.shape[2]):
                h[g, i, entries[i, a]] += H[g, i, a]
                for b in range(P.shape[2]):
                    reach[g, i, b] += P[g, c, b, entries[i, a]] * H[g, i, a]


@kernel
def _move(means, covs, F, b, Q):
    n = means.shape[2]
    half, moved = np.empty((n, n)), np.empty(n)
    for g in range(means.shape[0]):
        for c in range(means.shape[1]):
            predict_mean(n, means[g, c], F[g], b[g], moved)
            predict_cov(n, covs[g, c], F[g], Q[g], half)


@kernel
def _newton(P, J, rest, step, gain):
    n = P.shape[1]
    L, JL, B, z = np.empty((n, n)), np.empty((n, n)), np.empty((n, n)), np.empty(n)
    for k in range(len(P)):
        _weigh(n, P[k], J[k], L, JL, B)
        for i in range(n):  # z = B^-1 L' rest
            z[i] = 0.0
            for j in range(i, n):
                z[i] += L[j, i] * rest[k, j]
        _halfway(n, B, z)
        gain[k] = 0.0
        for i in range(n):
            gain[k] += z[i] ** 2
        _back(n, B, z)
        for i in range(n):
            step[k, i] = rest[k, i]
            for j in range(n):
                step[k, i] -= JL[i, j] * z[j]


@kernel
def _told(P, J, left, volume):
    n = P.shape[1]
    L, JL, B, row = np.empty((n, n)), np.empty((n, n)), np.empty((n, n)), np.empty(n)
    for k in range(len(P)):
        volume[k] = 0.0
        if not np.any(J[k]):
            left[k] = P[k]
            continue
        _weigh(n, P[k], J[k], L, JL, B)
        for i in range(n):
            volume[k] += 2 * np.log(B[i, i])
            for j in range(n):  # L becomes L C^-T with B = C C'
                row[j] = L[i, j]
            _halfway(n, B, row)
            for j in range(n):
                L[i, j] = row[j]
        for i in range(n):
            for j in range(i + 1):
                total = 0.0
                for a in range(n):
                    total += L[i, a] * L[j, a]
                left[k, i, j] = left[k, j, i] = total


@kernel
def _roots(P, L):
    for k in range(len(P)):
        _root(P.shape[1], P[k], L[k])


@kernel
def _weigh(n, P, J, L, JL, B):
    """Fill L, J L and the Cholesky factor of B, in the lower triangle."""
    _root(n, P, L)
    for i in range(n):
        for j in range(n):
            JL[i, j] = 0.0
            for a in range(j, n):
                JL[i, j] += J[i, a] * L[a, j]
    for i in range(n):
        for j in range(i + 1):
            B[i, j] = 1.0 if i == j else 0.0
            for a in range(i, n):
                B[i, j] += L[a, i] * JL[a, j]
    factor(B, n)


@kernel
def _root(n, P, L):
    """Fill the lower triangular L; nothing where what is left of a variance is nothing but round-off."""
    for i in range(n):
        for j in range(n):
            L[i, j] = 0.0
        for j in range(i + 1):
            total = P[i, j]
            for a in range(j):
                total -= L[i, a] * L[j, a]
            if i == j:
                L[i, i] = np.sqrt(max(total, 0.0))
            elif L[j, j] > 0.0:
                L[i, j] = total / L[j, j]


@kernel
def _halfway(n, C, z):
    """C^-1 z in place, C being lower triangular."""
    for i in range(n):
        for j in range(i):
            z[i] -= C[i, j] * z[j]
        z[i] /= C[i, i]


@kernel
def _back(n, C, z):
    """C'^-1 z in place."""
    for i in range(n - 1, -1, -1):
        for j in range(i + 1, n):
            z[i] -= C[j, i] * z[j]
        z[i] /= C[i, i]
