"""`Coordinate`: a parameter as a state variable without limits."""

from dataclasses import dataclass
from typing import final

import numpy as np

from mscale_uq.core.lazy import lazy
from mscale_uq.core.parameter import Array, Parameter
from mscale_uq.filters.free import Free


@final
@dataclass(frozen=True)
class Coordinate:
    """The free number u of a parameter theta: itself, its logarithm, or its logit, as its limits demand."""

    parameter: Parameter

    @property
    def name(self) -> str:
        """Name of u: that of the parameter, with ``log_`` or ``logit_`` before it if transformed."""
        limits = int(np.isfinite(self.parameter.lower)) + int(np.isfinite(self.parameter.upper))
        return ("", "log_", "logit_")[limits] + self.parameter.name

    def forward(self, theta: Array) -> Array:
        """Return u ``(*shape)``; raises ParameterError if theta lies outside the limits."""
        return self._free.forward(np.ravel(theta)).reshape(self.parameter.shape)

    def backward(self, u: Array) -> Array:
        """Return theta for u ``(..., *shape)``."""
        return self._free.backward(self._flat(u)).reshape(np.shape(u))

    def slope(self, u: Array) -> Array:
        """Return d theta / d u for u ``(..., *shape)``."""
        return self._free.slope(self._flat(u)).reshape(np.shape(u))

    def _flat(self, u: Array) -> Array:
        return np.reshape(u, (-1, self.parameter.size))

    @lazy
    def _free(self) -> Free:
        return Free.of((self.parameter,))
