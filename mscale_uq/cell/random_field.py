"""`KarhunenLoeve`: a smooth random field on the elements of a square, from a few standard normal numbers."""

from typing import final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Linearization, MatrixLinearization, Named, Stage, Values
from mscale_uq.errors import ParameterError, explain


@final
class KarhunenLoeve(Stage):
    """field = mean + sum over k of xi_k sqrt(lambda_k) phi_k, at the centres of a square's elements.

    lambda and phi are eigenvalues and eigenvectors of the covariance exp(-r^2 / (2 length^2)) between the
    centres, the largest first; equal ones are ordered by their waves along x, and every one-dimensional
    eigenvector begins with a positive entry, so that the field is the same everywhere.

    Parameters
    ----------
    elements
        Along either side.
    modes
        How many are kept.
    length
        Correlation length, in sides of the square.
    mean, coefficients, field
        Names read, a number and ``(modes,)``, and name made ``(elements^2,)``, x running slowly.

    Raises
    ------
    ParameterError
        If there are more modes than elements, or the length is not positive.
    """

    name = "random field"

    def __init__(
        self,
        elements: int,
        modes: int,
        length: float,
        mean: str = "mean",
        coefficients: str = "xi",
        field: str = "field",
    ) -> None:
        if not (0 < modes <= elements**2 and length > 0):
            raise ParameterError(
                explain(f"{modes} modes of length {length}", f"1 to {elements**2}, positive")
            )
        self.shape = (elements**2,)
        self.inputs, self.outputs = (mean, coefficients), (field,)
        self.modes = _modes(elements, modes, length)

    def value(self, values: Values) -> Named:
        """Return the field."""
        mean, xi = (values[name] for name in self.inputs)
        return {self.outputs[0]: mean + self.modes @ xi}

    def linearize(self, values: Values) -> tuple[Named, Linearization]:
        """Return the field and its derivative, which is constant."""
        (mean, xi), (made,) = self.inputs, self.outputs
        blocks = {(made, mean): np.ones(self.shape), (made, xi): self.modes}
        shapes = {mean: (), xi: self.modes.shape[1:]}
        return self.value(values), MatrixLinearization(blocks, shapes, {made: self.shape})


def _modes(elements: int, modes: int, length: float) -> Array:
    """Return sqrt(lambda) phi, ``(elements^2, modes)``."""
    centres = (np.arange(elements) + 0.5) / elements
    covariance = np.exp(-0.5 * ((centres[:, None] - centres) / length) ** 2)
    values, vectors = (part[..., ::-1] for part in np.linalg.eigh(covariance))
    vectors = vectors * np.sign(vectors[0])
    pairs = [(i, j) for i in range(elements) for j in range(elements)]
    pairs.sort(key=lambda pair: (-round(float(values[pair[0]] * values[pair[1]]), 9), pair))
    kept = [(np.sqrt(max(values[i] * values[j], 0.0)), i, j) for i, j in pairs[:modes]]
    return np.stack([root * np.outer(vectors[:, i], vectors[:, j]).ravel() for root, i, j in kept], axis=1)
