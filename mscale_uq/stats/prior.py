"""`Prior`: what every family of prior distributions is and does.

An argument is a number, or the name of another unknown: that is a hierarchy. Densities are in the
parameter's own physical coordinates; no Jacobian is hidden inside. Derivatives come from the complex step.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, ClassVar

import numpy as np

from mscale_uq.core.lazy import lazy
from mscale_uq.core.parameter import Array
from mscale_uq.errors import ParameterError, explain

Argument = float | str
STEP = 1e-40


class Prior(ABC):
    """A distribution of one unknown, of any shape, its entries independent given the arguments.

    Attributes
    ----------
    family
        The name a case file uses.
    positive
        Names of arguments that must be positive.
    """

    family: ClassVar[str]
    positive: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        for name, value in self.arguments.items():
            if isinstance(value, str):
                continue
            if not np.isfinite(value) or (name in self.positive and value <= 0):
                kind = "a positive number" if name in self.positive else "a finite number"
                raise ParameterError(explain(f"{self.family} prior: {name} = {value}", kind))

    @lazy
    def arguments(self) -> dict[str, Argument]:
        """Argument names and what they were given: numbers, or names of other unknowns."""
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]

    @lazy
    def parents(self) -> tuple[str, ...]:
        """Names of the unknowns this prior depends on."""
        return tuple(value for value in self.arguments.values() if isinstance(value, str))

    @property
    def support(self) -> tuple[float, float]:
        """The interval, open, outside which the density is zero."""
        return -np.inf, np.inf

    @abstractmethod
    def density(self, x: Any, *args: Any, **arguments: Any) -> Any:
        """Log-density of each entry, analytic in x and in the arguments."""

    @abstractmethod
    def frozen(self, *args: Any, **arguments: Any) -> Any:
        """The same distribution as a frozen scipy one, for quantiles, masses and samples."""

    def resolve(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments as numbers, names looked up in `values`."""
        if not self.parents:
            return self.arguments
        return {
            name: np.asarray(values[value], dtype=float) if isinstance(value, str) else value
            for name, value in self.arguments.items()
        }

    def logpdf(self, x: Array, values: Mapping[str, Any] | None = None) -> float:
        """Return the log-density of all entries; -inf outside the support."""
        low, high = self.support
        x = np.asarray(x, dtype=float)
        if not ((x > low) & (x < high)).all():
            return -np.inf
        arguments = self.resolve(values or {})
        if self.parents and any(np.any(arguments[name] <= 0) for name in self.positive):
            return -np.inf
        return float(np.sum(self.density(x, **arguments)))

    def gradient(self, x: Array, values: Mapping[str, Any] | None = None) -> tuple[Array, dict[str, float]]:
        """Return the derivative of `logpdf` to x (shaped like it) and to each parent's value."""
        arguments = self.resolve(values or {})
        x = np.asarray(x, dtype=float)
        step = STEP * np.where(x == 0, 1.0, np.abs(x))
        slope = np.imag(self.density(x + 1j * step, **arguments)) / step
        return np.broadcast_to(slope, x.shape), {
            parent: self._argument_slope(x, arguments, name)
            for name, parent in self.arguments.items()
            if isinstance(parent, str)
        }

    def sample(
        self, rng: np.random.Generator, shape: tuple[int, ...] = (), values: Mapping[str, Any] | None = None
    ) -> Array:
        """Draw an array of the given shape."""
        law = self.frozen(**self.resolve(values or {})) if self.parents else self._law
        return np.asarray(law.rvs(size=shape, random_state=rng), dtype=float)

    def mass_outside(self, lower: float, upper: float) -> float:
        """Return the prior mass below `lower` and above `upper`; with parents, whether there can be any."""
        low, high = self.support
        if low >= lower and high <= upper:
            return 0.0
        if self.parents:
            return 1.0
        return float(self._law.cdf(lower) + self._law.sf(upper))

    @lazy
    def _law(self) -> Any:
        """The scipy law of a prior without parents: building one takes a hundred times as long as a draw."""
        return self.frozen(**self.arguments)

    def _argument_slope(self, x: Array, arguments: dict[str, Any], name: str) -> float:
        step = STEP * (abs(float(arguments[name])) or 1.0)
        moved = {**arguments, name: arguments[name] + 1j * step}
        return float(np.imag(np.sum(np.broadcast_to(self.density(x, **moved), x.shape))) / step)
