"""`Formula`: a stage made from one plain function, differentiated by the complex step."""

import inspect
from collections.abc import Callable, Collection, Mapping
from copy import copy
from typing import Any, final

import numpy as np

from mscale_uq.core.analytic import GuardedArray, comparisons
from mscale_uq.core.branches import hides_a_slope
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Linearization, MatrixLinearization, Named, PointwiseStage, Stage, Values
from mscale_uq.errors import NoGradient, WiringError, explain

STEP = 1e-40  # relative; no subtraction follows, so round-off does not limit how small it may be
SMALLEST = 1e-305  # absolute; a sampler may try 1e-300, whose relative step would vanish


@final
class Formula(Stage):
    """A stage whose value is one plain NumPy function, written once, as in the paper.

    Parameters
    ----------
    function
        Its argument names are the stage's inputs. It returns one array, or a tuple in the order of `outputs`.
    outputs
        The names made; one name may be given as a plain string.

    Raises
    ------
    NoGradient
        By `linearize`, naming the function's operation that is not analytic.

    Examples
    --------
    >>> def series(D_cluster, D_matrix, cluster_fraction):
    ...     return 1 / (cluster_fraction / D_cluster + (1 - cluster_fraction) / D_matrix)
    >>> stage = Formula(series, "D_eff")
    >>> float(stage.value({"D_cluster": 0.2, "D_matrix": 1.2, "cluster_fraction": 0.6})["D_eff"])
    0.3
    """

    def __init__(
        self, function: Callable[..., Any], outputs: str | tuple[str, ...], name: str | None = None
    ) -> None:
        self._function = function
        self.inputs = arguments(function)
        self.outputs = (outputs,) if isinstance(outputs, str) else tuple(outputs)
        self.name = name or function.__name__
        self._moved = self.inputs

    def moved_by(self, names: Collection[str]) -> "Formula":
        """Return the formula differentiated along these inputs alone; each entry of an input costs a call."""
        here = copy(self)
        here._moved = tuple(name for name in self.inputs if name in names)
        return here

    def value(self, values: Values) -> Named:
        """Return the function's result by name."""
        return evaluate(self, self._function, [np.asarray(values[name], dtype=float) for name in self.inputs])

    def linearize(self, values: Values) -> tuple[Named, Linearization]:
        """Return the result and its exact derivative, one complex evaluation per scalar input."""
        point = {name: np.asarray(values[name], dtype=float) for name in self.inputs}
        made = evaluate(self, self._function, list(point.values()))
        shapes = {name: point[name].shape for name in self._moved}
        columns = {
            name: [
                step_along(self, self._function, point, made, name, entry) for entry in _entries(point[name])
            ]
            for name in self._moved
        }
        blocks = {
            (output, name): np.stack([column[output] for column in columns[name]], axis=-1).reshape(
                made[output].shape + shapes[name]
            )
            for output in self.outputs
            for name in self._moved
        }
        return made, MatrixLinearization(
            blocks, shapes, {output: made[output].shape for output in self.outputs}
        )


@final
class PointwiseFormula(PointwiseStage):
    """A formula that treats the first axis of its inputs as points, and never mixes points.

    All points are differentiated in one complex evaluation per input, whatever their number. Inputs are
    ``(points,)`` or scalars shared by all points; outputs are ``(points,)``. Other arguments as in `Formula`.
    """

    def __init__(
        self, function: Callable[..., Any], outputs: str | tuple[str, ...], name: str | None = None
    ) -> None:
        self._function = function
        self.inputs = arguments(function)
        self.outputs = (outputs,) if isinstance(outputs, str) else tuple(outputs)
        self.name = name or function.__name__
        self._moved = self.inputs

    def moved_by(self, names: Collection[str]) -> "PointwiseFormula":
        """Return the formula differentiated along these inputs alone; each costs a call."""
        here = copy(self)
        here._moved = tuple(name for name in self.inputs if name in names)
        return here

    def value(self, values: Values) -> Named:
        """Return the function's result by name, ``(points,)`` each."""
        point = self._points(values)
        return self._spread(evaluate(self, self._function, list(point.values())), point)

    def tangent(self, values: Values) -> tuple[Named, Array]:
        """Return the result and the derivatives ``(points, n_outputs, n_inputs)``."""
        point = self._points(values)
        made = self._spread(evaluate(self, self._function, list(point.values())), point)
        table = np.zeros((_count(point), len(self.outputs), len(self.inputs)))
        for column, name in enumerate(self.inputs):
            if name not in self._moved:
                continue
            slope = step_along(self, self._function, point, made, name, None)
            for row, output in enumerate(self.outputs):
                table[:, row, column] = slope[output]
        return made, table

    def _points(self, values: Values) -> Named:
        point = {name: np.asarray(values[name], dtype=float) for name in self.inputs}
        count = _count(point)
        for name, array in point.items():
            if array.ndim > 1 or (array.ndim == 1 and array.size != count):
                raise WiringError(
                    explain(f"{self.name}: {name!r} has shape {array.shape}", f"() or ({count},)")
                )
        return point

    def _spread(self, made: Named, point: Named) -> Named:
        return {name: np.broadcast_to(array, (_count(point),)).copy() for name, array in made.items()}


def arguments(function: Callable[..., Any]) -> tuple[str, ...]:
    """Return a function's argument names; refuse ``*args`` and ``**options``, which name nothing."""
    parameters = inspect.signature(function).parameters.values()
    if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters):
        raise WiringError(
            explain(f"formula {function.__name__!r} takes *args or **options", "named arguments")
        )
    return tuple(p.name for p in parameters)


