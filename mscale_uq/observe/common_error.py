"""Individuals that are followed under one error of the background, which all readings of a time share.

They are then one state: the deviations of all of them, and the error of the time at hand. Readings are taken
in one after another; before the first of a time all individuals move, and the error is drawn anew. So the
filter of one individual, with its adjoint, serves for all of them together, exactly.
"""

from typing import NamedTuple

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.errors import InputError, explain
from mscale_uq.solve.followed_kernels import followed_adjoint

MOST = 2e7  # numbers in one of a dozen arrays


class Path(NamedTuple):
    """The model of each individual: F ``(T, n, n)``, Q ``(T, n, n)`` and slope ``(T, n)``; or derivatives."""

    F: Array
    Q: Array
    slope: Array


class Passed(NamedTuple):
    """For each reading ``(rows,)`` its log-density given those before it, its precision, and derivatives.

    The derivatives are of the sum of log-densities to each reading's error and own variance, and to the path.
    """

    logs: Array
    precision: Array
    error: Array
    own: Array
    path: Path


def together(
    path: Path, who: np.ndarray, when: np.ndarray, error: Array, own: Array, common: float
) -> Passed:
    """Filter all readings forth and back.

    Parameters
    ----------
    path
        The model.
    who, when
        For each reading ``(rows,)`` its individual and which of the T times it stands at.
    error, own
        ``(rows,)`` reading minus expectation, NaN where there is none, and the variance of its own noise.
    common
        Standard deviation of the error that a time's readings share.

    Raises
    ------
    InputError
        If there are too many individuals for their joint state.
    """
    individuals, (T, n) = int(who.max()) + 1, path.slope.shape
    size = individuals * n + 1
    if len(who) * size**2 > MOST:
        given = f"{individuals} followed individuals and {len(who)} readings with an error of the background"
        raise InputError(explain(given, "some ten", "leave the error out, or filter: `mscale assimilate`"))
    order = np.lexsort((who, when))
    moved = np.diff(when[order], prepend=-1)
    F, Q, h = _steps(path, who[order], when[order], moved, common)
    logs, precision, to_error, to_own = np.zeros((4, 1, len(order)))
    bars = np.zeros_like(h), np.zeros_like(F), np.zeros_like(Q)
    read, noise = (np.ascontiguousarray(part[None, order]) for part in (error, own))
    followed_adjoint(read, noise, h, F, Q, logs, precision, to_error, to_own, *bars)
    back = np.argsort(order)
    logs, precision, to_error, to_own = (part[0, back] for part in (logs, precision, to_error, to_own))
    return Passed(logs, precision, to_error, to_own, _gathered(bars, who[order], when[order], moved, T))


def _steps(path: Path, who: np.ndarray, when: np.ndarray, moved: np.ndarray, common: float) -> Path:
    """Return F, Q and h of the joint state, one for each reading in its order."""
    n, individuals = path.slope.shape[1], int(who.max()) + 1
    size, count = n * individuals + 1, len(who)
    F, Q, h = np.zeros((count, size, size)), np.zeros((count, size, size)), np.zeros((count, size))
    F[:, np.arange(size), np.arange(size)] = 1.0
    h[:, -1] = 1.0
    first = np.flatnonzero(moved)
    F[first, -1, -1], Q[first, -1, -1] = 0.0, common**2
    for i in range(individuals):
        own = slice(i * n, (i + 1) * n)
        F[first, own, own], Q[first, own, own] = path.F[when[first]], path.Q[when[first]]
        h[who == i, own] = path.slope[when[who == i]]
    return Path(F, Q, h)


def _gathered(
    bars: tuple[Array, Array, Array], who: np.ndarray, when: np.ndarray, moved: np.ndarray, T: int
) -> Path:
    """Return the derivatives to each individual's path, summed over the individuals."""
    to_h, to_F, to_Q = bars
    individuals = int(who.max()) + 1
    n = (to_h.shape[1] - 1) // individuals
    found = Path(np.zeros((T, n, n)), np.zeros((T, n, n)), np.zeros((T, n)))
    first = np.flatnonzero(moved)
    for i in range(individuals):
        own = slice(i * n, (i + 1) * n)
        found.F[when[first]] += to_F[first, own, own]
        found.Q[when[first]] += to_Q[first, own, own]
        np.add.at(found.slope, when[who == i], to_h[who == i, own])
    return found
