"""The ensemble Kalman filter: members are forecast one by one, and corrected by their own covariance."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, final

import numpy as np

from mscale_uq.core.dynamics import Dynamics
from mscale_uq.core.observation import Observation
from mscale_uq.core.parameter import Array
from mscale_uq.core.random import generator
from mscale_uq.core.stage import Values
from mscale_uq.core.statespace import StateSpace
from mscale_uq.errors import CovarianceError, InputError, explain
from mscale_uq.filters.analysis import Analysis
from mscale_uq.filters.draws import normal_draws
from mscale_uq.filters.filter import Filter
from mscale_uq.filters.inflation import Inflation
from mscale_uq.filters.innovation import Innovation, innovation
from mscale_uq.filters.lost import attempt, redrawn
from mscale_uq.filters.records import EnsembleState, Purpose, StepInfo, Verdict, interval
from mscale_uq.filters.rotation import rotated
from mscale_uq.filters.sight import Sight, look
from mscale_uq.filters.stochastic import Stochastic
from mscale_uq.solve.ensemble_kernels import column_means


@final
@dataclass(frozen=True)
class EnsembleKalman(Filter):
    """Settings of an ensemble Kalman filter.

    Attributes
    ----------
    analysis
        The scheme: `Stochastic`, `DEnKF`, `ETKF`, `Serial` or `LETKF`, with its localisation.
    size
        Number of members, at least 2.
    inflation
        How the spread is widened.
    rotation
        Whether the members are mixed at random after each analysis, keeping mean and covariance.
    outlier_sd
        A reading further from its forecast than this many standard deviations is not used.
    most_lost
        Share of the members that may be lost on the way to a reading, and in predicting it; if more are, it
        is not used: what is left may be no sample of the forecast any more.

    Raises
    ------
    InputError
        If there are fewer than two members, `outlier_sd` is not positive, or `most_lost` is no share.
    """

    analysis: Analysis = field(default_factory=Stochastic)
    size: int = 50
    inflation: Inflation = field(default_factory=Inflation)
    rotation: bool = False
    outlier_sd: float = np.inf
    most_lost: float = 1.0

    def __post_init__(self) -> None:
        if self.size < 2:
            raise InputError(explain(f"ensemble of {self.size}", "at least 2 members", "50 is a usual size"))
        if not self.outlier_sd > 0:
            raise InputError(explain(f"outlier_sd = {self.outlier_sd}", "a positive number", "3 is usual"))
        if not 0 <= self.most_lost <= 1:
            raise InputError(explain(f"most_lost = {self.most_lost}", "a share from 0 to 1", "0.5 is usual"))

    def init(self, space: StateSpace, values: Values, key: int = 0) -> EnsembleState:
        """Return draws of the initial law."""
        mean, cov = space.initial(values)
        rng = generator(key, interval(space.start), Purpose.INITIAL)
        return EnsembleState(space.start, mean + normal_draws(cov, self.size, rng))

    def forecast(
        self, space: StateSpace, values: Values, state: EnsembleState, time: float, key: int = 0
    ) -> EnsembleState:
        """Return the members at `time`; lost ones are drawn anew from the others."""
        if time == state.time:
            return state
        members, lost = moved(space, values, state, time, key)
        if not np.count_nonzero(lost):
            return EnsembleState(time, members)
        rng = generator(key, interval(time), Purpose.REDRAW, 0)
        return EnsembleState(time, redrawn(members, lost, time, rng), lost=int(lost.sum()))

    def analyse(
        self,
        space: StateSpace,
        values: Values,
        state: EnsembleState,
        observations: Sequence[Observation],
        key: int = 0,
    ) -> tuple[EnsembleState, StepInfo]:
        """Return the members given all readings, jointly."""
        nothing = np.empty((len(state.members), 0))
        members, _, info = self.update(space, values, state, nothing, observations, key)
        return EnsembleState(state.time, members), info

    def update(
        self,
        space: StateSpace,
        values: Values,
        state: EnsembleState,
        past: Array,
        observations: Sequence[Observation],
        key: int,
    ) -> tuple[Array, Array, StepInfo]:
        """Return the members, the columns `past` ``(N, k n)`` of their earlier states, and what happened."""
        # Sorted, so that simultaneous readings get the same random numbers in whatever order they come.
        ordered = sorted(observations, key=attrgetter("source"))
        sight = look(space, values, ordered, state.time).uncensored()
        something = sight.complete or sight.seen.any()
        prior = self.inflation.before(state.members) if something else state.members
        prior, predicted, lost = seen(sight, prior, state.time, key)
        if state.lost + lost > self.most_lost * len(prior):
            sight = sight.without(sight.seen, Verdict.TOO_MANY_FAILED)
        whole = self._innovation(sight, prior, predicted)
        verdicts = self._verdicts(whole, sight)
        said = note(state.lost + lost, len(prior))
        members, earlier, evidence = self._given(whole, verdicts, prior, past, state.time, key)
        info = StepInfo(state.time, sight.sources, whole.departure, whole.cov, evidence, verdicts, said)
        return members, earlier, info

    def _given(
        self, whole: Innovation, verdicts: np.ndarray, prior: Array, past: Array, time: float, key: int
    ) -> tuple[Array, Array, float]:
        """Return members and their earlier states given the readings that are used, and the log-evidence."""
        used = verdicts == Verdict.USED
        if not used.any():
            return prior, past, 0.0
        part = whole if used.all() else selected(whole, used)
        columns, n = np.hstack([prior, past]) if past.size else prior, prior.shape[1]
        if part.reach is not None and past.size:
            part = part.reaching(np.tile(part.reach, (columns.shape[1] // len(part.reach), 1)))
        columns, evidence = self._corrected(columns, part, time, key)
        return self.inflation.after(prior, columns[:, :n]), columns[:, n:], evidence

    def _innovation(self, sight: Sight, members: Array, predicted: Array) -> Innovation:
        noise = sight.noise(column_means(members))
        place = self.analysis.localisation
        if place is None:
            return innovation(predicted, sight.datum, noise)
        readings = place.readings(sight.observations)
        reach, taper = place.reach(readings), place.taper(readings, readings)
        return innovation(predicted, sight.datum, noise, reach, taper)

    def _verdicts(self, whole: Innovation, sight: Sight) -> np.ndarray:
        verdicts = np.zeros(sight.seen.size, dtype=int) if sight.complete else sight.verdicts
        if self.outlier_sd < np.inf:
            limit = self.outlier_sd * np.sqrt(np.diag(whole.cov))
            verdicts[sight.seen & (np.abs(whole.departure) > limit)] = Verdict.OUTLIER
        if self.analysis.localisation is not None:
            nowhere = np.isnan(self.analysis.localisation.readings(sight.observations)).any(axis=1)
            verdicts[sight.seen & nowhere] = Verdict.CONVERSION_FAILED
        return verdicts

    def _corrected(self, columns: Array, part: Innovation, time: float, key: int) -> tuple[Array, float]:
        rng = generator(key, interval(time), Purpose.ANALYSIS) if self.analysis.random else None
        try:
            evidence, columns = part.log_evidence, self.analysis.update(columns, part, rng)
        except CovarianceError as failure:
            raise CovarianceError(failure.stage, {"time": time}, failure.reason) from failure
        if self.rotation:
            columns = rotated(columns, generator(key, interval(time), Purpose.ROTATION))
        return columns, evidence


def moved(
    space: StateSpace, values: Values, state: EnsembleState, time: float, key: int
) -> tuple[Array, np.ndarray]:
    """Return the members at `time`, with the noise that the dynamics states, and which are lost ``(N,)``."""

    def rows(members: Array, number: int | None) -> Array:
        words = () if number is None else (number,)
        rng: Any = None
        if space.dynamics.random:
            rng = generator(key, interval(time), Purpose.STEP, *words)
        return space.step(members, state.time, time, values, rng)

    members, lost = attempt(rows, state.members)
    if type(space.dynamics).noise is not Dynamics.noise:
        noise = space.dynamics.noise(state.time, time, values)
        members = members + normal_draws(noise, len(members), generator(key, interval(time), Purpose.NOISE))
    return members, lost


def seen(sight: Sight, members: Array, time: float, key: int) -> tuple[Array, Array, int]:
    """Return members ``(N, n)``, their predicted readings ``(N, m)``, and how many were lost in predicting.

    A lost member is drawn anew together with its prediction, so that the two stay correlated.
    """
    if sight.is_direct:
        return members, sight.members(members), 0
    predicted, lost = attempt(lambda rows, _: sight.members(rows), members)
    if not lost.any():
        return members, predicted, 0
    rng = generator(key, interval(time), Purpose.REDRAW, 1)
    joint = redrawn(np.hstack([members, predicted]), lost, time, rng)
    return joint[:, : members.shape[1]], joint[:, members.shape[1] :], int(lost.sum())


def selected(whole: Innovation, used: np.ndarray) -> Innovation:
    """Return the innovation of the used readings alone."""
    square = np.ix_(used, used)
    return Innovation(
        whole.deviations[:, used],
        whole.noise[square],
        whole.cov[square],
        None if whole.reach is None else whole.reach[:, used],
        None if whole.taper is None else whole.taper[square],
    )


def note(lost: int, members: int) -> str:
    """Return what a person should know about lost members."""
    return f"{lost} of {members} members lost and drawn anew" if lost else ""
