"""`Coordinate`: a parameter as a filter moves it, without limits.

The parameter itself, its logarithm if it has one limit, its logit between two.
"""

from dataclasses import dataclass
from typing import final

import numpy as np

from mscale_uq.core.parameter import Array, Parameter
from mscale_uq.errors import ParameterError, explain


@final
@dataclass(frozen=True)
class Coordinate:
    """The unlimited coordinate u of a parameter theta with its limits."""

    parameter: Parameter

    @property
    def name(self) -> str:
        """Name of u: that of the parameter, with ``log_`` or ``logit_`` before it if transformed."""
        return {0: "", 1: "log_", 2: "logit_"}[self._limits] + self.parameter.name

    def forward(self, theta: Array) -> Array:
        """Return u.

        Raises
        ------
        ParameterError
            If theta lies outside the limits.
        """
        p = self.parameter
        if not p.inside(theta):
            raise ParameterError(explain(f"{p.name} = {theta}", f"inside ({p.lower:g}, {p.upper:g})"))
        if self._limits == 2:
            return np.log((theta - p.lower) / (p.upper - theta))
        if self._limits == 1:
            return np.log(theta - p.lower if np.isfinite(p.lower) else p.upper - theta)
        return np.asarray(theta, dtype=float)

    def backward(self, u: Array) -> Array:
        """Return theta."""
        p = self.parameter
        if self._limits == 2:
            return p.lower + (p.upper - p.lower) / (1 + np.exp(-u))
        if self._limits == 1:
            return p.lower + np.exp(u) if np.isfinite(p.lower) else p.upper - np.exp(u)
        return np.asarray(u, dtype=float)

    def slope(self, u: Array) -> Array:
        """Return d theta / d u."""
        p = self.parameter
        if self._limits == 2:
            share = 1 / (1 + np.exp(-u))
            return (p.upper - p.lower) * share * (1 - share)
        if self._limits == 1:
            return np.exp(u) if np.isfinite(p.lower) else -np.exp(u)
        return np.ones_like(u)

    @property
    def _limits(self) -> int:
        return int(np.isfinite(self.parameter.lower)) + int(np.isfinite(self.parameter.upper))
