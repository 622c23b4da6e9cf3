"""Conductivity of every element from the share s of an inclusion in it; s is between 0 and 1 where cut.

At the rim of an inclusion that conducts better than the matrix the gradient points mostly across the
interface: in a cut element the phases lie in series, and the harmonic mean by area is the good one. At the
rim of a worse conductor the flux runs along the interface, the phases lie in parallel, and it is the
arithmetic mean (the same statement by Keller's duality):

    k_i >= k_m:   1/k = s/k_i + (1 - s)/k_m          k_i < k_m:   k = s k_i + (1 - s) k_m

Both have the same value and first derivatives at k_i = k_m, so the switch is continuously differentiable.

Either way a cut element is wrong by something of its own size, and the effective tensor converges with order
one at least: observed between 16 and 128 elements a side, for square and hexagonal arrays of disks with
f = 0.3 and 0.5, are orders 1.2 to 2.6 at contrast 10 and 1.1 to 1.25 at contrast 1/10.
"""

from dataclasses import dataclass
from typing import final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Linearization, Named, Stage, Values
from mscale_uq.errors import OutOfLimits


@final
class PhaseMixture(Stage):
    """Conductivity ``(n1, n2)`` of a grid whose elements hold a matrix and a share of an inclusion.

    Parameters
    ----------
    share
        Name of the shares s ``(n1, n2)``, in [0, 1].
    inclusion, matrix
        Names of the phases' conductivities k_i, k_m ``()``, in the unit of the result.
    conductivity
        Name made, ``(n1, n2)``.
    name
        What failures call the stage.

    Raises
    ------
    OutOfLimits
        If a phase's conductivity is not positive.
    """

    def __init__(
        self,
        share: str = "share",
        inclusion: str = "k_inclusion",
        matrix: str = "k_matrix",
        conductivity: str = "k",
        name: str = "phase mixture",
    ) -> None:
        self.inputs = (share, inclusion, matrix)
        self.outputs = (conductivity,)
        self.name = name

    def value(self, values: Values) -> Named:
        """Return the conductivity of every element."""
        return {self.outputs[0]: _mixed(*self._read(values))}

    def linearize(self, values: Values) -> tuple[Named, Linearization]:
        """Return the conductivity and its derivative, element by element."""
        read = self._read(values)
        k = _mixed(*read)
        return {self.outputs[0]: k}, MixtureLinearization(self.inputs, self.outputs[0], _slopes(k, *read))

    def _read(self, values: Values) -> tuple[Array, float, float]:
        share, inclusion, matrix = (np.asarray(values[name], dtype=float) for name in self.inputs)
        if not (inclusion > 0.0 and matrix > 0.0):
            raise OutOfLimits(self.name, values, "a phase's conductivity is not positive")
        return share, float(inclusion), float(matrix)


def _mixed(share: Array, inclusion: float, matrix: float) -> Array:
    if inclusion < matrix:
        return share * inclusion + (1.0 - share) * matrix
    return 1.0 / (share / inclusion + (1.0 - share) / matrix)


def _slopes(k: Array, share: Array, inclusion: float, matrix: float) -> tuple[Array, Array, Array]:
    """Return the derivatives of k to share, inclusion and matrix, ``(n1, n2)`` each."""
    if inclusion < matrix:
        return np.full_like(k, inclusion - matrix), share, 1.0 - share
    return (
        k**2 * (1.0 / matrix - 1.0 / inclusion),
        k**2 * share / inclusion**2,
        k**2 * (1.0 - share) / matrix**2,
    )


@final
@dataclass(frozen=True)
class MixtureLinearization(Linearization):
    """Derivative of the mixture: three numbers per element, to share, inclusion and matrix."""

    inputs: tuple[str, ...]
    output: str
    slopes: tuple[Array, Array, Array]

    def jvp(self, tangents: Values) -> Named:
        """Carry changes of shares and phases to the conductivity."""
        change = np.zeros(self.slopes[0].shape)
        for name, slope in zip(self.inputs, self.slopes, strict=True):
            if name in tangents:
                change += slope * tangents[name]
        return {self.output: change}

    def vjp(self, cotangents: Values) -> Named:
        """Carry sensitivities back to shares and phases."""
        weight = cotangents.get(self.output, np.zeros(self.slopes[0].shape))
        share, *phases = (slope * weight for slope in self.slopes)
        return dict(zip(self.inputs, (share, *(np.asarray(part.sum()) for part in phases)), strict=True))
