"""The derivatives of a `Series` to its model's parameters, for the gradient of a Kalman likelihood.

A direction is a change of one scalar; `tangents` are the changes of all named values along each of them.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mscale_uq.core.dynamics import initial_name
from mscale_uq.core.linear_dynamics import LinearDynamics, LinearReading
from mscale_uq.core.observation import Observation
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Values
from mscale_uq.core.statespace import StateSpace
from mscale_uq.errors import NoGradient
from mscale_uq.filters.conditioning import stopped
from mscale_uq.filters.series import Plan, Series, instrument
from mscale_uq.observe.laws import Gaussian, look_up
from mscale_uq.solve.kalman_gradient import filter_gradient


class Slopes(NamedTuple):
    """Derivatives of a series, with the directions as first axis."""

    mean: Array
    cov: Array
    F: Array
    b: Array
    Q: Array
    H: Array
    r: Array
    d: Array


def differentiate(space: StateSpace, values: Values, made: Plan, tangents: Sequence[Values]) -> Slopes:
    """Return the derivatives of `series.assemble` along each direction.

    Raises
    ------
    NoGradient
        If the size of correlated noise depends on a parameter.
    """
    dynamics, count = space.dynamics, len(tangents)
    assert isinstance(dynamics, LinearDynamics)  # `plan` has checked it
    n, m = dynamics.size, made.data.shape[1]
    steps = Slopes(
        *(np.zeros((count, *shape)) for shape in ((n,), (n, n))),
        *(np.zeros((count, len(made.moves), *shape)) for shape in ((n, n), (n,), (n, n))),
        *(np.zeros((count, len(made.groups), *shape)) for shape in ((m, n), (m,), (m,))),
    )
    _differentiate_start(space, tangents, steps)
    read = {name: np.asarray(values[name]) for name in dynamics.inputs}
    for k, (_, slopes) in enumerate(dynamics.linearize_transitions(made.moves, read)):
        for p, tangent in enumerate(tangents):
            for name in slopes.keys() & tangent.keys():
                steps.F[p, k] += _along(tangent[name], slopes[name].F)
                steps.b[p, k] += _along(tangent[name], slopes[name].b)
                steps.Q[p, k] += _along(tangent[name], slopes[name].Q)
    for k, together in enumerate(made.groups):
        _differentiate_group(space, values, together, tangents, steps, k)
    return steps


def run_gradient(series: Series, slopes: Slopes, times: Array) -> tuple[Array, Array]:
    """Return each time's log-density ``(T,)`` and its derivatives ``(T, p)``."""
    s, count = series, len(slopes.mean)
    logs, d_logs = np.zeros(len(s.y)), np.zeros((len(s.y), count))
    start = s.mean.copy(), s.cov.copy(), slopes.mean.copy(), slopes.cov.copy()
    model, d_model = (s.F, s.b, s.Q, s.H, s.r), (slopes.F, slopes.b, slopes.Q, slopes.H, slopes.r, slopes.d)
    done = filter_gradient(*start, model, d_model, s.move, s.look, s.y, logs, d_logs)
    if done < len(logs):
        raise stopped(logs[done], times[done])
    return logs + s.log_scale, d_logs


def _differentiate_start(space: StateSpace, tangents: Sequence[Values], steps: Slopes) -> None:
    first = 0
    for variable in space.dynamics.state:
        places = slice(first, first + int(np.prod(variable.shape)))
        name = initial_name(variable.name)
        for p, tangent in enumerate(tangents):
            zero = np.zeros(variable.shape)
            steps.mean[p, places] = np.ravel(zero + tangent.get(name, 0.0))
            steps.cov[p, places, places] = np.diag(np.ravel(zero + tangent.get(f"{name}_var", 0.0)))
        first = places.stop


def _differentiate_group(
    space: StateSpace,
    values: Values,
    together: Sequence[Observation],
    tangents: Sequence[Values],
    steps: Slopes,
    k: int,
) -> None:
    first, mixing = 0, instrument(space, values, together).mixing
    for observation in together:
        rows = slice(first, first + observation.value.size)
        operator = space.observations[observation.source]
        if isinstance(operator.stage, LinearReading):
            _, _, slopes = operator.stage.linearize_matrices(values)
            for p, tangent in enumerate(tangents):
                for name in slopes.keys() & tangent.keys():
                    steps.H[p, k, rows] += _along(tangent[name], slopes[name][0])
                    steps.d[p, k, rows] += _along(tangent[name], slopes[name][1])
        for p, tangent in enumerate(tangents):
            steps.r[p, k, rows] = _noise_slope(space, values, observation, tangent)
        first = rows.stop
    if mixing is not None:
        steps.H[:, k, :first] = mixing @ steps.H[:, k, :first]
        steps.d[:, k, :first] = steps.d[:, k, :first] @ mixing.T
        if np.any(steps.r[:, k]):
            raise NoGradient("the size of correlated noise depends on a parameter")


def _noise_slope(space: StateSpace, values: Values, observation: Observation, tangent: Values) -> Array:
    """Return the change of the variances: 2 sd d(sd), and that of the prediction's own."""
    operator = space.observations[observation.source]
    shape = observation.value.shape
    total = np.zeros(shape) + tangent.get(f"{operator.quantity}_var", 0.0)
    law = operator.law
    if observation.noise is None and isinstance(law, Gaussian) and isinstance(law.sd, str):
        total = total + 2 * look_up(law.sd, values) * tangent.get(law.sd, 0.0)
    return np.ravel(total)


def _along(tangent: Array, slope: Array) -> Array:
    return np.asarray(np.tensordot(tangent, slope, axes=np.ndim(tangent)))
