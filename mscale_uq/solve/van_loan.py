"""A linear stochastic differential equation over a finite time, exactly, with exact derivatives.

dx = (A x + c) dt + dW with diffusion G (covariance of dW a unit of time) becomes x' = F x + b + noise of
covariance Q. The three integrals are summed as power series over a time short enough for round-off accuracy
and then doubled, F(2h) = F F, b(2h) = F b + b, Q(2h) = F Q F' + Q: sums of positive terms, so Q stays
positive over long and stiff times, where the exponential of one block matrix overflows. A derivative follows
the same steps.

Source of the integrals: C. F. Van Loan, IEEE Trans. Autom. Control 23 (1978) 395-404,
doi:10.1109/TAC.1978.1101743.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.solve.kernel import kernel

TERMS = 20  # with 2 |A| h <= 1 the first neglected term is below 1 / 20! = 4e-19


class Discrete(NamedTuple):
    """x' = F x + b + noise of covariance Q; for derivatives, one leading axis of directions."""

    F: Array
    b: Array
    Q: Array


def discretise(A: Array, c: Array, G: Array, time: float) -> Discrete:
    """Return F ``(n, n)``, b ``(n,)`` and Q ``(n, n)`` of dx = (A x + c) dt + dW over `time`; read-only."""
    none = Discrete(*(part[None][:0] for part in (A, c, G)))
    return discretise_tangents(A, c, G, none, time)[0]


def discretise_rows(A: Array, c: Array, G: Array, time: float) -> Discrete:
    """Return `discretise` of many equations at once, all arguments and results ``(rows, ...)``; read-only."""
    content = tuple(np.ascontiguousarray(part, dtype=float).tobytes() for part in (A, c, G))
    return _remembered_rows(c.shape, content, float(time))


@lru_cache(maxsize=64)
def _remembered_rows(shape: tuple[int, int], content: tuple[bytes, ...], time: float) -> Discrete:
    rows, n = shape
    A, c, G = (np.frombuffer(part).reshape(rows, n, -1) for part in content)
    largest = np.abs(A).sum(axis=1).max(initial=0.0)
    doublings = max(0, int(np.ceil(np.log2(max(2 * largest * time, 1.0)))))
    h = time / 2**doublings
    U = term = np.eye(n) * h + 0 * A
    Q = noise = G * h
    for i in range(2, TERMS):
        term, noise = A @ term * (h / i), A @ noise * (h / i)
        noise = noise + np.swapaxes(noise, -1, -2)
        U, Q = U + term, Q + noise
    F, b = np.eye(n) + A @ U, U @ c
    for _ in range(doublings):
        F, b, Q = F @ F, F @ b + b, F @ Q @ np.swapaxes(F, -1, -2) + Q
    made = Discrete(F, b[..., 0], Q)
    for part in made:
        part.flags.writeable = False
    return made


def discretise_tangents(
    A: Array, c: Array, G: Array, tangents: Discrete, time: float
) -> tuple[Discrete, Discrete]:
    """Return `discretise` and its derivatives along k changes of A, c and G, stacked in `tangents`.

    The last few results are remembered, since readings mostly come at regular times.
    """
    content = tuple(np.ascontiguousarray(part, dtype=float).tobytes() for part in (A, c, G, *tangents))
    return _remembered(len(c), len(tangents.F), content, float(time))


@lru_cache(maxsize=256)
def _remembered(n: int, k: int, content: tuple[bytes, ...], time: float) -> tuple[Discrete, Discrete]:
    shapes = ((n, n), (n,), (n, n), (k, n, n), (k, n), (k, n, n))
    A, c, G, dA, dc, dG = (
        np.frombuffer(part).reshape(shape).copy() for part, shape in zip(content, shapes, strict=True)
    )
    largest = np.abs(A).sum(axis=0).max(initial=0.0)
    doublings = max(0, int(np.ceil(np.log2(max(2 * largest * time, 1.0)))))
    short = time / 2**doublings
    U, Q, dU, dQ = _series(A, G, dA, dG, short)
    parts = np.eye(n) + A @ U, U @ c, Q, dA @ U + A @ dU, dU @ c + dc @ U.T, dQ
    made = _doubled(*parts, doublings)
    for part in made:
        part.flags.writeable = False
    return Discrete(*made[:3]), Discrete(*made[3:])


@kernel
def _series(A, G, dA, dG, h):
    """Return U = int exp(A s) ds and Q over a short time h, and their derivatives."""
    U, Q, dU, dQ = np.eye(len(A)) * h, G * h, np.zeros_like(dA), dG * h
    term, noise, d_term, d_noise = U.copy(), Q.copy(), dU.copy(), dQ.copy()
    for i in range(2, TERMS):
        for p in range(len(dA)):
            d_term[p] = (dA[p] @ term + A @ d_term[p]) * (h / i)
            half = dA[p] @ noise + A @ d_noise[p]
            d_noise[p] = (half + half.T) * (h / i)
        term = A @ term * (h / i)
        half = A @ noise
        noise = (half + half.T) * (h / i)
        U, Q, dU, dQ = U + term, Q + noise, dU + d_term, dQ + d_noise
    return U, Q, dU, dQ


@kernel
def _doubled(F, b, Q, dF, db, dQ, doublings):
    """Return the three integrals over a time doubled so often, and their derivatives."""
    dF, db, dQ = dF.copy(), db.copy(), dQ.copy()
    for _ in range(doublings):
        FQ = F @ Q
        for p in range(len(dF)):
            half = dF[p] @ FQ.T
            dQ[p] += half + half.T + F @ dQ[p] @ F.T
            db[p] += dF[p] @ b + F @ db[p]
            dF[p] = dF[p] @ F + F @ dF[p]
        F, b, Q = F @ F, F @ b + b, FQ @ F.T + Q
    return F, b, Q, dF, db, dQ