def evaluate(stage: Stage, function: Callable[..., Any], inputs: list[Any]) -> dict[str, Any]:
    """Call the function and name what it returns."""
    with np.errstate(all="ignore"):  # a value that is not finite is reported by the chain, with its name
        result = function(*inputs)
    made = result if isinstance(result, tuple) else (result,)
    if len(made) != len(stage.outputs):
        raise WiringError(
            explain(
                f"formula {stage.name!r} returned {len(made)} values",
                f"{len(stage.outputs)}: {stage.outputs}",
            )
        )
    return {
        name: part if isinstance(part, GuardedArray) else np.asarray(part)
        for name, part in zip(stage.outputs, made, strict=True)
    }


def step_along(
    stage: Stage,
    function: Callable[..., Any],
    point: Named,
    made: Named,
    name: str,
    entry: tuple[int, ...] | None,
) -> Named:
    """Return the derivative of every output to one entry of an input, or, if None, to all points at once."""
    size = np.maximum(np.where(point[name] == 0, 1.0, np.abs(point[name])) * STEP, SMALLEST)
    direction = size if entry is None else _only(size, entry)
    # Only the stepped input is complex: what the function does to the others cannot hide this derivative.
    inputs = [GuardedArray.step(array, direction) if key == name else array for key, array in point.items()]
    try:
        with comparisons() as ties:
            moved = evaluate(stage, function, inputs)
    except (NoGradient, TypeError, ValueError, AttributeError) as refusal:
        # The same call has just worked on real numbers, so it is the guard that refuses.
        raise NoGradient(f"formula {stage.name!r}: {refusal}") from refusal
    step = size if entry is None else size[entry]
    slopes = {
        output: _slope(stage, output, made[output], array, step, point[name])
        for output, array in moved.items()
    }
    if any(_suspicious(moved[output], made[output]) for output in moved):
        inputs = [
            GuardedArray.step(array, 2 * direction) if key == name else array for key, array in point.items()
        ]
        _check_linear(stage, moved, evaluate(stage, function, inputs))
    if ties:
        _check_branches(stage, function, point, made, name, entry, slopes, any(ties))
    return slopes


def _check_branches(
    stage: Stage,
    function: Callable[..., Any],
    point: Named,
    made: Named,
    name: str,
    entry: tuple[int, ...] | None,
    slopes: Named,
    tie: bool,
) -> None:
    """Refuse slopes along an input that comparisons have hidden."""

    def moved(step: Array) -> Named:
        x = point[name] + (step if entry is None else _only(np.broadcast_to(step, point[name].shape), entry))
        return evaluate(stage, function, list({**point, name: x}.values()))

    x = point[name] if entry is None else point[name][entry]
    output = hides_a_slope(moved, np.asarray(x), made, slopes, tie)
    if output is not None:
        raise NoGradient(
            f"formula {stage.name!r}: {output!r} takes its value from comparisons of {name!r} (a search, or "
            "a kink at this point), where the complex step sees no derivative; "
            "hint: a root belongs into an Implicit stage, a kink needs a smooth law"
        )


def _suspicious(moved: Any, value: Array) -> bool:
    """Whether the imaginary part is larger than a step of 1e-40 explains, unless the value cancels."""
    return isinstance(moved, GuardedArray) and _largest(moved.parts()[1]) > 1e-30 * _largest(value)


def _check_linear(stage: Stage, once: Mapping[str, Any], twice: Mapping[str, Any]) -> None:
    """Refuse an imaginary part that does not double with the step: it is round-off of a branch cut."""
    for output, array in once.items():
        if isinstance(array, GuardedArray):
            single, double = array.parts()[1], twice[output].parts()[1]
            if not _largest(double - 2 * single) <= 1e-6 * _largest(single):
                raise NoGradient(
                    f"formula {stage.name!r}: {output!r} is not analytic at this point (a branch cut)"
                )


def _slope(stage: Stage, output: str, value: Array, moved: Any, step: Array, x: Array) -> Array:
    """Take the derivative out of a complex result, whose real part must be the real result.

    Round-off is judged against the size of the terms, |df/dx x|, since a residual may cancel to zero.
    """
    if not isinstance(moved, GuardedArray):
        return np.zeros(value.shape)
    real, imaginary = moved.parts()
    slope: Array = imaginary / step
    if not np.isfinite(value).all():
        return np.broadcast_to(slope, value.shape)  # the chain reports the value, by name
    scale = _largest(value) + _largest(slope) * _largest(x)
    if _largest(real - value) > 1e-8 * scale or not np.isfinite(scale):
        raise NoGradient(
            f"formula {stage.name!r}: {output!r} is not analytic at this point (a branch cut, a kink, a pole)"
        )
    return slope if slope.shape == value.shape else np.broadcast_to(slope, value.shape)


def _largest(array: Array) -> float:
    return float(abs(array)) if array.ndim == 0 else float(np.abs(array).max(initial=0.0))


def _only(size: Array, entry: tuple[int, ...]) -> Array:
    direction = np.zeros(size.shape)
    direction[entry] = size[entry]
    return direction


def _entries(array: Array) -> list[tuple[int, ...]]:
    return list(np.ndindex(array.shape))


def _count(point: Mapping[str, Array]) -> int:
    return max((array.shape[0] for array in point.values() if array.ndim), default=1)
