"""Effective coordinates: a sampler walks in the log of what a scale parameter scales, not in the parameter.

Data see a micro law through its effective quantity Q. Where a parameter p scales the law, and r others with
it, Q(p, r, x) = p Q(1, r/p, x): data that pin down Q leave a thin curved ridge in (p, r, x). In coordinates

    z_p = w_p - (log Q - log Q_0) / b_p   at z_p = 0 and z_r = w_r,      z_r = w_r + (b_p / b_r) z_p,

with b the coordinates' scales, w_p is log(Q / Q_0) / b_p: the ridge is straight and lies along the axes. The
map is a chain of shears, so its determinant is one and a density needs no correction, whatever stands for Q.
So p may as well be a term of a sum Q = p + g(x), where the ridge is straight near the middle of p's prior.
Bounded unknowns are not sheared: their logarithm is no coordinate.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

import numpy as np

from mscale_uq.core.parameter import Array, all_finite
from mscale_uq.errors import ForwardFailure
from mscale_uq.infer.coordinates import COORDINATES, LogStandard
from mscale_uq.infer.methods import METHODS
from mscale_uq.infer.settings import Settings
from mscale_uq.infer.target import Target
from mscale_uq.solve.proportional import Notes, noted
from mscale_uq.stats.effective import effective_logs, in_proportion
from mscale_uq.stats.flat import FlatPosterior
from mscale_uq.stats.posterior import Posterior

# theta ``(n,)`` -> the log of an effective quantity, and its gradient ``(n,)``
Log = Callable[[Array], tuple[float, Array]]


@final
class Shift:
    """(log Q - log Q_0) / b of one entry with its gradient; zero where there is no Q, which is as exact."""

    def __init__(self, log: Log, middle: Array, scale: float) -> None:
        self._log, self._scale, self._level = log, scale, 0.0
        self.notes = Notes()  # what was solved for the latest answer
        self._latest: tuple[bytes, tuple[float, Array]] = (b"", (0.0, middle))
        self._level = self(middle)[0]
        self._latest = (b"", (0.0, middle))

    def __call__(self, theta: Array) -> tuple[float, Array]:
        """Return the shift at theta ``(n,)``, and its gradient."""
        key = theta.tobytes()
        if key != self._latest[0]:
            self._latest = (key, self._answer(np.frombuffer(key)))
        return self._latest[1]

    def _answer(self, theta: Array) -> tuple[float, Array]:
        if all_finite(theta):
            try:
                with noted(self.notes):
                    log, slope = self._log(theta)
            except ForwardFailure:
                return 0.0, np.zeros(theta.size)
            if all_finite(slope):
                return log / self._scale - self._level, slope / self._scale
        return 0.0, np.zeros(theta.size)


@final
class Shear:
    """The map between effective coordinates w and the coordinates z of a target.

    Parameters
    ----------
    target
        A posterior with a scale.
    logs
        Unknown -> the log of what each of its entries scales.
    along
        Unknowns in proportion to it.
    """

    def __init__(self, target: Target, logs: Mapping[str, Sequence[Log]], along: set[str]) -> None:
        self._target = target
        scales = {name: _log_scale(target, name) for name in [*logs, *along]}
        self._ratios = {
            (rider, name): scales[name] / scales[rider]
            for name in logs
            for rider in along
            if target.variables[name] in ((), target.variables[rider])
        }
        middle = self._reference(np, target.split(np.zeros(len(target.names))), logs)
        theta = target.pack(middle)
        self.shifts = {name: [Shift(log, theta, scales[name]) for log in logs[name]] for name in logs}

    @property
    def notes(self) -> list[Notes]:
        """What was solved for the latest shifts, of which the likelihood at the same w needs multiples."""
        return [shift.notes for shifts in self.shifts.values() for shift in shifts]

    def to_z(self, w: Array) -> Array:
        """Return the coordinates z ``(n,)`` at w ``(n,)``."""
        with np.errstate(all="ignore"):
            return self._target.pack(self.apply(np, self._target.split(w), _numbers))

    def to_w(self, z: Array) -> Array:
        """Return w at z: the shears one by one, backwards."""
        w = dict(self._target.split(z))
        for (rider, name), ratio in self._ratios.items():
            w[rider] = w[rider] - ratio * w[name]
        theta = self._target.pack(self._reference(np, w, self.shifts))
        for name, shifts in self.shifts.items():
            w[name] = w[name] + _numbers(shifts, theta).reshape(np.shape(w[name]))
        return self._target.pack(w)

    def apply(self, xp: Any, w: Mapping[str, Any], evaluate: Callable[..., Any]) -> dict[str, Any]:
        """Return z by name, by NumPy or PyTensor (`xp`); ``evaluate(shifts, theta)`` gives their values."""
        reference = self._reference(xp, w, self.shifts)
        theta = xp.concatenate([xp.atleast_1d(reference[name]).ravel() for name in self._target.variables])
        z = dict(w)
        for name, shifts in self.shifts.items():
            z[name] = w[name] - evaluate(shifts, theta).reshape(self._target.variables[name])
        for (rider, name), ratio in self._ratios.items():
            z[rider] = z[rider] + ratio * z[name]
        return z

    def _reference(self, xp: Any, w: Mapping[str, Any], scales: Mapping[str, Any]) -> dict[str, Any]:
        """Return the unknowns at w, the scales themselves at the middle of their priors."""
        values: dict[str, Any] = {}
        for name, prior in self._target.priors.items():
            coordinate, derive = COORDINATES[type(prior)]
            given = [values[a] if isinstance(a, str) else np.float64(a) for a in prior.arguments.values()]
            place = 0.0 * w[name] if name in scales else w[name]
            values[name] = coordinate.backward(xp, place, *derive(xp, *given))
        return values


def find_shear(target: Target) -> tuple[Shear | None, str]:
    """Return the shear of a target, None if it has none, and a sentence on its coordinates."""
    posterior = target.posterior if isinstance(target, FlatPosterior) else target
    if not isinstance(posterior, Posterior) or posterior.scale is None:
        return None, ""
    scale = posterior.scale
    logs: Mapping[str, Sequence[Log]] = effective_logs(posterior, scale)
    if isinstance(target, FlatPosterior):
        logs = target.effective_logs(scale)
    if not logs:
        return None, f"plain coordinates: {scale.parameter} is no unknown of its own here"
    for name in logs:
        if trouble := _trouble(target, name):
            return None, f"plain coordinates: {name} {trouble}"
    along = {name for name in in_proportion(posterior, scale) - set(logs) if not _trouble(target, name)}
    said = f"effective coordinates: the logarithm of {scale.effective} in the place of {', '.join(logs)}"
    return Shear(target, logs, along), said


def shear_of(target: Target, settings: Settings) -> Shear | None:
    """Return the shear that a run's sampler walks with, None if it walks plainly."""
    if METHODS[settings.sampler].shears and settings.coordinates == "effective":
        return find_shear(target)[0]
    return None


def coordinates_said(target: Target, settings: Settings) -> str:
    """Return a sentence on the coordinates a run's sampler walks in; empty where there is no choice."""
    if not METHODS[settings.sampler].shears:
        return ""
    said = find_shear(target)[1]
    return "plain coordinates, as asked for" if said and settings.coordinates == "plain" else said


def _trouble(target: Target, name: str) -> str:
    """Say why an unknown cannot be sheared; empty if it can."""
    prior = target.priors[name]
    if not isinstance(COORDINATES[type(prior)][0], LogStandard):
        return "has a prior with bounds, or one that is not of a positive number"
    if prior.parents:
        return "has a prior that depends on other unknowns"
    if any(name in other.parents for other in target.priors.values()):
        return "is an argument of another unknown's prior"
    return ""


def _log_scale(target: Target, name: str) -> float:
    prior = target.priors[name]
    return float(COORDINATES[type(prior)][1](np, *map(np.float64, prior.arguments.values()))[1])


def _numbers(shifts: list[Shift], theta: Array) -> Array:
    return np.array([shift(theta)[0] for shift in shifts])
