"""Parameters as numbers without bounds, so that a linear update cannot leave the physical limits.

A lower limit alone: log(x - lower); an upper alone: -log(upper - x); both: the logit between them; none: x.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.special import expit, logit

from mscale_uq.core.lazy import lazy
from mscale_uq.core.parameter import Array, Parameter
from mscale_uq.errors import ParameterError, explain


@final
@dataclass(frozen=True)
class Free:
    """The map of a parameter vector ``(..., p)`` to free numbers and back, entry by entry.

    Attributes
    ----------
    names
        One per entry.
    lower, upper
        ``(p,)`` limits, infinite where there are none.
    """

    names: tuple[str, ...]
    lower: Array
    upper: Array

    @classmethod
    def of(cls, parameters: Sequence[Parameter]) -> "Free":
        """Return the map for the vector of these parameters, flattened in order."""
        names = tuple(p.name for p in parameters for _ in range(p.size))
        lower = np.array([p.lower for p in parameters for _ in range(p.size)], dtype=float)
        upper = np.array([p.upper for p in parameters for _ in range(p.size)], dtype=float)
        return cls(names, lower, upper)

    def forward(self, theta: Array) -> Array:
        """Return free numbers.

        Raises
        ------
        ParameterError
            If an entry does not lie inside its limits.
        """
        theta = np.asarray(theta, dtype=float)
        inside = (theta > self.lower) & (theta < self.upper)
        if not inside.all():
            name = self.names[int(np.argwhere(~inside)[0][-1])]
            entry = self.names.index(name)
            allowed = f"({self.lower[entry]:g}, {self.upper[entry]:g})"
            raise ParameterError(explain(f"{name!r}: a member outside its limits", allowed))
        free = theta.copy()
        below, above, between = self._kinds
        free[..., below] = np.log(theta[..., below] - self.lower[below])
        free[..., above] = -np.log(self.upper[above] - theta[..., above])
        share = (theta - self.lower)[..., between] / (self.upper - self.lower)[between]
        free[..., between] = logit(share)
        return free

    def backward(self, free: Array) -> Array:
        """Return the parameters."""
        theta = np.array(free, dtype=float)
        below, above, between = self._kinds
        theta[..., below] = self.lower[below] + np.exp(theta[..., below])
        theta[..., above] = self.upper[above] - np.exp(-theta[..., above])
        width = (self.upper - self.lower)[between]
        theta[..., between] = self.lower[between] + width * expit(theta[..., between])
        return theta

    def slope(self, free: Array) -> Array:
        """Return the derivative of each parameter to its free number."""
        theta, slope = self.backward(free), np.ones_like(np.asarray(free, dtype=float))
        below, above, between = self._kinds
        slope[..., below] = (theta - self.lower)[..., below]
        slope[..., above] = (self.upper - theta)[..., above]
        from_below, from_above = (theta - self.lower)[..., between], (self.upper - theta)[..., between]
        slope[..., between] = from_below * from_above / (self.upper - self.lower)[between]
        return slope

    @lazy
    def _kinds(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        low, high = np.isfinite(self.lower), np.isfinite(self.upper)
        return low & ~high, high & ~low, low & high
