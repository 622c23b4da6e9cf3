"""The iterative ensemble Kalman smoother: Gauss-Newton through the model, in the space of the members."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np

from mscale_uq.core.observation import Observation
from mscale_uq.core.parameter import Array
from mscale_uq.core.random import generator
from mscale_uq.core.stage import Values
from mscale_uq.core.statespace import StateSpace
from mscale_uq.errors import CovarianceError, InputError, explain
from mscale_uq.filters.ensemble import EnsembleKalman, note, seen, selected
from mscale_uq.filters.filter import Filter
from mscale_uq.filters.inflation import Inflation
from mscale_uq.filters.innovation import Innovation, divide_noise, innovation, noise_factor
from mscale_uq.filters.records import EnsembleState, Purpose, StepInfo, interval
from mscale_uq.filters.rotation import rotated
from mscale_uq.filters.sight import Sight, look
from mscale_uq.filters.whole import refuse_noise

PLAIN = EnsembleKalman()  # moves members; its analysis is not used


@final
@dataclass(frozen=True)
class WindowState:
    """Members now ``(N, n)``, those at the window's `origin`, and the analysis times `between` the two."""

    time: float
    members: Array
    origin: EnsembleState
    between: tuple[float, ...] = ()
    lost: int = 0

    @property
    def mean(self) -> Array:
        """Mean ``(n,)`` of the present."""
        return self.members.mean(axis=0)

    @property
    def cov(self) -> Array:
        """Covariance ``(n, n)`` of the present."""
        return EnsembleState(self.time, self.members).cov


@final
@dataclass(frozen=True)
class IEnKS(Filter):
    """Finds the members at the window's origin that explain the newest readings, by repeated model runs.

    Minimises (N - 1)|w|^2 / 2 + |y - h(M(mean + w A))|^2_R / 2 over weights w of the members' anomalies A at
    the origin, with the derivative of h(M) from the members themselves; readings are used once, when they
    come. For linear models it is the `ETKF`, whatever lag and iterations.

    Attributes
    ----------
    size
        Number of members, at least 2.
    lag
        How many analysis times back the origin lies; 0 iterates on the readings alone.
    iterations, tolerance
        Largest number of Gauss-Newton steps; they stop when a step is smaller than `tolerance`, in standard
        deviations of the prior. If they do not, the record's note says so.
    inflation, rotation
        Of the members at the origin.

    Raises
    ------
    InputError
        If a setting is impossible, or the dynamics states noise: the window is run as if there were none.

    Source: M. Bocquet and P. Sakov, Q. J. R. Meteorol. Soc. 140 (2014) 1521-1535, doi:10.1002/qj.2236.
    """

    size: int = 50
    lag: int = 1
    iterations: int = 10
    tolerance: float = 1e-4
    inflation: Inflation = field(default_factory=Inflation)
    rotation: bool = False

    def __post_init__(self) -> None:
        if self.size < 2 or self.lag < 0 or self.iterations < 1 or not self.tolerance > 0:
            given = f"size = {self.size}, lag = {self.lag}, iterations = {self.iterations}"
            allowed = "size from 2, lag from 0, iterations from 1, a positive tolerance"
            raise InputError(explain(f"ienks: {given}, tolerance = {self.tolerance}", allowed))

    def init(self, space: StateSpace, values: Values, key: int = 0) -> WindowState:
        """Return draws of the initial law, which are the first origin."""
        first = EnsembleKalman(size=self.size).init(space, values, key)
        return WindowState(first.time, first.members, first)

    def forecast(
        self, space: StateSpace, values: Values, state: WindowState, time: float, key: int = 0
    ) -> WindowState:
        """Return the members at `time`; the window's origin stays."""
        here = EnsembleState(state.time, state.members)
        refuse_noise(space, values, here, time, "ienks", "use enks")
        there = PLAIN.forecast(space, values, here, time, key)
        return WindowState(time, there.members, state.origin, state.between, there.lost)

    def analyse(
        self,
        space: StateSpace,
        values: Values,
        state: WindowState,
        observations: Sequence[Observation],
        key: int = 0,
    ) -> tuple[WindowState, StepInfo]:
        """Return the window given all readings, jointly, its origin moved on when the window is full."""
        sight = look(space, values, observations, state.time).uncensored()
        origin = EnsembleState(state.time, state.members) if self.lag == 0 else state.origin
        search = Search(space, values, sight, (*state.between, state.time), key)
        prior = EnsembleState(origin.time, self.inflation.before(origin.members))
        first = search.departure(prior)
        info = search.info(first, state.lost)
        if not info.used.any():
            return state, info
        members, converged = search.minimum(prior, self.iterations, self.tolerance)
        if not converged:
            said = f"no convergence in {self.iterations} iterations"
            info = StepInfo(**{**vars(info), "note": "; ".join(filter(None, [info.note, said]))})
        if self.rotation:
            members = rotated(members, generator(key, interval(state.time), Purpose.ROTATION))
        members = self.inflation.after(prior.members, members)
        return self._moved_on(search, EnsembleState(origin.time, members), state), info

    def _moved_on(self, search: "Search", origin: EnsembleState, state: WindowState) -> WindowState:
        present = search.carried(origin)
        between = (*state.between, state.time)
        if self.lag == 0:
            return WindowState(state.time, present.members, present)
        if len(between) >= self.lag:
            origin, between = search.carried(origin, between[:1]), between[1:]
        return WindowState(state.time, present.members, origin, between)


