"""A `Stage` turns named values into named values, and says how small changes pass through it.

A stage declares the names it reads and the names it makes. Its linearisation has two directions: `jvp`
carries tangents (named changes of the inputs) forward to changes of the outputs, `vjp` carries cotangents
(named sensitivities to the outputs) back to the inputs. A name that is missing from a tangent or cotangent
dictionary means zero.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.errors import NoGradient

Values = Mapping[str, Array]
Named = dict[str, Array]


class Linearization(ABC):
    """The derivative of a stage at one point, as two linear maps between named arrays."""

    @abstractmethod
    def jvp(self, tangents: Values) -> Named:
        """Carry changes of the inputs forward; returns one array per output, shaped like it."""

    @abstractmethod
    def vjp(self, cotangents: Values) -> Named:
        """Carry sensitivities back; returns one array per input, shaped like it."""

    def jvps(self, tangents: Values) -> Named:
        """Carry several changes forward, which lie along a first axis of every array, as do the results."""
        count = len(next(iter(tangents.values())))
        rows = [self.jvp({name: array[row] for name, array in tangents.items()}) for row in range(count)]
        return {name: np.array([row[name] for row in rows]) for name in rows[0]}


class Stage(ABC):
    """One arrow of a multiscale model.

    Attributes
    ----------
    name
        What failures and drawings call it.
    inputs, outputs
        Names read and names made. The reserved input ``key`` is the counter of a random stage, which
        makes ``<name>_var`` (the variance of its own error) beside ``<name>``.
    slope_error
        Relative error of the derivative, zero for all but stages whose value chooses its steps anew at every
        point while the derivative is that of the steps taken.
    cell_problems
        Those that one value takes; what building a surrogate may cost is counted in these.
    """

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    slope_error: float = 0.0
    cell_problems: int = 1

    @abstractmethod
    def value(self, values: Values) -> Named:
        """Return every output at the given inputs.

        Raises
        ------
        SolveFailed, Infeasible
            If there is no value here.
        """

    def linearize(self, values: Values) -> tuple[Named, Linearization]:
        """Return the outputs and the derivative there, at the price of about one value.

        Raises
        ------
        NoGradient
            If the stage has no exact derivative.
        """
        raise NoGradient(
            f"stage {self.name!r} has no derivative: use a gradient-free sampler such as demetropolisz"
        )

    def moved_by(self, names: Collection[str]) -> "Stage":
        """Return the stage where only these inputs move; it may leave the other derivatives out."""
        return self

    def holding(self, values: Values) -> "Stage":
        """Return the stage that reads only what `values` lacks; what they decide may be worked out once."""
        return Held(self, values)


@final
class Held(Stage):
    """A stage some inputs of which stay as they are."""

    def __init__(self, stage: Stage, values: Values) -> None:
        self._stage, self._values = stage, {n: values[n] for n in stage.inputs if n in values}
        self.name, self.outputs, self.slope_error = stage.name, stage.outputs, stage.slope_error
        self.cell_problems = stage.cell_problems
        self.inputs = tuple(name for name in stage.inputs if name not in values)

    def value(self, values: Values) -> Named:
        """Return what the stage makes."""
        return self._stage.value({**self._values, **values})

    def linearize(self, values: Values) -> tuple[Named, Linearization]:
        """Return what the stage makes and its derivative."""
        return self._stage.linearize({**self._values, **values})


class PointwiseStage(Stage):
    """A stage that treats the first axis of every input as points and never mixes points.

    Inputs and outputs have shape ``(points,)``; an input may also be a scalar shared by all points, or have
    ``(points, k)`` numbers. A macro problem that calls it at its quadrature points assembles its own tangent
    from `tangent`.
    """

    @abstractmethod
    def tangent(self, values: Values) -> tuple[Named, Array]:
        """Return the outputs and their derivatives ``(points, n_outputs, n_inputs)``.

        An input of ``(points, k)`` numbers counts as k inputs.
        """

    @final
    def linearize(self, values: Values) -> tuple[Named, Linearization]:
        """Return the outputs and the point-by-point derivative."""
        outputs, tangent = self.tangent(values)
        shapes = {name: np.shape(values[name]) for name in self.inputs}
        return outputs, PointwiseLinearization(self.inputs, self.outputs, shapes, tangent)


@final
@dataclass(frozen=True)
class PointwiseLinearization(Linearization):
    """Derivative of a pointwise stage: one small matrix per point, ``(points, n_outputs, n_inputs)``."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    shapes: Mapping[str, tuple[int, ...]]
    tangent: Array

    def jvp(self, tangents: Values) -> Named:
        """Contract each point's matrix with that point's input changes."""
        total = np.zeros(self.tangent.shape[:2])
        for name, columns in self._columns.items():
            if name in tangents and len(self.shapes[name]) == 2:
                total += (self.tangent[:, :, columns] @ np.asarray(tangents[name])[:, :, None])[:, :, 0]
            elif name in tangents:
                total += self.tangent[:, :, columns.start] * np.asarray(tangents[name])[..., None]
        return {name: total[:, row] for row, name in enumerate(self.outputs)}

    def vjp(self, cotangents: Values) -> Named:
        """Contract each point's matrix with that point's output sensitivities; sum for shared scalars."""
        back = np.zeros((self.tangent.shape[0], self.tangent.shape[2]))
        for row, name in enumerate(self.outputs):
            if name in cotangents:
                back += self.tangent[:, row, :] * np.asarray(cotangents[name])[:, None]
        return {
            name: back[:, columns].reshape(self.shapes[name]) if self.shapes[name] else back[:, columns].sum()
            for name, columns in self._columns.items()
        }

    @property
    def _columns(self) -> dict[str, slice]:
        return columns_of({name: self.shapes[name] for name in self.inputs})


