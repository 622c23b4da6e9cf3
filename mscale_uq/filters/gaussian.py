"""What all Gaussian filters share: a forecast by two moments, and an update through an affine reading.

Every update replaces the readings by y = A x + b + noise and conditions the forecast on them; the filters
differ in where A, b and the noise come from.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, final

import numpy as np

from mscale_uq.core.linear_dynamics import LinearDynamics
from mscale_uq.core.observation import Observation
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Linearization, MatrixLinearization, Values
from mscale_uq.core.statespace import StateSpace
from mscale_uq.errors import CovarianceError, ForwardFailure, InputError, explain
from mscale_uq.filters.augmented import AugmentedStep
from mscale_uq.filters.conditioning import Affine, blur, condition, positive
from mscale_uq.filters.records import GaussianState, StepInfo, Verdict
from mscale_uq.filters.sight import Sight, look
from mscale_uq.filters.smoothable import Passage, Smoothable


class Moved(NamedTuple):
    """A forecast: mean ``(n,)``, covariance ``(n, n)``, and its covariance with the state before."""

    mean: Array
    cov: Array
    cross: Array


@dataclass(frozen=True)
class Update:
    """What an update gives: moments, expected readings with their covariance, evidence, and a note."""

    mean: Array
    cov: Array
    expected: Array
    expected_cov: Array
    log_evidence: float
    note: str = ""


@final
@dataclass(frozen=True)
class GaussianPassage(Passage):
    """The forecast state, and the covariance of the states before and after."""

    state: GaussianState
    cross: Array

    def back(self, here: GaussianState, after: GaussianState) -> GaussianState:
        """M + G (m+ - m-), P - G P- G' + G P+ G' with G = C (P-)^-1."""
        G = divided(self.cross, self.state.cov)
        cov = here.cov - G @ self.state.cov @ G.T + G @ after.cov @ G.T
        mean = here.mean + G @ (after.mean - self.state.mean)
        return GaussianState(here.time, mean, positive(cov, here.time, here.cov))


class GaussianFilter(Smoothable):
    """A filter whose record is a `GaussianState`; a child says how moments move and how readings enter.

    A reading further than `outlier_sd` standard deviations from its forecast is left out, and says so; so is
    an observation that the model fails to predict at the forecast, and a saturated reading, unless the filter
    `knows_laws`: two moments cannot tell a bound.
    """

    knows_laws: ClassVar[bool] = False
    outlier_sd: float

    @abstractmethod
    def move(
        self, space: StateSpace, values: Values, state: GaussianState, time: float, key: int = 0
    ) -> Moved:
        """Return the forecast moments at a later time, with the cross-covariance smoothers need."""

    @abstractmethod
    def update(self, sight: Sight, state: GaussianState) -> Update:
        """Return the moments given the readings that are seen."""

    @final
    def init(self, space: StateSpace, values: Values, key: int = 0) -> GaussianState:
        """Return the initial mean and covariance."""
        return GaussianState(space.start, *space.initial(values))

    @final
    def forecast(
        self, space: StateSpace, values: Values, state: GaussianState, time: float, key: int = 0
    ) -> GaussianState:
        """Return mean and covariance at `time`."""
        if time == state.time:
            return state
        return self.passage(space, values, state, time, key).state

    @final
    def passage(
        self, space: StateSpace, values: Values, state: GaussianState, time: float, key: int = 0
    ) -> GaussianPassage:
        """Return mean and covariance at a later time, and how they vary with those before."""
        moved = self.move(space, values, state, time, key)
        there = GaussianState(time, moved.mean, positive(moved.cov, time, state.cov))
        return GaussianPassage(there, moved.cross)

    @final
    def analyse(
        self,
        space: StateSpace,
        values: Values,
        state: GaussianState,
        observations: Sequence[Observation],
        key: int = 0,
    ) -> tuple[GaussianState, StepInfo]:
        """Return mean and covariance given all observations, jointly."""
        sight = look(space, values, observations, state.time)
        sight = sight if self.knows_laws else sight.uncensored()
        try:
            made = self.update(sight, state)
        except CovarianceError:
            raise
        except ForwardFailure as failure:
            return self._analyse_the_rest(sight, state, failure)
        screened = without_outliers(sight, made, self.outlier_sd)
        if screened is not sight:
            made = self.update(screened, state)
        cov = positive(made.cov, state.time, state.cov)
        return GaussianState(state.time, made.mean, cov), report(screened, state.time, made)

    def _analyse_the_rest(
        self, sight: Sight, state: GaussianState, failure: ForwardFailure
    ) -> tuple[GaussianState, StepInfo]:
        """Take in the observations that the model can predict, each tried alone; the others say so."""
        able = [self._is_predicted(part, state) for part, _ in sight.parts()]
        kept = [o for o, good in zip(sight.observations, able, strict=True) if good]
        if len(kept) == len(able):
            raise failure
        state, info = self.analyse(sight.space, sight.values, state, kept)
        return state, spread(info, sight, able, f"not predicted: {failure}")

    def _is_predicted(self, part: Sight, state: GaussianState) -> bool:
        try:
            self.update(part, state)
        except ForwardFailure:
            return False
        return True


def divided(cross: Array, cov: Array) -> Array:
    """Return cross cov^-1; where a state is known exactly, the pseudo-inverse."""
    try:
        factor = np.linalg.cholesky(cov)
    except np.linalg.LinAlgError:
        return np.asarray(cross @ np.linalg.pinv(cov, hermitian=True))
    return np.asarray(np.linalg.solve(factor.T, np.linalg.solve(factor, cross.T)).T)


def without_outliers(sight: Sight, made: Update, outlier_sd: float) -> Sight:
    """Return the sight without readings further from their forecast than so many standard deviations.

    The same sight if there is none.

    Raises
    ------
    InputError
        If the limit is not positive.
    """
    if not outlier_sd > 0:
        raise InputError(explain(f"outlier_sd = {outlier_sd}", "a positive number", "3 is usual"))
    if outlier_sd == np.inf:
        return sight
    limit = outlier_sd * np.sqrt(np.diag(made.expected_cov))
    wild = np.abs(np.nan_to_num(sight.usable) - made.expected) > limit
    wild &= sight.seen
    return sight.without(wild, Verdict.OUTLIER) if wild.any() else sight


def report(sight: Sight, time: float, made: Update) -> StepInfo:
    """Return the record of an update."""
    innovation = sight.datum - made.expected
    return StepInfo(
        time, sight.sources, innovation, made.expected_cov, made.log_evidence, sight.verdicts, made.note
    )


def spread(info: StepInfo, sight: Sight, able: Sequence[bool], note: str) -> StepInfo:
    """Return the record of the `able` observations as one of all; the others failed to be predicted."""
    there = np.concatenate([np.full(o.value.size, a) for o, a in zip(sight.observations, able, strict=True)])
    m = there.size
    innovation, cov = np.full(m, np.nan), np.full((m, m), np.nan)
    innovation[there], cov[np.ix_(there, there)] = info.innovation, info.innovation_cov
    verdicts = np.where(np.isnan(sight.datum), Verdict.MISSING, Verdict.PRIOR_FAILED)
    verdicts[there] = info.verdicts
    said = "; ".join(filter(None, [info.note, note]))
    return StepInfo(info.time, sight.sources, innovation, cov, info.log_evidence, verdicts, said)


def transition(
    space: StateSpace, values: Values, mean: Array, start: float, stop: float
) -> tuple[Array, Array, Array]:
    """Return the moved mean ``(n,)``, the derivative F ``(n, n)`` of the step there, and its noise Q."""
    dynamics = space.dynamics
    read = {name: np.asarray(values[name]) for name in dynamics.inputs}
    if isinstance(dynamics, LinearDynamics):
        move = dynamics.transition(start, stop, read)
        return move.F @ mean + move.b, move.F, move.Q
    moved, linear = dynamics.linearize_step(mean, start, stop, read)
    return moved, state_slope(linear, mean.size), noise_at(space, values, mean, start, stop)


def noise_at(space: StateSpace, values: Values, mean: Array, start: float, stop: float) -> Array:
    """Return the covariance ``(n, n)`` that a step from the mean adds."""
    read = {name: np.asarray(values[name]) for name in space.dynamics.inputs}
    return space.dynamics.noise_at(mean, start, stop, read)


def state_slope(linear: Linearization, size: int) -> Array:
    """Return the derivative ``(n, n)`` of a step to the state."""
    if isinstance(linear, MatrixLinearization):
        return linear.jacobians["state", "state"]
    if isinstance(linear, AugmentedStep):  # the inner state moves no parameter
        n = linear.dynamics.inner.size
        whole = np.eye(size)
        whole[:n, :n] = state_slope(linear.step, n)
        for column, unit in enumerate(np.eye(size)[n:], start=n):
            whole[:, column] = linear.jvp({"state": unit})["state"]
        return whole
    return np.stack([linear.jvp({"state": unit})["state"] for unit in np.eye(size)], axis=1)


def first_order_move(space: StateSpace, values: Values, state: GaussianState, time: float) -> Moved:
    """Return the forecast through the derivative of the step; exact if the step is affine."""
    mean, F, Q = transition(space, values, state.mean, state.time, time)
    cross = state.cov @ F.T
    return Moved(mean, F @ cross + Q, cross)


def iterated(
    linearise: Callable[[Array, Array], Affine],
    sight: Sight,
    state: GaussianState,
    iterations: int,
    tolerance: float,
) -> Update:
    """Return the update whose affine reading is taken at its own result.

    Each pass linearises at the last posterior and conditions the forecast anew. The mean moves at most two
    forecast standard deviations a pass; the passes end when it moves less than `tolerance` posterior ones.
    """
    affine = linearise(state.mean, state.cov)
    expected, spread = affine.A @ state.mean + affine.b, affine.A @ state.cov @ affine.A.T + affine.noise
    new, cov, density = condition(state.mean, state.cov, affine, sight.usable, state.time)
    if iterations == 1:
        return Update(
            new, cov, expected, spread, density, blur(affine.A, affine.noise, spread, cov, sight.seen)
        )
    at = state.mean + limited(new - state.mean, state.cov)
    for _ in range(1, iterations):
        affine = linearise(at, cov)
        new, cov, density = condition(state.mean, state.cov, affine, sight.usable, state.time)
        step = limited(new - at, state.cov)
        at = at + step
        if largest(step, cov) <= tolerance:
            return Update(
                at, cov, expected, spread, density, blur(affine.A, affine.noise, spread, cov, sight.seen)
            )
    note = f"linearisation not settled after {iterations} passes"
    return Update(at, cov, expected, spread, density, note)


def limited(step: Array, cov: Array, most: float = 2.0) -> Array:
    """Return the step, shortened to at most `most` standard deviations in each coordinate."""
    return step / max(1.0, largest(step, cov) / most)


def largest(step: Array, cov: Array) -> float:
    """Return the largest entry of a step, in standard deviations."""
    return float(np.max(np.abs(step) / deviations(cov), initial=0.0))


def deviations(cov: Array) -> Array:
    """Return the standard deviations ``(n,)``; infinite where the state is known exactly and cannot move."""
    variance = np.diag(cov)
    return np.where(variance > 0, np.sqrt(np.maximum(variance, 0.0)), np.inf)