@final
@dataclass(frozen=True)
class Search:
    """One window: from members at its origin, through `times`, to the readings at the last of them."""

    space: StateSpace
    values: Values
    sight: Sight
    times: tuple[float, ...]
    key: int

    def carried(self, origin: EnsembleState, times: tuple[float, ...] | None = None) -> EnsembleState:
        """Return the members moved through all times, or the given ones."""
        there = origin
        for time in self.times if times is None else times:
            there = PLAIN.forecast(self.space, self.values, there, time, self.key)
        return there

    def departure(self, origin: EnsembleState) -> Innovation:
        """Return the innovation, missing entries included, of members at the origin."""
        there = self.carried(origin)
        members, predicted, _ = seen(self.sight, there.members, there.time, self.key)
        noise = self.sight.noise(members.mean(axis=0))
        return innovation(predicted, self.sight.datum, noise)

    def minimum(self, origin: EnsembleState, iterations: int, tolerance: float) -> tuple[Array, bool]:
        """Return the members at the origin given the readings, and whether the search converged."""
        N, mean = len(origin.members), origin.members.mean(axis=0)
        A = origin.members - mean
        w, T, here = np.zeros(N), np.eye(N), origin
        for _ in range(iterations):
            part = selected(self.departure(here), self.sight.seen)
            step, T = gauss_newton(part, w, T)
            w = w + step
            here = EnsembleState(origin.time, mean + (w + T) @ A)
            if np.linalg.norm(step) * np.sqrt(N - 1) < tolerance:
                return here.members, True
        return here.members, False

    def info(self, whole: Innovation, lost: int) -> StepInfo:
        """Return the record of an analysis that started from this innovation."""
        seen_now = self.sight.seen
        try:
            evidence = selected(whole, seen_now).log_evidence if seen_now.any() else 0.0
        except CovarianceError as failure:
            raise CovarianceError(failure.stage, {"time": self.times[-1]}, failure.reason) from failure
        remark = note(lost, whole.members)
        return StepInfo(
            self.times[-1],
            self.sight.sources,
            whole.departure,
            whole.cov,
            evidence,
            self.sight.verdicts,
            remark,
        )


def gauss_newton(part: Innovation, w: Array, T: Array) -> tuple[Array, Array]:
    """Return the step of the weights ``(N,)`` and the next transform ``(N, N)``.

    The predicted anomalies, made with the transform T, are brought back to those of the prior anomalies.
    """
    factor, N = noise_factor(part.noise), part.members
    Y = np.linalg.solve(T, divide_noise(factor, part.anomalies.T).T)
    d = divide_noise(factor, part.departure)
    values, Q = np.linalg.eigh(Y @ Y.T)
    a = N - 1 + np.maximum(values, 0.0)
    step = Q @ ((Q.T @ (Y @ d - (N - 1) * w)) / a)
    return step, (Q * np.sqrt((N - 1) / a)) @ Q.T