def columns_of(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, slice]:
    """Return where each input of a pointwise stage lies among the columns of its tangent."""
    return places_of({name: shape[1] if len(shape) == 2 else 1 for name, shape in shapes.items()})


def places_of(sizes: Mapping[str, int]) -> dict[str, slice]:
    """Return where each name's entries lie when all are put behind each other."""
    ends = np.cumsum([0, *sizes.values()]).tolist()
    return {name: slice(*ends[i : i + 2]) for i, name in enumerate(sizes)}


@final
@dataclass(frozen=True)
class MatrixLinearization(Linearization):
    """Derivative of a small stage: for each (output, input) the array ``output.shape + input.shape``."""

    jacobians: Mapping[tuple[str, str], Array]
    input_shapes: Mapping[str, tuple[int, ...]]
    output_shapes: Mapping[str, tuple[int, ...]]

    def jvp(self, tangents: Values) -> Named:
        """Multiply by the stored matrices."""
        result = {name: np.zeros(shape) for name, shape in self.output_shapes.items()}
        for (output, name), block in self.jacobians.items():
            if name in tangents:
                change = np.asarray(tangents[name], dtype=float)
                result[output] += (block.reshape(-1, change.size) @ change.ravel()).reshape(
                    result[output].shape
                )
        return result

    def jvps(self, tangents: Values) -> Named:
        """Multiply the stored matrices by all changes at once."""
        count = len(next(iter(tangents.values())))
        result = {name: np.zeros((count, *shape)) for name, shape in self.output_shapes.items()}
        for (output, name), block in self.jacobians.items():
            if name in tangents:
                changes = np.reshape(tangents[name], (count, -1))
                moved = changes @ block.reshape(-1, changes.shape[1]).T
                result[output] += moved.reshape(result[output].shape)
        return result

    def vjp(self, cotangents: Values) -> Named:
        """Multiply by the transposed stored matrices."""
        result: Named = {}
        for (output, name), block in self.jacobians.items():
            if output in cotangents:
                weight = np.ravel(cotangents[output])
                part = (weight @ block.reshape(weight.size, -1)).reshape(self.input_shapes[name])
                result[name] = result[name] + part if name in result else part
        for name, shape in self.input_shapes.items():
            if name not in result:
                result[name] = np.zeros(shape)
        return result
