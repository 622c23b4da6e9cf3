"""Prior distributions: one frozen dataclass per family, its log-density written once.

Every argument is a number or the name of another unknown, unless the family says otherwise.
"""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import scipy  # whose `stats`, which takes a second to import, comes with the first draw
from scipy import special

from mscale_uq.errors import ParameterError, explain
from mscale_uq.stats.prior import Argument, Prior


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
        return scipy.stats.norm(mean, sd)


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
        return scipy.stats.lognorm(s=sigma, scale=np.exp(mu))


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
        return scipy.stats.halfnorm(scale=sd)


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
        return scipy.stats.expon(scale=1 / rate)


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
        return scipy.stats.gamma(alpha, scale=1 / beta)


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
        return scipy.stats.beta(alpha, beta)


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
        return scipy.stats.uniform(lower, upper - lower)


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
        return scipy.stats.loguniform(lower, upper)


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
        below, above = (lower - mean) / sd, (upper - mean) / sd
        if below > 0:  # in the upper tail the masses below both ends are one to round-off
            below, above = -above, -below
        log_above = special.log_ndtr(above)
        log_mass = log_above + np.log(-np.expm1(special.log_ndtr(below) - log_above))
        return -0.5 * ((x - mean) / sd) ** 2 - np.log(sd) - 0.5 * np.log(2 * np.pi) - log_mass

    def frozen(self, mean: float, sd: float, lower: float, upper: float) -> Any:
        """Scipy's truncated normal."""
        return scipy.stats.truncnorm((lower - mean) / sd, (upper - mean) / sd, mean, sd)


FAMILIES: dict[str, type[Prior]] = {
    family.family: family
    for family in (
        Normal, LogNormal, HalfNormal, Exponential, Gamma, Beta, Uniform, LogUniform, TruncatedNormal,
    )
}  # fmt: skip
