"""Periodic conduction cell in 2-D: element-wise conductivity in, effective tensor and its derivative out.

Axis 0 of k runs along y1 (side ``lengths[0]``), axis 1 along y2 (side ``lengths[1]``). The cell problem and
its derivative are those of `mscale_uq.cell.grid`. The discrete K is an upper bound of the exact tensor of the
same image; its error is of order h^2 where k is smooth or layered along the grid, and of order h^(2 lam),
lam = (4/pi) arctan(sqrt(k_min/k_max)), where four pixels of two phases meet in a point.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike

from mscale_uq.cell.grid import ACCURACIES, NAME, checked_lengths, checked_shape, periodic_grid
from mscale_uq.core.each import Rowwise
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Linearization, MatrixLinearization, Named, Stage, Values
from mscale_uq.errors import OutOfLimits, ParameterError, SolveFailed, explain
from mscale_uq.solve.neighbours import starts
from mscale_uq.solve.proportional import solved

INSULATOR = "for an insulating phase give a small value, such as 1e-9 of the largest"


def effective_conductivity(
    k: ArrayLike, lengths: tuple[float, float] = (1.0, 1.0), phases: Mapping[Any, float] | None = None
) -> Array:
    """Return the effective conductivity tensor ``(2, 2)`` of a periodic 2-D image, in the unit of k.

    Parameters
    ----------
    k
        ``(n1, n2)``: isotropic conductivity of every pixel, positive; or, with `phases`, an image of labels.
        Axis 0 runs along y1, axis 1 along y2.
    lengths
        Sides of the image along y1 and y2; only their ratio matters.
    phases
        Conductivity of every label of the image; labels are numbers or words.

    Raises
    ------
    ParameterError
        If k is no 2-D array of positive numbers, a label has no conductivity, an image of labels comes
        without `phases`, or the sides are not positive.
    SolveFailed
        If k spans more than twelve orders of magnitude, more than the solver can bear.

    Examples
    --------
    >>> layers = [[0, 0], [1, 1]]
    >>> effective_conductivity(layers, phases={0: 1.0, 1: 3.0}).round(12).tolist()
    [[1.5, 0.0], [0.0, 2.0]]
    """
    image = _image(k)
    pixels = _conductivities(image) if phases is None else _labelled(image, phases)
    return periodic_grid(image.shape, checked_lengths(lengths)).tensor(pixels)[0]


@final
class PeriodicConduction(Rowwise):
    """Effective conductivity tensor of a periodic cell: k ``(n1, n2)`` to K ``(2, 2)``, in the same unit.

    Parameters
    ----------
    shape
        Number of elements along y1 and y2.
    lengths
        Sides of the cell along y1 and y2; only their ratio matters.
    conductivity, tensor
        Name read and name made.
    name
        What failures call the stage.
    accuracy
        Of an iterative solution: ``"reference"``, exact to round-off, or ``"sampling"``, several times
        faster: K to 2e-7, relative, its derivatives to 1e-3 of the largest (`mscale_uq.cell.grid`).

    Raises
    ------
    ParameterError
        When made: if the shape or the sides are not positive, or the accuracy is none. When run: if k has
        another shape.
    OutOfLimits
        At a conductivity that is not positive.
    SolveFailed
        At a conductivity that is not finite.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        lengths: tuple[float, float] = (1.0, 1.0),
        conductivity: str = "k",
        tensor: str = "K",
        name: str = NAME,
        accuracy: str = "reference",
    ) -> None:
        if accuracy not in ACCURACIES:
            raise ParameterError(explain(f"accuracy {accuracy!r}", ", ".join(ACCURACIES)))
        self.accuracy = accuracy
        self.shape = checked_shape(shape)
        self.lengths = checked_lengths(lengths)
        self.inputs = (conductivity,)
        self.outputs = (tensor,)
        self.name = name

    def value(self, values: Values) -> Named:
        """Return the tensor ``(2, 2)``."""
        return {self.outputs[0]: self._solve(values)[0]}

    def linearize(self, values: Values) -> tuple[Named, Linearization]:
        """Return the tensor and its exact derivative to the conductivity of every element; one solve."""
        (source,), (made,) = self.inputs, self.outputs
        K, dK = self._solve(values)
        return {made: K}, MatrixLinearization({(made, source): dK}, {source: self.shape}, {made: (2, 2)})

    def rows(self, over: Sequence[str], places: Array) -> Stage:
        """Return the stage for many cells at once, whose iterations begin at their neighbours'."""
        return _ConductionRows(self, places)

    def checked(self, values: Values, shape: tuple[int, ...]) -> Array:
        """Return the conductivities, if they have this shape, are finite and positive."""
        source = self.inputs[0]
        k = np.asarray(values[source], dtype=float)
        if k.shape != shape:
            raise ParameterError(explain(f"{self.name}: {source!r} of shape {k.shape}", f"shape {shape}"))
        if not np.isfinite(k).all():
            raise SolveFailed(self.name, values, f"{source!r} is not finite everywhere")
        if not k.min() > 0:
            raise OutOfLimits(self.name, values, f"{source!r} is {k.min():g} somewhere, and must be positive")
        return k

    def _solve(self, values: Values) -> tuple[Array, Array]:
        problem = (NAME, self.shape, self.lengths, self.accuracy)
        (K, dK), factor = solved(problem, self.checked(values, self.shape), self._tensor)
        return factor * K, dK

    def _tensor(self, k: Array) -> tuple[Array, Array]:
        return periodic_grid(self.shape, self.lengths).tensor(k, self.accuracy)


