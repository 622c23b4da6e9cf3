"""The complex step: slopes of a plain function, exact to round-off, or refused.

Every direction is one evaluation; what comes back is looked at together, since a formula's numbers are few
and looking costs as much as computing. How the step is guarded: `analytic.py`; what it cannot see:
`branches.py`.
"""

from cmath import isfinite
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from mscale_uq.core.analytic import GuardedArray, comparisons
from mscale_uq.core.branches import hides_a_slope
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Named
from mscale_uq.errors import NoGradient, WiringError, explain

STEP = 1e-40  # relative; no subtraction follows, so round-off does not limit how small it may be
SMALLEST = 1e-305  # absolute; a sampler may try 1e-300, whose relative step would vanish
ROUND_OFF = 1e-8  # real parts with and without the step agree to this, entry by entry
CANCELLED = 1e-13  # ... and to this share of the largest, since entries of a matrix may cancel to zero
NO_SLOPE = 1e-30  # at zero: what is left of x^2 there
TOO_LARGE = 1e-30  # an imaginary part that a step of 1e-40 does not explain, unless the value cancels

# An input, and the entry or column of it that is moved; None moves all its points at once.
Direction = tuple[str, tuple[int | slice, ...] | None]


@final
@dataclass(frozen=True)
class Plain:
    """A plain function with names.

    Attributes
    ----------
    name
        What refusals call it.
    function
        The function.
    outputs
        Names of what it returns.
    """

    name: str
    function: Callable[..., Any]
    outputs: tuple[str, ...]

    def __call__(self, inputs: Sequence[Any]) -> dict[str, Any]:
        """Call the function and name what it returns."""
        with np.errstate(all="ignore"):  # a value that is not finite is reported by the chain, with its name
            result = self.function(*inputs)
        made = result if isinstance(result, tuple) else (result,)
        if any(part is None for part in made):
            what = "nothing" if result is None else "None among its values"
            hint = "a `return` is missing, or stands in one branch only"
            raise WiringError(explain(f"formula {self.name!r} returned {what}", "numbers, or arrays", hint))
        if len(made) != len(self.outputs):
            given = f"formula {self.name!r} returned {len(made)} values"
            raise WiringError(explain(given, f"{len(self.outputs)}: {self.outputs}"))
        return {
            name: part if isinstance(part, GuardedArray) else np.asarray(part)
            for name, part in zip(self.outputs, made, strict=True)
        }

    def stepped(self, point: Named, moved: str, step: Array) -> dict[str, Any]:
        """Call it with i times the step added to one input.

        Only that input is complex: what the function does to the others cannot hide this derivative.
        """
        try:
            return self([GuardedArray.step(x, step) if name == moved else x for name, x in point.items()])
        except (NoGradient, TypeError, ValueError, AttributeError) as refusal:
            # The same call has just worked on real numbers, so it is the guard that refuses.
            raise NoGradient(f"formula {self.name!r}: {refusal}") from refusal


def slopes(plain: Plain, point: Named, made: Named, directions: Sequence[Direction]) -> Named:
    """Return the derivatives of every output, ``(directions, *shape)``.

    Parameters
    ----------
    plain
        The function.
    point
        Its inputs, in order.
    made
        Its outputs there.
    directions
        What is moved, one after the other.

    Raises
    ------
    NoGradient
        Naming the operation that is not analytic, or the output that has no slope here.
    """
    if (found := _of_numbers(plain, point, made, directions)) is not None:
        return found
    sizes = {name: _size(point[name]) for name in dict(directions)}
    moved, ties = [], []
    with comparisons() as heard:
        for name, entry in directions:
            before = len(heard)
            moved.append(plain.stepped(point, name, _only(sizes[name], entry)))
            ties.append(heard[before:])
    steps = [sizes[name] if entry is None else sizes[name][entry] for name, entry in directions]
    largest = {name: _largest(point[name]) for name in sizes}
    scales = np.array([largest[name] for name, _ in directions])
    found = {}
    doubtful, corners = (np.zeros(len(directions), dtype=bool) for _ in range(2))
    for output, value in made.items():
        real, imaginary = _parts(output, value, moved)
        large = np.abs(imaginary) > TOO_LARGE * np.abs(value)
        if large.any():
            doubtful |= _any(large)
        if not value.all():
            corners |= _any((imaginary != 0) & (value == 0))
        found[output] = _checked(plain, output, value, real, imaginary, _stacked(steps, value), scales)
    for row, (name, entry) in enumerate(directions):
        if doubtful[row]:
            twice = plain.stepped(point, name, _only(2 * sizes[name], entry))
            _check_linear(plain, moved[row], twice, NO_SLOPE * steps[row])
        if ties[row] or corners[row]:  # sqrt(x^2) at zero compares nothing, and has a corner there
            along = {output: table[row] for output, table in found.items()}
            _check_branches(plain, point, made, (name, entry), along, any(ties[row]) or bool(corners[row]))
    return found


