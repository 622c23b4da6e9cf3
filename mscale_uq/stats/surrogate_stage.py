"""A polynomial in the place of stages: the same names read and made, a thousandth of the work."""

from dataclasses import dataclass
from typing import final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Linearization, Named, Stage, Values
from mscale_uq.solve.product_polynomial import ProductPolynomial
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
        place = self.coordinates.place(values)
        return self._made(self.polynomial(place.x)[0], place.log_scale)

    def linearize(self, values: Values) -> tuple[Named, Linearization]:
        """Return the quantity and its derivative."""
        place = self.coordinates.place(values)
        degree, made = self.coordinates.stretch.degree, self.polynomial(place.x)
        factor = np.exp(degree * place.log_scale)
        slope = place.slope.T @ made[1:]
        if self.coordinates.stretch.scaled:
            slope += np.outer(degree * place.log_slope, made[0])
        shapes = {name: np.shape(values[name]) for name in self.inputs}
        return self._made(made[0], place.log_scale), _Slope(self, factor * slope, shapes)

    def _made(self, flat: Array, log_scale: float) -> Named:
        factor = np.exp(self.coordinates.stretch.degree * log_scale)
        return {self.outputs[0]: (factor * flat).reshape(self.shape)}


@final
@dataclass(frozen=True)
class _Slope(Linearization):
    """The matrix `slope` ``(n, m)`` from flattened reads to the flattened quantity."""

    stage: SurrogateStage
    slope: Array
    shapes: dict[str, tuple[int, ...]]

    def jvp(self, tangents: Values) -> Named:
        """Carry changes of what is read to the quantity."""
        parts = [np.ravel(tangents.get(name, np.zeros(shape))) for name, shape in self.shapes.items()]
        return {self.stage.outputs[0]: (np.concatenate(parts) @ self.slope).reshape(self.stage.shape)}

    def vjp(self, cotangents: Values) -> Named:
        """Carry sensitivities of the quantity back to what is read."""
        flat, start, back = self.slope @ np.ravel(cotangents[self.stage.outputs[0]]), 0, {}
        for name, shape in self.shapes.items():
            stop = start + int(np.prod(shape))
            back[name] = flat[start:stop].reshape(shape)
            start = stop
        return back
