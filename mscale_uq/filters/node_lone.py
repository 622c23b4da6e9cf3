"""Readings that stand alone: each the only one of its block, with normal noise, as cells are in a frame.

Then nothing is searched for jointly, and every node and cell is one step of `solve.lone_reading`.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.filters.node_blocks import Blocks, Seen
from mscale_uq.filters.node_update import Told
from mscale_uq.solve.kalman_kernels import SMALL
from mscale_uq.solve.lone_reading import take_lone


class Levels(NamedTuple):
    """Normal noise that grows with what is expected: base ``(G, M)``, rest ``(M, 3)`` as in `take_lone`."""

    base: Array
    growing: Array


class Lone(NamedTuple):
    """What lone readings leave, with what is expected and the variance of each there ``(G, M)``."""

    told: Told
    settled: bool
    expected: Array
    variance: Array


def lone(seen: Iterable[Seen], blocks: Blocks, normal: np.ndarray, used: np.ndarray) -> np.ndarray:
    """Return which used readings stand alone ``(M,)``; `normal` says which have such noise."""
    found = np.zeros(used.size, dtype=bool)
    for one, kind in zip(seen, blocks.kinds, strict=True):
        if kind.shape[1] <= SMALL:
            rows = one.readings[used[one.readings]]
            alone = np.bincount(one.block[used[one.readings]], minlength=len(kind)) == 1
            found[rows] = normal[rows] & alone[one.block[used[one.readings]]]
    return found


def take(
    told: Told, seen: Iterable[Seen], mine: np.ndarray, y: Array, expected: Array, H: Array, levels: Levels
) -> Lone:
    """Return the law given also the readings that are `mine` ``(M,)``, whose blocks are as forecast."""
    means, logs, covs, settled = told.means.copy(), told.logs.copy(), list(told.blocks.covs), True
    e, R, H = expected.copy(), levels.base.copy(), np.ascontiguousarray(H)
    for k, (one, kind) in enumerate(zip(seen, told.blocks.kinds, strict=True)):
        there = mine[one.readings]
        if there.any():
            covs[k] = covs[k].copy()
            parts = (np.ascontiguousarray(part[there]) for part in one)
            settled &= take_lone(*parts, H, y, levels.growing, kind, e, R, means, covs[k], logs)
    return Lone(Told(means, Blocks(told.blocks.kinds, tuple(covs)), logs), settled, e, R)
