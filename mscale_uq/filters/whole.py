"""`WholeStream`: all readings of a stream at once, by ES-MDA on the state at the start, parameters in it.

The members at the start are corrected by what they predict of every reading, and run again. For linear models
this is what a filter and its smoother say; for others each correction is small enough to be nearly linear.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import NamedTuple, final

import numpy as np
from scipy.linalg import block_diag

from mscale_uq.core.observation import Observation
from mscale_uq.core.parameter import Array
from mscale_uq.core.random import generator
from mscale_uq.core.stage import Values
from mscale_uq.core.statespace import StateSpace
from mscale_uq.errors import InputError, explain
from mscale_uq.filters.conditioning import LOG_2PI
from mscale_uq.filters.ensemble import EnsembleKalman, moved, note
from mscale_uq.filters.esmda import ESMDA
from mscale_uq.filters.etkf import ETKF
from mscale_uq.filters.innovation import innovation, whiten
from mscale_uq.filters.lost import attempt, redrawn
from mscale_uq.filters.records import EnsembleState, Purpose, StepInfo
from mscale_uq.filters.sight import Sight, look

Groups = Sequence[Sequence[Observation]]


class Taken(NamedTuple):
    """Members at the start before any reading, at each analysis time given all, and a record of each."""

    first: EnsembleState
    smoothed: tuple[EnsembleState, ...]
    infos: tuple[StepInfo, ...]


@final
@dataclass(frozen=True)
class WholeStream:
    """Settings of an ensemble smoother over a whole stream.

    Attributes
    ----------
    esmda
        Its alphas say in how many corrections the readings are taken in, its analysis how.
    size
        Number of members, at least 2.

    Raises
    ------
    InputError
        If there are fewer than two members, the analysis is localised, or (by `take_in`) the dynamics states
        noise: the members are run as if there were none.

    Source: A. A. Emerick and A. C. Reynolds, Comput. Geosci. 55 (2013) 3-15,
    doi:10.1016/j.cageo.2012.03.011.
    """

    esmda: ESMDA = field(default_factory=lambda: ESMDA(analysis=ETKF()))
    size: int = 50

    def __post_init__(self) -> None:
        if self.size < 2:
            raise InputError(explain(f"ensemble of {self.size}", "at least 2 members", "50 is a usual size"))
        if self.esmda.analysis.localisation is not None:
            raise InputError(explain("esmda: a localised analysis of the start", "one without localisation"))

    def take_in(self, space: StateSpace, values: Values, groups: Groups, key: int = 0) -> Taken:
        """Return what the readings, in groups of one time each, say about every time."""
        first = EnsembleKalman(size=self.size).init(space, values, key)
        begun = fly(space, values, first, groups, key)
        origin, here = first, begun
        for step, alpha in enumerate(self.esmda.scaled_alphas):
            members, predicted = here.completed(origin.members, step, key)
            used = np.concatenate([sight.seen for sight in here.sights])
            noise = alpha * here.noise[np.ix_(used, used)]
            part = innovation(predicted[:, used], here.datum[used], noise)
            rng = generator(key, step, Purpose.ANALYSIS)
            origin = EnsembleState(first.time, self.esmda.analysis.update(members, part, rng))
            here = fly(space, values, origin, groups, key)
        here.completed(origin.members, len(self.esmda.alphas), key)  # at least two members have arrived
        return Taken(first, here.states, told(begun, key))


@final
@dataclass(frozen=True)
class Flight:
    """Members on their way.

    Attributes
    ----------
    sights
        One for each analysis time, made where `times` says.
    paths
        The members ``(N, n)`` there; NaN from where a member was lost.
    predicted
        ``(N, m)`` what they expect of all readings; NaN likewise.
    """

    times: tuple[float, ...]
    sights: tuple[Sight, ...]
    paths: tuple[Array, ...]
    predicted: Array

    @property
    def arrived(self) -> np.ndarray:
        """``(N,)``, true for members that were lost nowhere."""
        return np.asarray(np.isfinite(self.predicted).all(axis=1) & np.isfinite(self.paths[-1]).all(axis=1))

    @property
    def datum(self) -> Array:
        """``(m,)`` all readings."""
        return np.concatenate([sight.datum for sight in self.sights])

    @property
    def noise(self) -> Array:
        """``(m, m)`` their covariance, at the mean of the members that have arrived."""
        means = [path[self.arrived].mean(axis=0) for path in self.paths]
        return np.asarray(block_diag(*(s.noise(mean) for s, mean in zip(self.sights, means, strict=True))))

    @property
    def states(self) -> tuple[EnsembleState, ...]:
        """The members that have arrived, at each analysis time."""
        lost = int((~self.arrived).sum())
        pairs = zip(self.times, self.paths, strict=True)
        return tuple(EnsembleState(time, path[self.arrived], lost=lost) for time, path in pairs)

    def completed(self, origin: Array, step: int, key: int) -> tuple[Array, Array]:
        """Return members at the start ``(N, n)`` and their predictions, the lost ones drawn anew together."""
        rng, n = generator(key, step, Purpose.REDRAW), origin.shape[1]
        whole = redrawn(np.hstack([origin, self.predicted]), ~self.arrived, self.times[-1], rng)
        return whole[:, :n], whole[:, n:]


def fly(space: StateSpace, values: Values, origin: EnsembleState, groups: Groups, key: int) -> Flight:
    """Run members through all analysis times.

    Raises
    ------
    InputError
        If the dynamics states noise.
    """
    now, sights, paths, readings = origin, [], [], []
    for together in groups:
        time = together[0].time
        refuse_noise(space, values, now, time, "esmda", "an ensemble filter")
        sight = look(space, values, sorted(together, key=attrgetter("source")), time).uncensored()
        there, predicted = _arrive(space, values, now, sight, time, key)
        now = EnsembleState(time, there)
        sights.append(sight)
        paths.append(there)
        readings.append(predicted)
    return Flight(
        tuple(s.observations[0].time for s in sights), tuple(sights), tuple(paths), np.hstack(readings)
    )


def refuse_noise(
    space: StateSpace, values: Values, now: EnsembleState, time: float, name: str, instead: str
) -> None:
    """Refuse dynamics that state noise on the way to `time`, which a smoother of the start leaves out."""
    if time > now.time and np.any(space.dynamics.noise_at(now.members.mean(axis=0), now.time, time, values)):
        raise InputError(explain(f"{name}: the dynamics states noise", "none", instead))


def _arrive(
    space: StateSpace, values: Values, now: EnsembleState, sight: Sight, time: float, key: int
) -> tuple[Array, Array]:
    """Return members at a time and what they predict to be read there; NaN for those that are lost."""
    alive = np.isfinite(now.members).all(axis=1)
    there = np.full_like(now.members, np.nan)
    there[alive] = now.members[alive]
    if time > now.time:
        there[alive], _ = moved(space, values, EnsembleState(now.time, now.members[alive]), time, key)
        alive = np.isfinite(there).all(axis=1)
    predicted = np.full((len(there), sight.datum.size), np.nan)
    predicted[alive], unseen = attempt(lambda rows, _: sight.members(rows), there[alive])
    there[np.flatnonzero(alive)[unseen]] = np.nan
    return there, predicted


def told(begun: Flight, key: int) -> tuple[StepInfo, ...]:
    """Return a record of each time: its readings given those before, by the covariance of the first members.

    What is not used is compared with the forecast before any reading.
    """
    used = np.concatenate([sight.seen for sight in begun.sights])
    _, predicted = begun.completed(begun.paths[0], 0, key)
    part = innovation(predicted[:, used], begun.datum[used], begun.noise[np.ix_(used, used)])
    plain = innovation(predicted, begun.datum, begun.noise)
    L = part.factor
    white, infos, at, first = whiten(L, part.departure), [], 0, 0
    for time, sight, state in zip(begun.times, begun.sights, begun.states, strict=True):
        seen, size = sight.seen, sight.seen.size
        stop = at + int(seen.sum())
        block = L[at:stop, at:stop]
        here = slice(first, first + size)
        departure, cov = plain.departure[here].copy(), np.diag(np.diag(plain.cov)[here])
        departure[seen], cov[np.ix_(seen, seen)] = block @ white[at:stop], block @ block.T
        evidence = -0.5 * (white[at:stop] @ white[at:stop] + (stop - at) * LOG_2PI)
        evidence -= float(np.log(np.diag(block)).sum())
        said = note(state.lost, len(predicted))
        infos.append(StepInfo(time, sight.sources, departure, cov, float(evidence), sight.verdicts, said))
        at, first = stop, first + size
    return tuple(infos)
