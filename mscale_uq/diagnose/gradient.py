"""Is the derivative right? Taylor remainders over many step sizes, and the two directions against each other.

If J is the derivative of f, the remainder |f(theta + h v) - f(theta) - h J v| falls with h squared; a wrong
J leaves it falling with h. One lucky step size proves nothing, so the slope is taken over many. Where a
model declares an error of its derivative, remainders as small as that error makes them say nothing.
"""

from dataclasses import dataclass
from typing import final

import numpy as np

from mscale_uq.core.forward import DataLinearization, ForwardModel
from mscale_uq.core.parameter import Array
from mscale_uq.errors import ForwardFailure

STEPS = 10.0 ** -np.arange(1.0, 6.0, 0.25)
FEWEST = 6  # steps with a value, below which a check says nothing
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
    dot_error
        Largest relative difference between <J v, w> and <v, J^T w>.
    """

    directions: tuple[str, ...]
    slopes: tuple[float, ...]
    dot_error: float

    @property
    def ok(self) -> bool:
        """Whether every slope is at least 1.9 and the two directions agree to 1e-10."""
        return all(slope >= 1.9 for slope in self.slopes) and self.dot_error <= 1e-10

    @property
    def worst(self) -> tuple[str, float]:
        """The direction with the smallest slope, and that slope."""
        position = int(np.argmin(self.slopes))  # NaN, nothing checked, counts as the worst
        return self.directions[position], self.slopes[position]


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
    slopes = tuple(_slope(model, theta, data, linear, direction, weight) for direction in directions.values())
    dots = [
        _dot_error(linear, direction, weight * rng.standard_normal(data.size))
        for direction in directions.values()
    ]
    return GradientCheck(tuple(directions), slopes, float(np.max(dots)))


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


def _slope(
    model: ForwardModel, theta: Array, data: Array, linear: DataLinearization, direction: Array, weight: Array
) -> float:
    first = linear.jvp(direction)
    points = []
    for step in STEPS:
        try:
            moved = model.value(theta + step * direction)
        except ForwardFailure:
            continue  # a large step may leave the domain; smaller ones decide
        remainder = float(np.linalg.norm(weight * (moved - data - step * first)))
        if np.isfinite(remainder):
            points.append((step, remainder))
    if len(points) < FEWEST:
        return np.nan  # too few steps have a value: nothing was checked
    clear = [
        (step, remainder)
        for step, remainder in points
        if remainder > (ROUND_OFF + model.slope_error * step) * np.sqrt(data.size)
    ]
    if len(clear) < 3:
        return np.inf
    steps, remainders = np.log(np.array(clear)).T
    local = np.diff(remainders) / np.diff(steps)
    # A small error in the derivative shows only at the smallest steps, where it outweighs the curvature.
    return float(min(np.median(local), np.median(local[-5:])))


def _dot_error(linear: DataLinearization, direction: Array, cotangent: Array) -> float:
    moved, back = linear.jvp(direction), linear.vjp(cotangent)
    size = np.sum(np.abs(moved * cotangent)) + np.sum(np.abs(back * direction))
    return float(abs(moved @ cotangent - back @ direction) / (size or 1.0))
