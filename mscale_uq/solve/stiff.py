"""Stiff ordinary differential equations dy/dt = f(t, y, p), their dense output, events and exact derivatives.

`integrate` goes through given times under error control, `follow` along a given mesh. Either gives a `Path`,
whose derivatives are those of its discrete steps: exact to round-off for the numbers it holds. Every time
asked for is the end of a step, so that it has the method's full order 5; in between, the collocation
polynomial of order 3 serves drawing and the search for events. An event ends with a step of just the right
length, found between two lengths with the level on either side of zero, and its time is differentiated by the
implicit function theorem.

Existing libraries were looked at first: SUNDIALS (through its Python bindings) integrates as well, but
its sensitivities are those of the continuous equation, right only up to the tolerance, and each evaluation
of a right-hand side passes through Python.
"""

from dataclasses import dataclass, field, replace
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from mscale_uq.core.parameter import Array
from mscale_uq.errors import Infeasible, InputError, SolveFailed, explain
from mscale_uq.solve.radau import DONE, EVENT, NO_EVENT, POLYNOMIAL
from mscale_uq.solve.radau_event import event_step
from mscale_uq.solve.radau_path import adaptive, along
from mscale_uq.solve.radau_tangent import path_tangents, step_tangents
from mscale_uq.solve.rate import Level, Rate

ON_LEVEL = 1e-12  # a start this near to an event, as a share of the time span, is at it
REASONS = (
    "",
    "more steps than allowed",
    "the step length has fallen to round-off",
    "no Newton convergence",
    "",
    "no change of the level's sign",
)


@final
@dataclass(frozen=True)
class Tolerances:
    """How accurate a path is.

    The local error of each component is held below absolute + relative |y|; `absolute` is one number or
    one per component. The equations of a step are solved to `iteration` times that, so that what remains
    does not blur derivatives.
    """

    relative: float = 1e-8
    absolute: float | tuple[float, ...] = 1e-10
    iteration: float = 1e-4
    max_steps: int = 100_000

    def __post_init__(self) -> None:
        if not (1e-13 < self.relative < 1 and np.all(np.asarray(self.absolute) > 0) and self.iteration > 0):
            raise InputError(explain(f"{self}", "relative in (1e-13, 1), absolute and iteration > 0"))

    def vector(self, size: int) -> Array:
        """Return the absolute tolerance of every component ``(size,)``."""
        return np.broadcast_to(np.asarray(self.absolute, dtype=float), (size,)).copy()


@final
@dataclass(frozen=True)
class Path:
    """A solution: N steps, their ends and their stages.

    Attributes
    ----------
    times, states, stages
        ``(N+1,)``, ``(N+1, n)``, ``(N, 3, n)``.
    stops
        Numbers of the steps' ends at the times asked for.
    error
        Largest estimate of a local error along a given mesh, in units of the tolerance; 1 at most elsewhere.
    """

    rate: Rate
    parameters: Array
    times: Array
    states: Array
    stages: Array = field(repr=False)
    stops: np.ndarray
    error: float = 1.0

    @property
    def at_stops(self) -> Array:
        """The states ``(stops, n)`` at the times asked for."""
        return self.states[self.stops]

    def __call__(self, time: ArrayLike) -> Array:
        """Return the collocation polynomials at any times ``(..., )`` of the path, ``(..., n)``."""
        t = np.asarray(time, dtype=float)
        if np.any((t < self.times[0]) | (t > self.times[-1])):
            raise InputError(explain(f"time {t}", f"{self.times[0]:g} to {self.times[-1]:g}"))
        i = np.clip(np.searchsorted(self.times, t, side="right") - 1, 0, len(self.stages) - 1)
        s = ((t - self.times[i]) / (self.times[i + 1] - self.times[i]))[..., None]
        weights = (s ** np.array([1, 2, 3])) @ POLYNOMIAL
        made: Array = self.states[i] + np.einsum("...k,...kn->...n", weights, self.stages[i])
        return made

    def tangents(
        self, dy: Array, dp: Array, keep: ArrayLike | None = None, stretch: Array | None = None
    ) -> Array:
        """Return the changes ``(len(keep), n, k)`` of the states at the steps `keep` (the stops if None).

        For k changes at once: dy ``(n, k)`` of the first state, dp ``(m, k)`` of the parameters,
        `stretch` ``(k,)`` of all step lengths by the same share.
        """
        kept = self.stops if keep is None else np.asarray(keep, dtype=np.int64)
        share = np.zeros(dy.shape[1]) if stretch is None else np.ascontiguousarray(stretch, dtype=float)
        dy, dp = (np.ascontiguousarray(array, dtype=float) for array in (dy, dp))
        arrays = (self.times, self.states, self.stages, self.parameters)
        return path_tangents(self.rate.complex, *arrays, dy, dp, share, kept)

    def check_analytic(self) -> None:
        """Refuse a right-hand side that is not analytic at the first or the last state; see `Rate`."""
        for end in (0, -1):
            self.rate.check_analytic(float(self.times[end]), self.states[end], self.parameters)


