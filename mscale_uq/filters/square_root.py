"""`SquareRootKalman`: the Kalman filter that carries a factor of the covariance.

P = S S' is positive semi-definite whatever the round-off. Both steps triangularise a wider factor by QR.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from mscale_uq.core.linear_dynamics import LinearDynamics
from mscale_uq.core.observation import Observation
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Values
from mscale_uq.core.statespace import StateSpace
from mscale_uq.errors import CovarianceError
from mscale_uq.filters.conditioning import LOG_2PI, root
from mscale_uq.filters.gaussian import Moved, Update, report, transition, without_outliers
from mscale_uq.filters.innovation import whiten
from mscale_uq.filters.kalman import check_dynamics, check_readings
from mscale_uq.filters.records import FactorState, GaussianState, StepInfo
from mscale_uq.filters.sight import look
from mscale_uq.filters.smoothable import Passage, Smoothable

EXACT = 1e-13  # what is left of a standard deviation when the other states say all of it


@final
@dataclass(frozen=True)
class FactorPassage(Passage):
    """The forecast state, the smoother's gain G, and what the state before still varies given the one after.

    `rest` X has X X' = P - G P- G'.
    """

    state: FactorState
    gain: Array
    rest: Array

    def back(self, here: FactorState, after: FactorState) -> FactorState:
        """M + G (m+ - m-), and the factor of X X' + G S+ (G S+)'."""
        mean = here.mean + self.gain @ (after.mean - self.state.mean)
        return FactorState(here.time, mean, triangular(np.hstack([self.rest, self.gain @ after.factor])))


@final
@dataclass(frozen=True)
class SquareRootKalman(Smoothable):
    """The exact filter of an affine Gaussian model, in square-root form; otherwise as `Kalman`."""

    outlier_sd: float = np.inf

    def init(self, space: StateSpace, values: Values, key: int = 0) -> FactorState:
        """Return the initial mean and the factor of the covariance."""
        mean, cov = space.initial(values)
        return FactorState(space.start, mean, root(cov, space.start))

    def forecast(
        self, space: StateSpace, values: Values, state: FactorState, time: float, key: int = 0
    ) -> FactorState:
        """Return mean and factor at `time`: the factor of F S S'F' + Q from [F S, Q^1/2]."""
        if time == state.time:
            return state
        mean, F, Q = checked_transition(space, values, state, time)
        return FactorState(time, mean, triangular(np.hstack([F @ state.factor, root(Q, time)])))

    def passage(
        self, space: StateSpace, values: Values, state: FactorState, time: float, key: int = 0
    ) -> FactorPassage:
        """Return the forecast, and how to go back.

        One triangularisation: [[F S, Q^1/2], [S, 0]] becomes [[S-, 0], [G S-, X]].
        """
        mean, F, Q = checked_transition(space, values, state, time)
        n, S = state.mean.size, state.factor
        lower = triangular(np.block([[F @ S, root(Q, time)], [S, np.zeros((n, n))]]))
        gain = divided_factor(lower[n:, :n], lower[:n, :n])
        return FactorPassage(FactorState(time, mean, lower[:n, :n]), gain, lower[n:, n:])

    def analyse(
        self,
        space: StateSpace,
        values: Values,
        state: FactorState,
        observations: Sequence[Observation],
        key: int = 0,
    ) -> tuple[FactorState, StepInfo]:
        """Return mean and factor given all observations, jointly."""
        sight = look(space, values, observations, state.time).uncensored()
        check_readings(sight, GaussianState(state.time, state.mean, state.cov))
        expected, H, noise = sight.linearize(state.mean)
        plain = Update(state.mean, state.factor, expected, H @ state.cov @ H.T + noise, 0.0)
        sight = without_outliers(sight, plain, self.outlier_sd)
        mean, factor, density = condition_factor(state, sight.usable - expected, H, noise)
        made = replace(plain, mean=mean, cov=factor, log_evidence=density)
        return FactorState(state.time, mean, factor), report(sight, state.time, made)


def checked_transition(
    space: StateSpace, values: Values, state: FactorState, time: float
) -> tuple[Array, Array, Array]:
    """Return the moved mean, F and Q; refuse dynamics that are not affine."""
    mean, F, Q = transition(space, values, state.mean, state.time, time)
    if not isinstance(space.dynamics, LinearDynamics):
        plain = GaussianState(state.time, state.mean, state.cov)
        check_dynamics(space, values, plain, time, Moved(mean, Q, Q))
    return mean, F, Q


def divided_factor(share: Array, factor: Array) -> Array:
    """Return share L^-1 for a lower triangular L; where a state is known exactly, the pseudo-inverse."""
    pivots = np.abs(np.diag(factor))
    if np.all(pivots > EXACT * np.linalg.norm(factor, axis=1)):
        return np.asarray(np.linalg.solve(factor.T, share.T).T)
    return np.asarray(share @ np.linalg.pinv(factor, rcond=EXACT))


def condition_factor(state: FactorState, error: Array, H: Array, noise: Array) -> tuple[Array, Array, float]:
    """Return mean, factor and log-density given innovations ``(m,)``, NaN where there is none.

    One triangularisation: [[R^1/2, H S], [0, S]] becomes [[S_y, 0], [K S_y, S+]].
    """
    seen = ~np.isnan(error)
    m, n = int(seen.sum()), state.mean.size
    if not m:
        return state.mean, state.factor, 0.0
    wide = np.zeros((m + n, m + n))
    wide[:m, :m] = root(noise[np.ix_(seen, seen)], state.time)
    wide[:m, m:] = H[seen] @ state.factor
    wide[m:, m:] = state.factor
    lower = triangular(wide)
    pivots = np.abs(np.diag(lower)[:m])
    if not np.all(pivots > 0):
        raise CovarianceError("covariance of the readings", {"time": state.time}, "is not positive")
    white = whiten(lower[:m, :m], error[seen])
    density = -0.5 * (white @ white + m * LOG_2PI) - np.log(pivots).sum()
    return state.mean + lower[m:, :m] @ white, lower[m:, m:], float(density)


def triangular(wide: Array) -> Array:
    """Return the lower triangular L with L L' = wide wide'."""
    return np.asarray(np.linalg.qr(wide.T, mode="r")).T
