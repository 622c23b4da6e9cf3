"""What becomes of members that the model could not move or see: they are drawn anew from the others.

A member is lost when the model raises `SolveFailed` or `Infeasible` for it, or gives a number that is not
finite. This is the ensemble's `batch`: the failure costs the member, not the run.
"""

from collections.abc import Callable
from math import isfinite

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.errors import ForwardFailure, SolveFailed

Rows = Callable[[Array, int | None], Array]


def attempt(function: Rows, members: Array) -> tuple[Array, np.ndarray]:
    """Return ``function(members, None)``, rows by member, and which members are lost ``(N,)``.

    If it fails for all together, each member is tried alone, as ``function(row, number)``; the rows of lost
    members are NaN.
    """
    try:
        rows = function(members, None)
    except ForwardFailure:
        rows = one_by_one(function, members)
    if isfinite(
        np.add.reduce(rows, axis=None)
    ):  # cheaper than looking at each; what is not finite never adds up to a number
        return rows, np.zeros(len(rows), dtype=bool)
    return rows, ~np.all(np.isfinite(rows), axis=1)


def one_by_one(function: Rows, members: Array) -> Array:
    """Return the rows of the members that succeed, NaN for the others.

    Raises
    ------
    SolveFailed, Infeasible
        The last failure, if no member succeeds.
    """
    rows: list[Array | None] = []
    for number, member in enumerate(members):
        try:
            rows.append(function(member[None], number)[0])
        except ForwardFailure as failure:
            rows.append(None)
            last = failure
    good = [row for row in rows if row is not None]
    if not good:
        raise last
    return np.array([np.full_like(good[0], np.nan) if row is None else row for row in rows])


def redrawn(rows: Array, lost: np.ndarray, time: float, rng: np.random.Generator) -> Array:
    """Return the rows ``(N, n)`` with the lost ones drawn from the normal law of the others.

    The draws have N/(N - 1) times the others' covariance: then the whole ensemble has, in expectation, the
    others' mean and covariance exactly.

    Raises
    ------
    SolveFailed
        If fewer than two members are left.
    """
    if not lost.any():
        return rows
    kept = rows[~lost]
    if len(kept) < 2:
        reason = f"{len(kept)} of {len(rows)} members left; two are needed to draw the others anew"
        raise SolveFailed("ensemble", {"time": time}, reason)
    mean = kept.mean(axis=0)
    scale = np.sqrt(len(rows) / (len(rows) - 1) / (len(kept) - 1))
    complete = rows.copy()
    complete[lost] = mean + scale * rng.standard_normal((lost.sum(), len(kept))) @ (kept - mean)
    return complete
