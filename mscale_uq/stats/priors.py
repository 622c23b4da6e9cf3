"""Prior distributions: one frozen dataclass per family, its log-density written once.

An argument is a number, or the name of another unknown: that is a hierarchy. Densities are in the
parameter's own physical coordinates; no Jacobian is hidden inside. Derivatives come from the complex step.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, final

import numpy as np
from scipy import special, stats

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

    @property
    def arguments(self) -> dict[str, Argument]:
        """Argument names and what they were given: numbers, or names of other unknowns."""
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]

    @property
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
        return {
            name: np.asarray(values[value], dtype=float) if isinstance(value, str) else value
            for name, value in self.arguments.items()
        }

    def logpdf(self, x: Array, values: Mapping[str, Any] | None = None) -> float:
        """Return the log-density of all entries; -inf outside the support."""
        low, high = self.support
        if not np.all((x > low) & (x < high)):
            return -np.inf
        arguments = self.resolve(values or {})
        if any(np.any(arguments[name] <= 0) for name in self.positive):
            return -np.inf
        return float(np.sum(self.density(np.asarray(x, dtype=float), **arguments)))

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
        return np.asarray(
            self.frozen(**self.resolve(values or {})).rvs(size=shape, random_state=rng), dtype=float
        )

    def mass_outside(self, lower: float, upper: float) -> float:
        """Return the prior mass below `lower` and above `upper`; with parents, whether there can be any."""
        low, high = self.support
        if low >= lower and high <= upper:
            return 0.0
        if self.parents:
            return 1.0
        law = self.frozen(**self.resolve({}))
        return float(law.cdf(lower) + law.sf(upper))

    def _argument_slope(self, x: Array, arguments: dict[str, Any], name: str) -> float:
        step = STEP * (abs(float(arguments[name])) or 1.0)
        moved = {**arguments, name: arguments[name] + 1j * step}
        return float(np.imag(np.sum(np.broadcast_to(self.density(x, **moved), x.shape))) / step)


@final
@dataclass(frozen=True)
class Normal(Prior):
    """Normal with mean and standard deviation."""

    mean: Argument
    sd: Argument
    family = "normal"
    positive = ("sd",)

    def density(self, x: Any, mean: Any, sd: Any) -> Any:
        """Log of the normal density."""
        return -0.5 * ((x - mean) / sd) ** 2 - np.log(sd) - 0.5 * np.log(2 * np.pi)

    def frozen(self, mean: float, sd: float) -> Any:
        """Scipy's normal."""
        return stats.norm(mean, sd)


@final
@dataclass(frozen=True)
class LogNormal(Prior):
    """The logarithm is normal with mean `mu` and standard deviation `sigma`."""

    mu: Argument
    sigma: Argument
    family = "lognormal"
    positive = ("sigma",)

    @property
    def support(self) -> tuple[float, float]:
        """Positive numbers."""
        return 0.0, np.inf

    def density(self, x: Any, mu: Any, sigma: Any) -> Any:
        """Log of the lognormal density."""
        return -0.5 * ((np.log(x) - mu) / sigma) ** 2 - np.log(sigma) - np.log(x) - 0.5 * np.log(2 * np.pi)

    def frozen(self, mu: float, sigma: float) -> Any:
        """Scipy's lognormal."""
        return stats.lognorm(s=sigma, scale=np.exp(mu))


@final
@dataclass(frozen=True)
class HalfNormal(Prior):
    """Absolute value of a normal with mean zero and standard deviation `sd`."""

    sd: Argument
    family = "halfnormal"
    positive = ("sd",)

    @property
    def support(self) -> tuple[float, float]:
        """Positive numbers."""
        return 0.0, np.inf

    def density(self, x: Any, sd: Any) -> Any:
        """Log of the half-normal density."""
        return -0.5 * (x / sd) ** 2 - np.log(sd) + 0.5 * np.log(2 / np.pi)

    def frozen(self, sd: float) -> Any:
        """Scipy's half-normal."""
        return stats.halfnorm(scale=sd)


@final
@dataclass(frozen=True)
class Exponential(Prior):
    """Exponential with the given rate."""

    rate: Argument
    family = "exponential"
    positive = ("rate",)

    @property
    def support(self) -> tuple[float, float]:
        """Positive numbers."""
        return 0.0, np.inf

    def density(self, x: Any, rate: Any) -> Any:
        """Log of the exponential density."""
        return np.log(rate) - rate * x

    def frozen(self, rate: float) -> Any:
        """Scipy's exponential."""
        return stats.expon(scale=1 / rate)


