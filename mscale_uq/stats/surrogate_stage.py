"""A polynomial in the place of stages: the same names read and made, a hundredth of the work."""

import math
from typing import final

import numpy as np

from mscale_uq.core.parameter import Array, all_finite
from mscale_uq.core.stage import Linearization, MatrixLinearization, Named, Stage, Values
from mscale_uq.errors import OutOfLimits
from mscale_uq.solve.product_polynomial import ProductPolynomial
from mscale_uq.solve.stretch_kernels import evaluate
from mscale_uq.stats.stretch_coordinates import StretchCoordinates


@final
class SurrogateStage(Stage):
    """What a stretch makes, by interpolation; its derivative is that of the interpolant, exactly.

    Outside the box of the polynomial, values are those at its edge.

    Parameters
    ----------
    coordinates
        Of the stretch.
    polynomial
        Of the flattened quantity at scale one.
    shape
        Of the quantity.
    """

    def __init__(
        self, coordinates: StretchCoordinates, polynomial: ProductPolynomial, shape: tuple[int, ...]
    ) -> None:
        self.coordinates, self.polynomial, self.shape = coordinates, polynomial, shape
        self.inputs = coordinates.stretch.reads
        self.outputs = (coordinates.stretch.made,)
        self.name = f"surrogate of {coordinates.stretch.made}"

    def value(self, values: Values) -> Named:
        """Return the quantity; raises `OutOfLimits` if something scaled is not positive."""
        made, _ = self.flat(self.coordinates.flat(values))
        return {self.outputs[0]: made.reshape(self.shape)}

    def linearize(self, values: Values) -> tuple[Named, Linearization]:
        """Return the quantity and its derivative."""
        made, slope = self.flat(self.coordinates.flat(values))
        (output,), shapes = self.outputs, self.coordinates.shapes
        ends = np.cumsum([math.prod(shape) for shape in shapes.values()])
        parts = zip(shapes.items(), np.split(slope, ends[:-1]), strict=True)
        blocks = {(output, name): rows.T.reshape(self.shape + shape) for (name, shape), rows in parts}
        return {output: made.reshape(self.shape)}, MatrixLinearization(blocks, shapes, {output: self.shape})

    def flat(self, read: Array) -> tuple[Array, Array]:
        """Return the flattened quantity ``(m,)`` and its derivative ``(n, m)`` at what is read ``(n,)``.

        Raises
        ------
        OutOfLimits
            If something scaled is not positive.
        """
        kinds, rows = self.coordinates.kinds, self.coordinates.rows
        both = evaluate(read, rows, kinds, self.coordinates.stretch.degree, *self.polynomial.arrays)
        if not all_finite(both[0]):
            given = dict(zip(self.inputs, read, strict=False))
            raise OutOfLimits(self.name, given, "what scales is not positive, or nothing finite is read")
        return both[0], both[1:]
