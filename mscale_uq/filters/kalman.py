"""`Kalman`: the exact filter of a model that is affine in its state with Gaussian errors."""

from dataclasses import dataclass
from typing import final

import numpy as np

from mscale_uq.core.dynamics import WITHOUT_CHANCE
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.linear_dynamics import LinearDynamics, LinearReading
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Named, Values
from mscale_uq.core.statespace import StateSpace
from mscale_uq.errors import DataError, InputError, explain
from mscale_uq.filters.conditioning import Affine
from mscale_uq.filters.gaussian import GaussianFilter, Moved, Update, first_order_move, iterated, noise_at
from mscale_uq.filters.plain import is_plain
from mscale_uq.filters.records import GaussianState
from mscale_uq.filters.sight import Sight

INSTEAD = "use ExtendedKalman, SigmaPointKalman or an ensemble filter"
INSTEAD_OF_MOMENTS = (
    "LaplaceKalman and ParticleFilter take the law as it is; ExtendedKalman takes its mean and variance"
)


@final
@dataclass(frozen=True)
class Kalman(GaussianFilter):
    """The Kalman filter, with Joseph's form of the covariance.

    Dynamics or readings that do not say they are affine are tried at one further state, a standard deviation
    away. F, Q, H and R here are called transition, state_cov, design and obs_cov in statsmodels, whose own H
    and R mean other things.

    Attributes
    ----------
    outlier_sd
        A reading further than so many standard deviations from its forecast is left out.

    Raises
    ------
    InputError
        If the dynamics or a reading turns out not to be affine in the state, or a law not normal with a
        variance that does not depend on it.

    Source: R. E. Kalman, J. Basic Eng. 82 (1960) 35-45, doi:10.1115/1.3662552.
    """

    outlier_sd: float = np.inf

    def move(
        self, space: StateSpace, values: Values, state: GaussianState, time: float, key: int = 0
    ) -> Moved:
        """Return the exact forecast moments."""
        moved = first_order_move(space, values, state, time)
        if not isinstance(space.dynamics, LinearDynamics):
            check_dynamics(space, values, state, time, moved)
        return moved

    def update(self, sight: Sight, state: GaussianState) -> Update:
        """Return the exact moments given the readings."""
        check_readings(sight, state)
        return iterated(lambda mean, _: affine_at(sight, mean), sight, state, 1, 0.0)


def affine_at(sight: Sight, mean: Array) -> Affine:
    """Return the readings by their value and derivative at one state."""
    expected, H, noise = sight.linearize(mean)
    return Affine(H, expected - H @ mean, noise)


def check_dynamics(
    space: StateSpace, values: Values, state: GaussianState, time: float, moved: Moved
) -> None:
    """Refuse dynamics whose step is not affine, tried one standard deviation away."""
    away = away_from(state)
    there = space.step(away[None], state.time, time, values, WITHOUT_CHANCE)[0]
    back = space.step(state.mean[None], state.time, time, values, WITHOUT_CHANCE)[0]
    _, slope = space.dynamics.linearize_step(
        state.mean, state.time, time, {name: np.asarray(values[name]) for name in space.dynamics.inputs}
    )
    expected = moved.mean + slope.jvp({"state": away - state.mean})["state"]
    _refuse_unless_equal(f"dynamics {space.dynamics.name!r}", np.stack([there, back]), [expected, moved.mean])
    noise = [noise_at(space, values, x, state.time, time) for x in (away, state.mean)]
    _refuse_unless_equal(f"the noise of dynamics {space.dynamics.name!r}", *noise)


def check_readings(sight: Sight, state: GaussianState) -> None:
    """Refuse laws that are not normal, and readings not affine in the state, tried one deviation away."""
    operators = [(o, sight.space.observations[o.source]) for o in sight.observations]
    if all(o.noise is not None or is_plain(operator.law) for o, operator in operators):
        if all(isinstance(operator.stage, LinearReading | None) for _, operator in operators):
            return
    else:
        check_laws(sight, state)
    away = away_from(state)
    here, H, noise = sight.linearize(state.mean)
    there, noise_there = sight.predict(away)
    _refuse_unless_equal("a reading", there, here + H @ (away - state.mean))
    _refuse_unless_equal("the noise of a reading", noise_there, noise)


def check_laws(sight: Sight, state: GaussianState) -> None:
    """Refuse laws whose log-density is no parabola in the datum, tried at one and four deviations."""
    for observation in sight.observations:
        operator = sight.space.observations[observation.source]
        if observation.noise is None and not is_plain(operator.law):
            made = sight.space.observe(observation.source, state.mean, observation.among(sight.values))
            if not is_normal(operator, made):
                given = f"Kalman: source {observation.source!r} has the law {type(operator.law).__name__}"
                raise InputError(explain(given, "normal laws", INSTEAD_OF_MOMENTS))


def is_normal(operator: ObservationOperator, made: Named) -> bool:
    """Whether the law of a datum is normal: the log-density falls by a square of the distance."""
    mean = operator.mean(made)
    sd = np.sqrt(np.diag(operator.cov(made))).reshape(mean.shape)
    try:
        top, near, far = (operator.logpdf(mean + k * sd, made).total for k in (0.0, 1.0, 4.0))
    except DataError:  # no datum at all, such as a count that is not whole
        return False
    return bool(abs(top - far - 16 * (top - near)) <= 1e-8 * abs(top - far))


def away_from(state: GaussianState) -> Array:
    """Return a state one standard deviation from the mean, or a little where the mean is certain."""
    spread = np.sqrt(np.maximum(np.diag(state.cov), 0.0))
    return state.mean + np.where(spread > 0, spread, 1e-3 * (1 + np.abs(state.mean)))


def _refuse_unless_equal(what: str, found: Array, affine: object) -> None:
    expected = np.asarray(affine)
    scale = np.abs(expected).max(initial=0.0) + np.abs(found).max(initial=0.0)
    if not np.abs(found - expected).max(initial=0.0) <= 1e-8 * scale:
        raise InputError(explain(f"Kalman: {what} is not affine in the state", "affine models", INSTEAD))
