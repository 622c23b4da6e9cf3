"""`Patches`: a coefficient that is constant on patches of a mesh, as one value per element."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Linearization, Named, Stage, Values
from mscale_uq.errors import InputError, explain


@final
class Patches(Stage):
    """Gives every element the value of its patch: ``shape`` to ``(elements,)``, in the same unit.

    Parameters
    ----------
    patch
        Number of each element's patch ``(elements,)``, counted through the array of patches row by row.
    shape
        Of the array of patches.
    patches, elements
        Name read and name made.

    Raises
    ------
    InputError
        If an element lies in a patch that does not exist.
    """

    def __init__(self, patch: ArrayLike, shape: tuple[int, ...], patches: str, elements: str) -> None:
        self.patch = np.asarray(patch, dtype=int)
        self.shape = shape
        count = int(np.prod(shape))
        if self.patch.min() < 0 or self.patch.max() >= count:
            given = f"patches {self.patch.min()} to {self.patch.max()}"
            raise InputError(explain(given, f"0 to {count - 1} of an array of shape {shape}"))
        self.name = f"{elements} (patches)"
        self.inputs, self.outputs = (patches,), (elements,)

    def value(self, values: Values) -> Named:
        """Return the value of every element."""
        return {self.outputs[0]: np.ravel(values[self.inputs[0]])[self.patch]}

    def linearize(self, values: Values) -> tuple[Named, Linearization]:
        """Return the values; the derivative hands changes out and collects sensitivities."""
        return self.value(values), PatchLinearization(self)

    def collect(self, weights: Array) -> Array:
        """Return the sum of the elements' weights over every patch, of `shape`."""
        total = np.zeros(int(np.prod(self.shape)))
        np.add.at(total, self.patch, weights)
        return total.reshape(self.shape)


@final
@dataclass(frozen=True)
class PatchLinearization(Linearization):
    """Derivative of `Patches`, which is linear."""

    stage: Patches

    def jvp(self, tangents: Mapping[str, Array]) -> Named:
        """Hand changes of the patches to their elements."""
        return self.stage.value(tangents)

    def vjp(self, cotangents: Mapping[str, Array]) -> Named:
        """Collect sensitivities of the elements over their patches."""
        return {self.stage.inputs[0]: self.stage.collect(cotangents[self.stage.outputs[0]])}