@final
class _ConductionRows(Stage):
    """Periodic conduction of a family of cells: k ``(rows, n1, n2)`` to K ``(rows, 2, 2)``."""

    def __init__(self, cell: PeriodicConduction, places: Array) -> None:
        self._cell, self._starts = cell, starts(places)
        self.name, self.inputs, self.outputs = cell.name, cell.inputs, cell.outputs

    def value(self, values: Values) -> Named:
        """Return the tensors."""
        return {self.outputs[0]: self._solve(values)[0]}

    def linearize(self, values: Values) -> tuple[Named, Linearization]:
        """Return the tensors and their derivatives, row by row."""
        (source,), (made,) = self.inputs, self.outputs
        K, dK = self._solve(values)
        return {made: K}, _ConductionRowsLinearization(source, made, dK)

    def _solve(self, values: Values) -> tuple[Array, Array]:
        cell = self._cell
        problem = (NAME, self._starts.tobytes(), cell.shape, cell.lengths, cell.accuracy)
        k = cell.checked(values, (len(self._starts), *cell.shape))
        (K, dK), factor = solved(problem, k, self._tensors)
        return factor * K, dK

    def _tensors(self, k: Array) -> tuple[Array, Array]:
        cell = self._cell
        return periodic_grid(cell.shape, cell.lengths).tensors(k, cell.accuracy, self._starts)


@final
@dataclass(frozen=True)
class _ConductionRowsLinearization(Linearization):
    """dK/dk ``(rows, 2, 2, n1, n2)`` of every row."""

    source: str
    made: str
    slopes: Array

    def jvp(self, tangents: Values) -> Named:
        """Multiply the rows by their matrices."""
        rows = len(self.slopes)
        change = np.reshape(tangents[self.source], (rows, -1, 1))
        return {self.made: (self.slopes.reshape(rows, 4, -1) @ change).reshape(rows, 2, 2)}

    def vjp(self, cotangents: Values) -> Named:
        """Multiply the rows by the transposed matrices."""
        rows = len(self.slopes)
        back = np.reshape(cotangents[self.made], (rows, 1, 4)) @ self.slopes.reshape(rows, 4, -1)
        return {self.source: back.reshape(rows, *self.slopes.shape[3:])}


def _image(k: Any) -> np.ndarray:
    if np.ma.is_masked(k):
        hint = "fill the masked pixels first, say with k.filled(0.2)"
        raise ParameterError(explain("an image with masked pixels", "a value for every pixel", hint))
    try:
        image = np.asarray(k)
    except ValueError:  # rows of different lengths
        raise ParameterError(
            explain("an image whose rows differ in length", "a 2-D array (n1, n2)")
        ) from None
    if image.ndim != 2 or image.size == 0:
        raise ParameterError(explain(f"an image of shape {image.shape}", "a 2-D array (n1, n2)"))
    return image


def _conductivities(image: Array) -> Array:
    """Return an image of conductivities; refuse labels, and what does not conduct."""
    if image.dtype.kind in "iub":
        raise ParameterError(
            explain(
                f"an image of {image.dtype.name} without phases",
                "an array of floats, or labels with their phases",
                "say phases={0: 0.2, 1: 4.0}, or image.astype(float) if these are conductivities",
            )
        )
    if image.dtype.kind != "f":
        raise ParameterError(explain(f"an image of {image.dtype.name}", "an array of floats"))
    bad = ~(np.isfinite(image) & (image > 0))
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        given = f"a conductivity of {image[where]:g} in {bad.sum()} of {image.size} pixels, first at {where}"
        raise ParameterError(explain(given, "positive, finite values", INSULATOR))
    return image.astype(float)


def _labelled(image: Array, phases: Mapping[Any, float]) -> Array:
    """Return the conductivity of every pixel of an image of labels."""
    try:
        labels, place = np.unique(image, return_inverse=True)
    except TypeError:
        raise ParameterError(explain("labels that cannot be compared", "all numbers, or all words")) from None
    missing = [label for label in labels.tolist() if label not in phases]
    if missing:
        raise ParameterError(
            explain(
                f"no conductivity for label {', '.join(map(repr, missing[:5]))} of the image",
                f"a value for every label; given are {', '.join(map(repr, phases))}",
                "a grey-scale image must be segmented first" if len(missing) > 5 else "",
            )
        )
    for label, value in phases.items():
        real = isinstance(value, int | float | np.integer | np.floating)
        if not (real and np.isfinite(value) and value > 0):
            given = f"a conductivity of {value!r} for label {label!r}"
            raise ParameterError(explain(given, "positive, finite values", INSULATOR))
    return np.array([phases[label] for label in labels.tolist()], dtype=float)[place].reshape(image.shape)