def _of_numbers(plain: Plain, point: Named, made: Named, directions: Sequence[Direction]) -> Named | None:
    """Return the slopes of numbers to numbers, where all of them are beyond doubt; None elsewhere.

    Most formulas are of numbers, and looking at arrays of one entry takes five times as long.
    """
    if any(value.ndim for value in made.values()) or any(point[name].ndim for name in dict(directions)):
        return None
    found = {output: np.empty(len(directions)) for output in made}
    with comparisons() as heard:
        for row, (name, _) in enumerate(directions):
            step = max((abs(float(point[name])) or 1.0) * STEP, SMALLEST)
            for output, stepped in plain.stepped(point, name, np.asarray(step)).items():
                value = float(made[output])
                z = complex(stepped.unguarded() if isinstance(stepped, GuardedArray) else stepped)
                found[output][row] = slope = z.imag / step
                near = abs(z.real - value) <= ROUND_OFF * abs(value) and abs(z.imag) <= TOO_LARGE * abs(value)
                if not (near and isfinite(slope)):
                    return None
    return None if heard else found


def _checked(
    plain: Plain, output: str, value: Array, real: Array, imaginary: Array, steps: Array, scales: Array
) -> Array:
    """Return the slopes ``(directions, *shape)``; the stepped function must have the real one's value.

    Round-off is judged against the size of the terms, |df/dx x|, since a residual may cancel to zero.
    """
    slope: Array = imaginary / steps
    if not np.isfinite(value).all():
        return slope  # the chain reports the value, by name
    off, magnitude = np.abs(real - value), np.abs(value)
    if (off <= ROUND_OFF * magnitude).all() and np.isfinite(slope).all():
        return slope  # nearly always
    own = magnitude + np.abs(slope) * scales.reshape((-1,) + (1,) * value.ndim)
    allowed = ROUND_OFF * own + CANCELLED * _largest(own) + NO_SLOPE * steps
    if not (off <= allowed).all() or not np.isfinite(own).all():
        what = f"formula {plain.name!r}: {output!r} is not analytic at this point"
        raise NoGradient(f"{what} (a branch cut, a kink, a pole)")
    return slope


def _check_linear(plain: Plain, once: dict[str, Any], twice: dict[str, Any], nothing: Array) -> None:
    """Refuse an imaginary part that does not double with the step: it is round-off of a branch cut."""
    for output, array in once.items():
        if isinstance(array, GuardedArray):
            single, double = array.unguarded().imag, twice[output].unguarded().imag
            if not (np.abs(double - 2 * single) <= 1e-6 * np.abs(single) + nothing).all():
                raise NoGradient(
                    f"formula {plain.name!r}: {output!r} is not analytic at this point (a branch cut)"
                )


def _check_branches(
    plain: Plain, point: Named, made: Named, direction: Direction, slope: Named, tie: bool
) -> None:
    """Refuse slopes that comparisons have hidden."""
    name, entry = direction

    def moved(step: Array) -> Named:
        x = point[name] + (_placed(step, entry, point[name].shape) if entry else step)
        return plain([x if key == name else other for key, other in point.items()])

    x = point[name] if entry is None else point[name][entry]
    output = hides_a_slope(moved, np.asarray(x), made, slope, tie)
    if output is not None:
        raise NoGradient(
            f"formula {plain.name!r}: {output!r} takes its value from comparisons of {name!r} (a search, or "
            "a kink at this point), where the complex step sees no derivative; "
            "hint: a root belongs into an Implicit stage, a kink needs a smooth law"
        )


def _parts(output: str, value: Array, moved: Sequence[dict[str, Any]]) -> tuple[Array, Array]:
    """Return real and imaginary parts ``(directions, *shape)``; what the step does not reach stays real."""
    table = np.empty((len(moved), *value.shape), dtype=complex)
    for row, made in enumerate(moved):
        part = made[output]
        table[row] = part.unguarded() if isinstance(part, GuardedArray) else part
    return table.real, table.imag


def _stacked(steps: Sequence[Array], value: Array) -> Array:
    """Return the steps ``(directions, *shape)``, or so that they broadcast against it."""
    if all(step.ndim == 0 for step in steps):
        return np.array(steps).reshape((-1,) + (1,) * value.ndim)
    return np.array([np.broadcast_to(step, value.shape) for step in steps])


def _size(x: Array) -> Array:
    magnitude = np.abs(x)
    return np.asarray(np.maximum((magnitude + (magnitude == 0)) * STEP, SMALLEST))


def _only(size: Array, entry: tuple[int | slice, ...] | None) -> Array:
    return _placed(size[entry], entry, size.shape) if entry else size  # all points, or a scalar


def _placed(step: Array, entry: tuple[int | slice, ...], shape: tuple[int, ...]) -> Array:
    direction = np.zeros(shape)
    direction[entry] = step
    return direction


def _any(table: np.ndarray) -> np.ndarray:
    """Whether a row ``(directions, *shape)`` holds anything true."""
    return np.asarray(table.any(axis=tuple(range(1, table.ndim))))


def _largest(array: Array) -> float:
    return float(abs(array)) if array.ndim == 0 else float(np.abs(array).max(initial=0.0))
