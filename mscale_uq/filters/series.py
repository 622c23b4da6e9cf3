"""A linear Gaussian model and a whole stream as arrays, for the compiled filters.

Streaming one observation at a time is `filters.loop`; here the stream is known, as for a likelihood.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np
from scipy.linalg import solve_triangular

from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.linear_dynamics import LinearDynamics, LinearReading
from mscale_uq.core.observation import Observation
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Values
from mscale_uq.core.statespace import StateSpace
from mscale_uq.errors import CovarianceError, NoGradient
from mscale_uq.filters.conditioning import stopped
from mscale_uq.filters.loop import check_order, simultaneous
from mscale_uq.filters.plain import is_plain
from mscale_uq.filters.reading_slope import places
from mscale_uq.filters.records import GaussianState
from mscale_uq.filters.sight import look
from mscale_uq.observe.laws import Gaussian, look_up
from mscale_uq.solve.kalman_kernels import SMALL, filter_large, filter_small


class Instrument(NamedTuple):
    """Readings y = H x + d + noise of independent entries: ``(m, n)``, ``(m,)``, variances r ``(m,)``.

    Correlated noise is made independent by `mixing` = L^-1 with L L' = R; H, d and the datum are multiplied
    by it, r is one, and `log_scale` = -log |L| belongs to the density.
    """

    H: Array
    d: Array
    r: Array
    mixing: Array | None
    log_scale: float


@final
@dataclass(frozen=True)
class Plan:
    """What of a stream does not depend on theta: which moves and instruments it needs, and when.

    Attributes
    ----------
    times
        ``(T,)``.
    moves
        The different (start, stop) to move over; `move` ``(T,)`` says which leads to each time, -1 for none.
    groups
        The different sets of observations, for their instruments; `look` ``(T,)`` says which.
    data
        ``(T, m)`` the values, NaN where there is none.
    """

    times: Array
    moves: tuple[tuple[float, float], ...]
    move: np.ndarray
    groups: tuple[tuple[Observation, ...], ...]
    look: np.ndarray
    data: Array


@final
@dataclass(frozen=True)
class Series:
    """The arrays the compiled filters take; y is the datum - d, `log_scale` what correlated noise adds."""

    mean: Array
    cov: Array
    F: Array
    b: Array
    Q: Array
    move: np.ndarray
    H: Array
    d: Array
    r: Array
    look: np.ndarray
    y: Array
    log_scale: Array


def plan(space: StateSpace, stream: Iterable[Observation]) -> Plan:
    """Return the plan of a stream.

    Raises
    ------
    DataError
        If the stream is not in order, or an observation does not fit the model.
    NoGradient
        If the dynamics or an observed source is not declared affine with constant Gaussian noise.
    """
    if not isinstance(space.dynamics, LinearDynamics):
        raise NoGradient(
            f"dynamics {space.dynamics.name!r} is not a LinearDynamics: use a filter of the loop"
        )
    data, now, move, used = tuple(simultaneous(stream)), space.start, [], []
    moves: dict[object, tuple[int, tuple[float, float]]] = {}
    groups: dict[object, tuple[int, tuple[Observation, ...]]] = {}
    for together in data:
        time = together[0].time
        check_order(now, time)
        look(space, {}, together, time)
        interval = time - now if space.dynamics.autonomous else (now, time)
        move.append(moves.setdefault(interval, (len(moves), (now, time)))[0] if time > now else -1)
        used.append(groups.setdefault(_signature(space, together), (len(groups), together))[0])
        now = time
    return Plan(
        np.array([together[0].time for together in data]),
        tuple(pair for _, pair in moves.values()),
        np.array(move, dtype=np.int64),
        tuple(together for _, together in groups.values()),
        np.array(used, dtype=np.int64),
        _table([np.concatenate([o.usable.ravel() for o in together]) for together in data]),
    )


def _table(rows: Sequence[Array]) -> Array:
    """Return rows of different lengths as one array, filled up with NaN."""
    table = np.full((len(rows), max(map(len, rows), default=0)), np.nan)
    for line, row in zip(table, rows, strict=True):
        line[: len(row)] = row
    return table


def _signature(space: StateSpace, together: Sequence[Observation]) -> tuple[object, ...]:
    """What decides the instrument: sources, own noise, and, if that is correlated, what is missing."""
    parts: list[object] = []
    for o in together:
        check_affine(o.source, space.observations[o.source])
        if o.covariates:
            raise NoGradient(
                f"source {o.source!r}: its readings bring values along: use a filter of the loop"
            )
        correlated = o.noise is not None and o.noise.shape not in ((), o.value.shape)
        missing = np.isnan(o.usable).tobytes() if correlated else b""
        parts.append((o.source, o.value.shape, None if o.noise is None else o.noise.tobytes(), missing))
    return tuple(parts)


def check_affine(source: str, operator: ObservationOperator) -> None:
    """Refuse a source that does not declare an affine reading with Gaussian noise of constant variance."""
    if not isinstance(operator.stage, LinearReading | None):
        raise NoGradient(f"source {source!r}: its stage is not a LinearReading: use a filter of the loop")
    if not is_plain(operator.law):
        raise NoGradient(
            f"source {source!r}: its law is not Gaussian with constant sd: use a filter of the loop"
        )


def assemble(space: StateSpace, values: Values, made: Plan) -> Series:
    """Return the arrays at given values."""
    dynamics = space.dynamics
    assert isinstance(dynamics, LinearDynamics)  # `plan` has checked it
    read = {name: np.asarray(values[name]) for name in dynamics.inputs}
    n = dynamics.size
    steps = dynamics.transitions(made.moves, read)
    instruments = [instrument(space, values, together) for together in made.groups]
    m = made.data.shape[1]
    y, scale = np.full_like(made.data, np.nan), np.zeros(len(made.data))
    for group, used in enumerate(instruments):
        rows, size = made.look == group, len(used.r)
        y[rows, :size] = mixed(used, made.data[rows, :size]) - used.d
        scale[rows] = used.log_scale
    mean, cov = space.initial(values)
    return Series(
        mean,
        cov,
        np.array([step.F for step in steps]).reshape(-1, n, n),
        np.array([step.b for step in steps]).reshape(-1, n),
        np.array([step.Q for step in steps]).reshape(-1, n, n),
        made.move,
        np.array([_padded(i.H, m) for i in instruments]).reshape(-1, m, n),
        np.array([_padded(i.d, m) for i in instruments]).reshape(-1, m),
        np.array([_padded(i.r, m) for i in instruments]).reshape(-1, m),
        made.look,
        y,
        scale,
    )


def instrument(space: StateSpace, values: Values, together: Sequence[Observation]) -> Instrument:
    """Return what reads one set of observations."""
    parts = [_one(space, values, observation) for observation in together]
    mixing = [np.eye(len(p.r)) if p.mixing is None else p.mixing for p in parts]
    block = None if all(p.mixing is None for p in parts) else _block_diagonal(mixing)
    return Instrument(
        np.vstack([p.H for p in parts]),
        np.concatenate([p.d for p in parts]),
        np.concatenate([p.r for p in parts]),
        block,
        sum(p.log_scale for p in parts),
    )


def _one(space: StateSpace, values: Values, observation: Observation) -> Instrument:
    operator = space.observations[observation.source]
    if isinstance(operator.stage, LinearReading):
        H, d = operator.stage.matrices(values)
    else:
        H = np.eye(space.dynamics.size)[places(space)[operator.quantity]]
        d = np.zeros(len(H))
    own = np.ravel(np.broadcast_to(np.asarray(values.get(f"{operator.quantity}_var", 0.0)), d.shape))
    stated = observation.noise_cov
    if stated is None:
        assert isinstance(operator.law, Gaussian)  # `plan` has checked it
        return Instrument(
            H, d, np.ravel(look_up(operator.law.sd, values) ** 2 + np.zeros(d.shape)) + own, None, 0.0
        )
    if np.count_nonzero(stated - np.diag(np.diag(stated))) == 0:
        return Instrument(H, d, np.diag(stated) + own, None, 0.0)
    return _independent(H, d, stated + np.diag(own), ~np.isnan(observation.usable.ravel()), observation.time)


def _independent(H: Array, d: Array, R: Array, seen: np.ndarray, time: float) -> Instrument:
    """Return an instrument with correlated noise as one of independent entries."""
    try:
        L = np.linalg.cholesky(R[np.ix_(seen, seen)])
    except np.linalg.LinAlgError as error:
        raise CovarianceError("noise of the readings", {"time": time}, "is not positive") from error
    mixing = np.eye(len(d))
    mixing[np.ix_(seen, seen)] = solve_triangular(L, np.eye(len(L)), lower=True)
    return Instrument(mixing @ H, mixing @ d, np.ones(len(d)), mixing, -float(np.log(np.diag(L)).sum()))


def mixed(used: Instrument, data: Array) -> Array:
    """Return data ``(T, m)`` in the instrument's independent entries; what is missing stays missing."""
    if used.mixing is None:
        return data
    return np.where(np.isnan(data), np.nan, np.nan_to_num(data) @ used.mixing.T)