@final
@dataclass(frozen=True)
class Gamma(Prior):
    """Gamma with shape `alpha` and rate `beta`."""

    alpha: Argument
    beta: Argument
    family = "gamma"
    positive = ("alpha", "beta")

    @property
    def support(self) -> tuple[float, float]:
        """Positive numbers."""
        return 0.0, np.inf

    def density(self, x: Any, alpha: Any, beta: Any) -> Any:
        """Log of the gamma density."""
        return alpha * np.log(beta) - special.loggamma(alpha) + (alpha - 1) * np.log(x) - beta * x

    def frozen(self, alpha: float, beta: float) -> Any:
        """Scipy's gamma."""
        return stats.gamma(alpha, scale=1 / beta)


@final
@dataclass(frozen=True)
class Beta(Prior):
    """Beta on (0, 1) with shapes `alpha` and `beta`."""

    alpha: Argument
    beta: Argument
    family = "beta"
    positive = ("alpha", "beta")

    @property
    def support(self) -> tuple[float, float]:
        """Fractions."""
        return 0.0, 1.0

    def density(self, x: Any, alpha: Any, beta: Any) -> Any:
        """Log of the beta density."""
        log_beta = special.loggamma(alpha) + special.loggamma(beta) - special.loggamma(alpha + beta)
        return (alpha - 1) * np.log(x) + (beta - 1) * np.log(1 - x) - log_beta

    def frozen(self, alpha: float, beta: float) -> Any:
        """Scipy's beta."""
        return stats.beta(alpha, beta)


class Bounded(Prior):
    """Families between two numbers, which cannot be names."""

    lower: float
    upper: float

    def __post_init__(self) -> None:
        if self.parents or not -np.inf < self.lower < self.upper < np.inf:
            raise ParameterError(
                explain(
                    f"{self.family} prior between {self.lower} and {self.upper}", "two numbers, lower < upper"
                )
            )
        super().__post_init__()

    @property
    def support(self) -> tuple[float, float]:
        """The interval."""
        return self.lower, self.upper


@final
@dataclass(frozen=True)
class Uniform(Bounded):
    """Uniform between two numbers."""

    lower: float
    upper: float
    family = "uniform"

    def density(self, x: Any, lower: float, upper: float) -> Any:
        """Log of a constant."""
        return 0.0 * x - np.log(upper - lower)

    def frozen(self, lower: float, upper: float) -> Any:
        """Scipy's uniform."""
        return stats.uniform(lower, upper - lower)


@final
@dataclass(frozen=True)
class LogUniform(Bounded):
    """The logarithm is uniform between the logarithms of two positive numbers."""

    lower: float
    upper: float
    family = "loguniform"
    positive = ("lower", "upper")

    def density(self, x: Any, lower: float, upper: float) -> Any:
        """Log of 1 / (x log(upper / lower))."""
        return -np.log(x) - np.log(np.log(upper / lower))

    def frozen(self, lower: float, upper: float) -> Any:
        """Scipy's log-uniform."""
        return stats.loguniform(lower, upper)


@final
@dataclass(frozen=True)
class TruncatedNormal(Bounded):
    """Normal with mean and standard deviation, cut to an interval; all four are numbers."""

    mean: float
    sd: float
    lower: float
    upper: float
    family = "truncated_normal"
    positive = ("sd",)

    def density(self, x: Any, mean: float, sd: float, lower: float, upper: float) -> Any:
        """Log of the normal density over the mass of the interval."""
        mass = special.ndtr((upper - mean) / sd) - special.ndtr((lower - mean) / sd)
        return -0.5 * ((x - mean) / sd) ** 2 - np.log(sd) - 0.5 * np.log(2 * np.pi) - np.log(mass)

    def frozen(self, mean: float, sd: float, lower: float, upper: float) -> Any:
        """Scipy's truncated normal."""
        return stats.truncnorm((lower - mean) / sd, (upper - mean) / sd, mean, sd)


FAMILIES: dict[str, type[Prior]] = {
    family.family: family
    for family in (
        Normal, LogNormal, HalfNormal, Exponential, Gamma, Beta, Uniform, LogUniform, TruncatedNormal,
    )
}  # fmt: skip