@final
@dataclass(frozen=True)
class Event:
    """Where a path ended because its level passed zero.

    `path` ends at the step before; one more step of length `length` with the given `stages` leads to the
    event at `time` in `state` ``(n,)``.
    """

    path: Path
    level: Level
    time: float
    state: Array
    length: float
    stages: Array

    def tangents(self, dy: Array, dp: Array) -> tuple[Array, Array]:
        """Return the changes of the event's time ``(k,)`` and state ``(n, k)``; arguments as in `Path`."""
        last = self.path.tangents(dy, dp, [len(self.path.stages)])[0]
        return self.tangents_from(last, dp, np.zeros(dy.shape[1]))

    def tangents_from(self, last: Array, dp: Array, dt: Array) -> tuple[Array, Array]:
        """Return what `tangents` does, from the changes of the state and the time before the last step.

        The change of that step's length is -dg / (dg/dt along the step): the derivative of the discrete step.
        """
        path, k = self.path, last.shape[1]
        # One more column: the length of the step.
        columns, by_parameters = (np.hstack([part, np.zeros((len(part), 1))]) for part in (last, dp))
        stretch, shift, moved = np.append(np.zeros(k), 1 / self.length), np.append(dt, 0.0), columns.copy()
        start = (path.times[-1], path.states[-1], self.length, self.stages, path.parameters)
        step_tangents(path.rate.complex, *start, columns, by_parameters, stretch, shift, moved)
        to_state, to_parameters, to_time = self.level.slopes(self.time, self.state, path.parameters)
        speed = to_state @ moved[:, k] + to_time
        ds = -(to_state @ moved[:, :k] + to_parameters @ dp + to_time * dt) / speed
        return dt + ds, moved[:, :k] + np.outer(moved[:, k], ds)


def _never(t, y, p):  # noqa: ARG001  (an event has time, state and parameters)
    return 1.0 + 0.0 * t


NEVER = Level(_never)


def integrate(
    rate: Rate,
    state: ArrayLike,
    parameters: ArrayLike,
    start: float,
    stops: ArrayLike,
    tolerances: Tolerances = Tolerances(),
    name: str = "integrator",
) -> Path:
    """Return the path from `state` ``(n,)`` at `start` through the increasing times `stops` after it.

    Raises
    ------
    SolveFailed
        If the step length falls to round-off or there are too many steps.
    """
    y, p = _plain(state), _plain(parameters)
    status, path = _run(rate, NEVER, y, p, start, _plain(stops), tolerances)
    if status != DONE:
        raise _failure(name, status, path)
    return path