def filter_stream(
    space: StateSpace, values: Values, stream: Iterable[Observation]
) -> tuple[list[GaussianState], Array]:
    """Return the filtered state at each analysis time, and each time's log-density ``(T,)``; compiled.

    Raises
    ------
    CovarianceError
        If the covariance of the readings stops being positive, or a very wide forecast costs it the digits
        that matter; it carries the time.
    """
    made = plan(space, stream)
    series = assemble(space, values, made)
    T, n = len(made.times), len(series.mean)
    kept = tuple(np.empty((T, *shape)) for shape in ((n,), (n, n), (n,), (n, n)))
    logs = run_kernel(series, made.times, kept)
    return [GaussianState(*item) for item in zip(made.times.tolist(), kept[2], kept[3], strict=True)], logs


def run_kernel(series: Series, times: Array, kept: tuple[Array, ...] | None) -> Array:
    """Return each time's log-density ``(T,)``; fill `kept` if given."""
    s, n = series, len(series.mean)
    logs = np.zeros(len(s.y))
    arrays = (s.mean.copy(), s.cov.copy(), s.F, s.b, s.Q, s.move, s.H, s.r, s.look, s.y, kept, logs)
    done = filter_small((0,) * n, *arrays) if n <= SMALL else filter_large(*arrays)
    if done < len(logs):
        raise stopped(logs[done], times[done])
    return logs + s.log_scale


def _padded(array: Array, m: int) -> Array:
    """Fill up to m rows with ones; no datum uses them."""
    return np.concatenate([array, np.ones((m - len(array), *array.shape[1:]))])


def _block_diagonal(blocks: Sequence[Array]) -> Array:
    size = sum(map(len, blocks))
    whole, first = np.zeros((size, size)), 0
    for block in blocks:
        whole[first : first + len(block), first : first + len(block)] = block
        first += len(block)
    return whole
