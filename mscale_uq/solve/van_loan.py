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
    A, c, G, *moves = (
        np.frombuffer(part).reshape(shape) for part, shape in zip(content, shapes, strict=True)
    )
    largest = np.abs(A).sum(axis=0).max(initial=0.0)
    doublings = max(0, int(np.ceil(np.log2(max(2 * largest * time, 1.0)))))
    now, moved = _series(A, c, G, Discrete(*moves), time / 2**doublings)
    for _ in range(doublings):
        now, moved = _doubled(now, moved)
    for part in (*now, *moved):
        part.flags.writeable = False
    return now, moved


def _series(A: Array, c: Array, G: Array, tangents: Discrete, h: float) -> tuple[Discrete, Discrete]:
    """Sum F = I + A U with U = int exp(A s) ds, b = U c, and Q, all with their derivatives."""
    dA, dc, dG = tangents
    U = term = np.eye(len(A)) * h
    Q = noise = G * h
    dU = d_term = np.zeros_like(dA)
    dQ = d_noise = dG * h
    for k in range(2, TERMS):
        d_term = (dA @ term + A @ d_term) * (h / k)
        term = A @ term * (h / k)
        d_noise = _symmetric(dA @ noise + A @ d_noise) * (h / k)
        noise = _symmetric(A @ noise) * (h / k)
        U, dU, Q, dQ = U + term, dU + d_term, Q + noise, dQ + d_noise
    now = Discrete(np.eye(len(A)) + A @ U, U @ c, Q)
    return now, Discrete(dA @ U + A @ dU, dU @ c + dc @ U.T, dQ)


def _doubled(now: Discrete, moved: Discrete) -> tuple[Discrete, Discrete]:
    (F, b, Q), (dF, db, dQ) = now, moved
    FQ = F @ Q
    dFQF = _symmetric(dF @ FQ.T) + F @ dQ @ F.T
    twice = Discrete(F @ F, F @ b + b, FQ @ F.T + Q)
    return twice, Discrete(dF @ F + F @ dF, dF @ b + db @ F.T + db, dFQF + dQ)


def _symmetric(X: Array) -> Array:
    """Return X + X'."""
    return X + np.swapaxes(X, -1, -2)
