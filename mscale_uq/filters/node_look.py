"""`Look`: the observations of one time as all nodes of a Gaussian sum see them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.lazy import lazy
from mscale_uq.core.observation import Observation
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Values
from mscale_uq.core.statespace import StateSpace
from mscale_uq.errors import CovarianceError
from mscale_uq.filters.node_blocks import Blocks, Seen
from mscale_uq.filters.node_lone import Levels, Lone, lone, take
from mscale_uq.filters.node_reading import Reading
from mscale_uq.filters.node_state import NodeState
from mscale_uq.filters.node_update import Terms, Told, updated
from mscale_uq.filters.rows_reading import Slopes, expected_rows, linear_rows
from mscale_uq.observe.counts import NegativeBinomial
from mscale_uq.observe.fluorescence import Fluorescence
from mscale_uq.observe.laws import Gaussian
from mscale_uq.solve.node_blocks import gather, reaches

AS_SAID = 1e-7  # of a reading's noise: so near is what is read to what the slopes say of it


@final
@dataclass(frozen=True)
class Look:
    """All observations of one time as all nodes see them.

    Attributes
    ----------
    points, means, blocks
        Of the forecast.
    readings
        The observations.
    expected
        ``(G, M)`` at the forecast, of all readings behind each other.
    slopes
        To the state there.
    seen
        Which of them see which kind of block.
    """

    space: StateSpace
    points: Array
    means: Array
    blocks: Blocks
    readings: tuple[Reading, ...]
    expected_: Array
    slopes: Slopes
    seen: tuple[Seen, ...]

    @lazy
    def used(self) -> np.ndarray:
        """``(M,)``, true where there is a reading to be used."""
        return np.concatenate([one.used for one in self.readings])

    @lazy
    def told(self) -> tuple[tuple[int, Seen], ...]:
        """The kinds of blocks that are seen by readings to be used, these alone being counted."""
        number, made = np.cumsum(self.used) - 1, []
        for k, one in enumerate(self.seen):
            mine = self.used[one.readings]
            if mine.any():
                parts = (one.block[mine], one.entries[mine], one.live[mine])
                made.append((k, Seen(number[one.readings[mine]], *parts)))
        return tuple(made)

    def update(self) -> tuple[Told, bool]:
        """Return the law given the readings, and whether the search settled at every node."""
        normal = np.concatenate([one.normal for one in self.readings])
        mine = lone(self.seen, self.blocks, normal, self.used)
        told, settled = self._without(mine)._searched()
        if not mine.any():
            return told, settled
        alone = self._alone(told, mine)
        if not self._is_as_said(alone, mine):  # the reading is curved
            return self._searched()
        return alone.told, settled and alone.settled

    def _searched(self) -> tuple[Told, bool]:
        return updated(self.means, self.blocks, [k for k, _ in self.told], self.say)

    def _without(self, mine: np.ndarray) -> "Look":
        """Return the look without some of the readings."""
        ends = np.cumsum([one.used.size for one in self.readings])[:-1]
        parts = zip(self.readings, np.split(mine, ends), strict=True)
        return replace(self, readings=tuple(replace(one, used=one.used & ~part) for one, part in parts))

    def _alone(self, told: Told, mine: np.ndarray) -> Lone:
        y = np.concatenate([one.observation.value.ravel() for one in self.readings])
        base, growing = zip(*(one.levels for one in self.readings), strict=True)
        levels = Levels(_beside(base), np.concatenate(growing))
        return take(told, self.seen, mine, y, self.expected_, self.slopes.values, levels)

    def _is_as_said(self, alone: Lone, mine: np.ndarray) -> bool:
        """Whether what is read at the states found is what its slopes at the forecast say."""
        states, first = np.hstack([alone.told.means, self.points]), 0
        for one in self.readings:
            here = slice(first, first := first + one.used.size)
            if (seen := mine[here]).any():
                read = expected_rows(self.space, one.values, one.operator, states, seen)
                off = np.abs(read - alone.expected[:, here][:, seen])
                if not np.all(off <= AS_SAID * np.sqrt(alone.variance[:, here][:, seen])):
                    return False
        return True

    def say(self, states: Array | None) -> Terms:
        """Return what the readings say at states ``(G, n)`` of the nodes, or at the forecast."""
        if states is None:
            expected, H = self.expected_[:, self.used], self.slopes.values[:, self.used]
        else:
            expected, H = self._seen_at(np.hstack([states, self.points]))
        first, parts = 0, []
        for one in self.readings:
            last = first + one.used.sum()
            parts.append(one.say(expected[:, first:last]))
            first = last
        density, score, information = (np.concatenate(part, axis=1) for part in zip(*parts, strict=True))
        terms = Terms(density.sum(axis=1), [], [])
        for k, seen in self.told:
            shape = (len(H), *self.blocks.kinds[k].shape)
            slope, J = np.zeros(shape), np.zeros((*shape, shape[-1]))
            rows = seen.readings
            live = np.ascontiguousarray(H[:, rows] * seen.live)
            gather(seen.block, seen.entries, live, score[:, rows], information[:, rows], slope, J)
            terms.slopes.append(slope)
            terms.informations.append(J)
        return terms

    def _seen_at(self, states: Array) -> tuple[Array, Array]:
        """Return what the readings to be used expect, and their slopes."""
        pairs = [
            linear_rows(self.space, one.values, one.operator, states, one.used)
            for one in self.readings
            if one.used.any()
        ]
        width = self.slopes.entries.shape[1]
        return _beside([pair[0] for pair in pairs]), _beside(
            [_padded(pair[1].values, width, 0.0) for pair in pairs]
        )

    def expected(self, weights: Array) -> tuple[Array, Array]:
        """Return the readings ``(M,)`` that the mixture expects, and their covariance ``(M, M)``.

        Between readings that are not used the covariance is left out.
        """
        e, used = self.expected_, self.used
        mean = weights @ e
        left = e - mean
        spread = _beside([one.variance for one in self.readings]) + left**2
        cov = np.zeros((mean.size, mean.size))
        cov[np.ix_(used, used)] = (left[:, used] * weights[:, None]).T @ left[:, used]
        for k, seen in enumerate(self.seen):
            if seen.readings.size:
                self._reached(self.blocks.covs[k], seen, weights, spread, cov)
        np.fill_diagonal(cov, weights @ spread)
        return mean, cov

    def _reached(self, P: Array, seen: Seen, weights: Array, spread: Array, cov: Array) -> None:
        """Add what the blocks of one kind make of the variances ``(G, M)`` and the covariance ``(M, M)``."""
        rows = seen.readings
        H = np.ascontiguousarray(self.slopes.values[:, rows] * seen.live)
        h, reach = np.zeros((2, *H.shape[:2], P.shape[-1]))
        reaches(seen.block, seen.entries, H, P, h, reach)
        spread[:, rows] += np.einsum("gra,gra->gr", h, reach)
        used = self.used[rows]
        for block in np.flatnonzero(np.bincount(seen.block[used]) > 1):
            mine = np.flatnonzero(used & (seen.block == block))
            left = (reach[:, mine] * weights[:, None, None]).swapaxes(0, 1).reshape(mine.size, -1)
            cov[np.ix_(rows[mine], rows[mine])] += left @ h[:, mine].swapaxes(0, 1).reshape(mine.size, -1).T


def look_all(
    space: StateSpace, values: Values, state: NodeState, observations: Sequence[Observation]
) -> Look:
    """Return the observations as all nodes see them.

    Where a reading ties blocks that are both unsure, the blocks of the look are one.

    Raises
    ------
    CovarianceError
        If a reading's variance is not positive.
    """
    readings, expected, slopes = [], [], []
    for one in observations:
        operator, own = space.observations[one.source], one.among(values)
        there, seen = linear_rows(space, own, operator, state.nodes)
        used = ~np.isnan(one.usable.ravel())
        readings.append(Reading(one, operator, own, used, _variance(one, operator, there, own)))
        expected.append(there)
        slopes.append(seen)
    width = max([1, *(one.entries.shape[1] for one in slopes)])
    entries = np.concatenate([_padded(one.entries, width, -1) for one in slopes])
    whole = Slopes(entries, _beside([_padded(one.values, width, 0.0) for one in slopes]))
    blocks = state.blocks
    found = blocks.seen(entries)
    if found is None:  # a count is of one dish, though its formula knows several
        entries = np.where(np.any(whole.values != 0, axis=0), entries, -1)
        whole, found = whole._replace(entries=entries), blocks.seen(entries)
    if found is None:
        blocks = blocks.joined()
        found = blocks.seen(entries)
    assert found is not None  # one block is tied to no other
    start = state.points, state.means, blocks
    return Look(space, *start, tuple(readings), _beside(expected), whole, found)


def _beside(parts: Sequence[Array]) -> Array:
    return np.concatenate(parts, axis=1)


def _padded(part: np.ndarray, width: int, filling: float) -> np.ndarray:
    more = width - part.shape[-1]
    if not more:
        return part
    return np.concatenate([part, np.full((*part.shape[:-1], more), filling, dtype=part.dtype)], axis=-1)


def _variance(one: Observation, operator: ObservationOperator, expected: Array, values: Values) -> Array:
    """Return the variance of each reading ``(G, m)``, at what each node expects."""
    law = operator.law
    if isinstance(law, NegativeBinomial):
        return law.spread(expected, values)
    if one.noise is not None:
        found = np.broadcast_to(np.diag(one.noise_cov), expected.shape)  # type: ignore[arg-type]
    else:
        assert isinstance(law, Gaussian | Fluorescence)  # what the filter saw to
        found = law.own(expected, np.zeros(expected.shape), values)
    if not np.all(found > 0):
        raise CovarianceError("variance of a reading", {"time": one.time}, "is not positive")
    return found
