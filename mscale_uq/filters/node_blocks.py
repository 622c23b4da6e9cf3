"""`Blocks`: covariances of the parts of a state that do not hang together, at every node.

Cells that are followed share rates, and these are known at a node: there each cell is a law of its own, of
two numbers, say, instead of one of all cells. A filter's step then costs what the cells cost one by one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np

from mscale_uq.core.linear_dynamics import LinearDynamics, Transition
from mscale_uq.core.parameter import Array
from mscale_uq.solve.node_blocks import moved_blocks, roots


class Seen(NamedTuple):
    """The r readings that see a kind of block: which they are, which block each of them sees, and where.

    `live` ``(r, w)`` says which of the `entries` ``(r, w)`` count; the others see what is known exactly.
    """

    readings: np.ndarray
    block: np.ndarray
    entries: np.ndarray
    live: np.ndarray


@final
@dataclass(frozen=True)
class Blocks:
    """The covariance of a state at every node, without the zeros between its parts.

    Attributes
    ----------
    kinds
        For each kind of block the places ``(C, s)`` in the state of C blocks of s entries.
    covs
        For each kind ``(G, C, s, s)``.
    """

    kinds: tuple[np.ndarray, ...]
    covs: tuple[Array, ...]

    @classmethod
    def of(cls, dynamics: LinearDynamics, cov: Array, count: int) -> "Blocks":
        """Return the same covariance ``(n, n)`` at `count` nodes, in the parts that dynamics has."""
        kinds, between = dynamics.blocks(), cov.copy()
        for kind in kinds:
            between[kind[:, :, None], kind[:, None, :]] = 0.0
        if np.any(between):
            kinds = (np.arange(len(cov))[None],)
        parts = (cov[kind[:, :, None], kind[:, None, :]] for kind in kinds)
        return cls(kinds, tuple(np.repeat(part[None], count, axis=0) for part in parts))

    @property
    def size(self) -> int:
        """Number of entries of the state."""
        return sum(kind.size for kind in self.kinds)

    @property
    def whole(self) -> bool:
        """Whether the state is one part."""
        return self.kinds[0].size == self.kinds[0].shape[1] == self.size

    def dense(self) -> Array:
        """Return the covariances ``(G, n, n)``, zeros and all."""
        full = np.zeros((len(self.covs[0]), self.size, self.size))
        for kind, cov in zip(self.kinds, self.covs, strict=True):
            full[:, kind[:, :, None], kind[:, None, :]] = cov
        return full

    def variances(self) -> Array:
        """Return the variances ``(G, n)``."""
        found = np.empty((len(self.covs[0]), self.size))
        for kind, cov in zip(self.kinds, self.covs, strict=True):
            found[:, kind] = np.diagonal(cov, axis1=2, axis2=3)
        return found

    def averaged(self, weights: Array) -> Array:
        """Return the covariance ``(n, n)`` averaged over the nodes."""
        full = np.zeros((self.size, self.size))
        for kind, cov in zip(self.kinds, self.covs, strict=True):
            full[kind[:, :, None], kind[:, None, :]] = np.tensordot(weights, cov, 1)
        return full

    def joined(self) -> "Blocks":
        """Return the same covariances in one part."""
        return Blocks((np.arange(self.size)[None],), (self.dense()[:, None],))

    def among(self, kinds: tuple[np.ndarray, ...]) -> "Blocks":
        """Return the same covariances in other parts, each of which is several of these together."""
        if len(kinds) == len(self.kinds) and all(map(np.array_equal, kinds, self.kinds)):
            return self
        number, place, _ = self._numbered()
        covs = [np.zeros((len(self.covs[0]), *kind.shape, kind.shape[1])) for kind in kinds]
        for there, kind in zip(covs, kinds, strict=True):
            same = number[kind][:, :, None] == number[kind][:, None, :]
            first = 0
            for old, cov in zip(self.kinds, self.covs, strict=True):
                mine = same & ((number[kind] >= first) & (number[kind] < first + len(old)))[:, :, None]
                c, i, j = np.nonzero(mine)
                at = kind[c, i], kind[c, j]
                there[:, c, i, j] = cov[:, number[at[0]] - first, place[at[0]], place[at[1]]]
                first += len(old)
        return Blocks(kinds, tuple(covs))

    def moved(self, means: Array, moves: Sequence[Transition]) -> tuple[Array, "Blocks"]:
        """Return the means ``(G, n)`` and covariances that a move of each kind leads to."""
        after, covs = np.empty_like(means), []
        for kind, cov, move in zip(self.kinds, self.covs, moves, strict=True):
            after[:, kind], there = moved_blocks(means[:, kind], cov, move.F, move.b, move.Q)
            covs.append(there)
        return after, Blocks(self.kinds, tuple(covs))

    def shaken(self, normal: Array) -> Array:
        """Return L z ``(G, n)`` of standard normal z, with L L' the covariance."""
        arms = np.empty_like(normal)
        for kind, cov in zip(self.kinds, self.covs, strict=True):
            L = roots(cov.reshape(-1, *cov.shape[2:])).reshape(cov.shape)
            arms[:, kind] = np.einsum("gcab,gcb->gca", L, normal[:, kind])
        return arms

    def seen(self, entries: np.ndarray) -> tuple[Seen, ...] | None:
        """Return which readings see which kind of block, or None if a reading ties two of them.

        `entries` ``(m, w)`` are the places in the state that each reading sees, -1 where it sees fewer. What
        is known exactly ties nothing.
        """
        number, place, unsure = self._numbered()
        live = (entries >= 0) & unsure[entries]
        least = np.where(live, number[entries], len(number)).min(axis=1)
        owner = np.where(live, number[entries], -1).max(axis=1)
        if np.any((owner >= 0) & (least < owner)):
            return None
        made, first = [], 0
        for kind in self.kinds:
            mine = np.flatnonzero((owner >= first) & (owner < first + len(kind)))
            local = np.where(live[mine], place[entries[mine]], 0)
            made.append(Seen(mine, owner[mine] - first, local, live[mine]))
            first += len(kind)
        return tuple(made)

    def _numbered(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return for each entry ``(n,)`` the number of its block, its place there, and if that is unsure."""
        number, place, unsure = (np.empty(self.size, dtype=t) for t in (int, int, bool))
        first = 0
        for kind, cov in zip(self.kinds, self.covs, strict=True):
            number[kind] = first + np.arange(len(kind))[:, None]
            place[kind] = np.arange(kind.shape[1])
            unsure[kind] = np.any(cov != 0, axis=(0, 2, 3)).reshape(-1, 1)
            first += len(kind)
        return number, place, unsure
