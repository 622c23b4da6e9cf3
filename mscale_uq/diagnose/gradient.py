"""Is the derivative right? Taylor remainders over many step sizes, and the two directions against each other.

If J is the derivative of f, the remainder |f(theta + h v) - f(theta) - h J v| falls with h squared; a wrong
J leaves it falling with h. One lucky step size proves nothing, so the slope is taken over many. Where a
model declares an error of its derivative, remainders as small as that error makes them say nothing.

At the smallest steps an error of the derivative must outweigh the curvature, so that remainders see relative
errors from 1e-5 on. Extrapolated central differences (`mscale_uq.diagnose.extrapolated`) see 1e-6,
along directions that move the data by a tenth of their size or more; where the extrapolation is in doubt, or
a step leaves the model's domain, only what is beyond the doubt counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from mscale_uq.core.forward import DataLinearization, ForwardModel
from mscale_uq.core.parameter import Array
from mscale_uq.diagnose.extrapolated import extrapolated
from mscale_uq.errors import ForwardFailure

# By halves of a decade, and by quarters where a small error of the derivative would show.
STEPS = 10.0 ** -np.concatenate([np.arange(1.0, 4.0, 0.5), np.arange(4.0, 6.0, 0.25)])
FEWEST = 6  # steps with a value, below which a check says nothing
CENTRAL = slice(5)  # of the steps, those that are also taken backwards: 0.1 to 1e-3
ALLOWED = 5e-7  # relative error of the derivative
DOUBT = 10.0  # times the likely error of a difference: what it is not trusted to know
ROUND_OFF = 1e-11  # relative size of remainders that are round-off, with margin for the solvers' condition


@final
@dataclass(frozen=True)
class GradientCheck:
    """Outcome of a gradient check.

    Attributes
    ----------
    directions
        What was varied: a parameter label, or ``random``.
    slopes
        Observed order of the Taylor remainder per direction; 2 is right, 1 is wrong, inf means that the
        remainder is round-off at every step (the model is linear there).
    errors
        Relative error of the derivative per direction, as far as it is beyond doubt.
    dot_error
        Largest relative difference between <J v, w> and <v, J^T w>.
    """

    directions: tuple[str, ...]
    slopes: tuple[float, ...]
    errors: tuple[float, ...]
    dot_error: float

    @property
    def ok(self) -> bool:
        """Whether slopes are at least 1.9, no error above 5e-7, and the two directions agree to 1e-10."""
        right = all(slope >= 1.9 for slope in self.slopes) and max(self.errors) <= ALLOWED
        return right and self.dot_error <= 1e-10

    @property
    def worst(self) -> tuple[str, float]:
        """The direction with the smallest slope, and that slope."""
        position = int(np.argmin(self.slopes))  # NaN, nothing checked, counts as the worst
        return self.directions[position], self.slopes[position]

    def __str__(self) -> str:
        (label, slope), most = self.worst, int(np.argmax(self.errors))
        off = f"derivative off by {self.errors[most]:.1e} of itself (worst: {self.directions[most]}), "
        return (
            f"Taylor remainder of slope {slope:.2f} (worst: {label}), "
            f"{off if self.errors[most] > ALLOWED else ''}dot product off by {self.dot_error:.0e}"
        )


def check_gradient(model: ForwardModel, theta: Array, rng: np.random.Generator) -> GradientCheck:
    """Check a model's derivative at theta along each parameter and along random directions.

    Parameters are varied relative to their size. With more than ten of them, five random directions stand
    for all.

    Raises
    ------
    NoGradient
        If the model has no derivative.
    SolveFailed, Infeasible
        If it has no value at theta.
    """
    data, linear = model.linearize(theta)
    size = np.where(theta == 0, 1.0, np.abs(theta))
    weight = 1 / _scale(linear, data, size)
    directions = _directions(model, size, rng)
    found = [_along(model, theta, data, linear, direction, weight) for direction in directions.values()]
    slopes, errors = zip(*found, strict=True)
    dots = [
        _dot_error(linear, direction, weight * rng.standard_normal(data.size))
        for direction in directions.values()
    ]
    return GradientCheck(tuple(directions), slopes, errors, float(np.max(dots)))


def _directions(model: ForwardModel, size: Array, rng: np.random.Generator) -> dict[str, Array]:
    labels = [f"{p.name}[{i}]" if p.shape else p.name for p in model.parameters for i in range(p.size)]
    single = {label: size * unit for label, unit in zip(labels, np.eye(size.size), strict=True)}
    count = 2 if size.size <= 10 else 5
    mixed = {f"random {i}": size * rng.standard_normal(size.size) / np.sqrt(size.size) for i in range(count)}
    return {**(single if size.size <= 10 else {}), **mixed}


def _scale(linear: DataLinearization, data: Array, size: Array) -> Array:
    """How large each datum is, or moves: data in different units must count alike."""
    probes = [linear.jvp(size * unit) for unit in np.eye(size.size)[:10]]
    scale = np.abs(data) + np.sum(np.abs(probes), axis=0)
    return np.where(scale == 0, 1.0, scale)


def _along(
    model: ForwardModel, theta: Array, data: Array, linear: DataLinearization, direction: Array, weight: Array
) -> tuple[float, float]:
    """Return the slope of the remainders along a direction, and the error of the derivative."""
    first = weight * linear.jvp(direction)
    change = _Change(model, theta, direction, weight, data)
    ahead = [change(step) for step in STEPS]
    points = [
        (step, float(np.linalg.norm(moved - step * first)))
        for step, moved in zip(STEPS, ahead, strict=True)
        if moved is not None
    ]
    return _slope(points, model.slope_error, data.size), _error(change, ahead[CENTRAL], first)


@final
@dataclass(frozen=True)
class _Change:
    """How the weighted data change with a step; None where there is no value."""

    model: ForwardModel
    theta: Array
    direction: Array
    weight: Array
    data: Array

    def __call__(self, step: float) -> Array | None:
        try:
            moved = self.weight * (self.model.value(self.theta + step * self.direction) - self.data)
        except ForwardFailure:
            return None  # a large step may leave the domain; smaller ones decide
        return moved if np.isfinite(moved).all() else None


def _slope(points: Sequence[tuple[float, float]], slope_error: float, size: int) -> float:
    if len(points) < FEWEST:
        return np.nan  # too few steps have a value: nothing was checked
    clear = [
        (step, remainder)
        for step, remainder in points
        if remainder > (ROUND_OFF + slope_error * step) * np.sqrt(size)
    ]
    if len(clear) < 3:
        return np.inf
    steps, remainders = np.log(np.array(clear)).T
    local = np.diff(remainders) / np.diff(steps)
    # A small error in the derivative shows only at the smallest steps, where it outweighs the curvature.
    return float(min(np.median(local), np.median(local[-5:])))


def _error(change: _Change, ahead: Sequence[Array | None], first: Array) -> float:
    """Return by how much `first` is off an extrapolated difference, beyond doubt and relative to itself."""
    pairs = list[tuple[float, Array, Array]]()
    for step, forth in zip(STEPS[CENTRAL], ahead, strict=True):
        back = change(-step)
        # Steps follow each other without a gap: those below the largest one that has no value.
        pairs = [*pairs, (step, forth, back)] if forth is not None and back is not None else []
    if len(pairs) < 3:
        return 0.0  # what remainders see must do
    steps, forward, backward = zip(*pairs, strict=True)
    slope, doubt, least = extrapolated(steps, np.array(forward), np.array(backward))
    size = float(np.linalg.norm(first))
    unsure = DOUBT * doubt + ROUND_OFF * first.size**0.5 / least + change.model.slope_error * size
    beyond = max(float(np.linalg.norm(slope - first)) - unsure, 0.0)
    return float(beyond / size) if size else (np.inf if beyond else 0.0)


def _dot_error(linear: DataLinearization, direction: Array, cotangent: Array) -> float:
    moved, back = linear.jvp(direction), linear.vjp(cotangent)
    size = np.sum(np.abs(moved * cotangent)) + np.sum(np.abs(back * direction))
    return float(abs(moved @ cotangent - back @ direction) / (size or 1.0))