def find_event(
    rate: Rate,
    level: Level,
    state: ArrayLike,
    parameters: ArrayLike,
    start: float,
    latest: float,
    tolerances: Tolerances = Tolerances(),
    name: str = "integrator",
) -> Event:
    """Return the first event after `start`; a level that is zero at `start` must leave zero first.

    A level is read at the ends of steps: one that passes zero and comes back within a step has not passed.

    Raises
    ------
    Infeasible
        If there is none before `latest`.
    SolveFailed
        As in `integrate`.
    """
    y, p = _plain(state), _plain(parameters)
    status, path = _run(rate, level, y, p, start, np.array([latest], dtype=float), tolerances)
    if status == DONE:
        raise Infeasible(name, {}, f"the event {level.function.__name__!r} has not come by {latest:g}")
    if status != EVENT:
        raise _failure(name, status, path)
    return locate(path, level, len(path.stages) - 1, tolerances, name)


def follow(
    rate: Rate,
    state: ArrayLike,
    parameters: ArrayLike,
    mesh: ArrayLike,
    tolerances: Tolerances = Tolerances(),
    name: str = "integrator",
) -> Path:
    """Return the path along the mesh ``(N+1,)``: with no choice left, a smooth function of all its inputs.

    Raises
    ------
    SolveFailed
        If a step's equations cannot be solved.
    """
    y, p, times = _plain(state), _plain(parameters), _plain(mesh)
    scales = (tolerances.relative, tolerances.vector(y.size), tolerances.iteration)
    status, states, stages, error, reached = along(*rate.both, times, y, p, *scales)
    if status != DONE:
        raise SolveFailed(name, {}, f"{REASONS[status]} at time {times[reached]:g}")
    return Path(rate, p, times, states, stages, np.array([len(stages)]), float(error))


def locate(path: Path, level: Level, step: int, tolerances: Tolerances, name: str = "integrator") -> Event:
    """Return the event inside the given step: a step of its own length, with the level zero at its end.

    Raises
    ------
    SolveFailed
        If the level does not change sign over the step, or the step's equations cannot be solved.
    """
    t, y, p = float(path.times[step]), path.states[step], path.parameters
    before, after = level.along(path.times[step : step + 2], path.states[step : step + 2], p)
    if before * after > 0:
        raise SolveFailed(name, {}, f"{REASONS[NO_EVENT]} in the step from {t:g}")
    whole = (float(path.times[step + 1]) - t, path.stages[step], after)
    scales = (tolerances.relative, tolerances.vector(y.size), tolerances.iteration)
    status, length, stages = event_step(*path.rate.both, level.real, t, y, p, *whole, *scales)
    if status != DONE:
        raise SolveFailed(name, {}, f"{REASONS[status]} in the step from {t:g}")
    before = replace(
        path, times=path.times[: step + 1], states=path.states[: step + 1], stages=path.stages[:step]
    )
    return Event(before, level, t + length, y + stages[2], length, stages)


def _run(
    rate: Rate, level: Level, y: Array, p: Array, start: float, stops: Array, tolerances: Tolerances
) -> tuple[int, Path]:
    if stops.size == 0 or np.any(np.diff(stops, prepend=start) <= 0):
        raise InputError(explain(f"times {stops} from {start:g} on", "increasing times after the start"))
    scales = (tolerances.relative, tolerances.vector(y.size), tolerances.iteration, tolerances.max_steps)
    height = 1.0 if level is NEVER else _height(rate, level, y, p, start, stops[-1] - start)
    event = (level.real, level.direction, height)
    status, *arrays = adaptive(*rate.both, *event, float(start), y, p, stops, *scales)
    return status, Path(rate, p, *arrays)


def _height(rate: Rate, level: Level, y: Array, p: Array, start: float, span: float) -> float:
    """Return the level at the start, zero if it is there but for round-off."""
    height, speed = level.at(start, y, p), level.slopes(start, y, p)
    near = abs(height) <= ON_LEVEL * span * abs(speed[0] @ rate.at(start, y, p) + speed[2])
    return 0.0 if near else height


def _plain(values: ArrayLike) -> Array:
    return np.array(values, dtype=float, ndmin=1)


def _failure(name: str, status: int, path: Path) -> SolveFailed:
    return SolveFailed(name, {}, f"{REASONS[status]} at time {path.times[-1]:g}")
