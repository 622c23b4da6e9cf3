"""Sampler coordinates: every unknown as a number without bounds and of order one under its prior.

A sampler moves z, a person reads x. The formulas are written once and run with NumPy or with PyTensor: that
is the argument `xp`. Where a prior's arguments are names (a hierarchy), standardising makes the child's
coordinate independent of its parents a priori, which is the non-centred form: x = mean + sd z.

Source: O. Papaspiliopoulos, G. O. Roberts, M. Sköld, A general framework for the parametrization of
hierarchical models, Statistical Science 22 (2007) 59-73, doi:10.1214/088342307000000014.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike

from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Named, Values
from mscale_uq.infer.target import Target
from mscale_uq.stats import priors
from mscale_uq.stats.prior import Prior


class Coordinate(ABC):
    """A monotone map between x and z, with two arguments that follow from the prior's."""

    @abstractmethod
    def forward(self, xp: Any, x: Any, a: Any, b: Any) -> Any:
        """Return z."""

    @abstractmethod
    def backward(self, xp: Any, z: Any, a: Any, b: Any) -> Any:
        """Return x."""

    @abstractmethod
    def log_slope(self, xp: Any, z: Any, a: Any, b: Any) -> Any:
        """Return log(dx/dz), shaped like z."""


@final
class Standard(Coordinate):
    """x = a + b z."""

    def forward(self, xp: Any, x: Any, a: Any, b: Any) -> Any:
        """Subtract the location, divide by the scale."""
        return (x - a) / b

    def backward(self, xp: Any, z: Any, a: Any, b: Any) -> Any:
        """Multiply by the scale, add the location."""
        return a + b * z

    def log_slope(self, xp: Any, z: Any, a: Any, b: Any) -> Any:
        """Log of the scale."""
        return xp.log(b) + 0.0 * z


@final
class LogStandard(Coordinate):
    """log x = a + b z."""

    def forward(self, xp: Any, x: Any, a: Any, b: Any) -> Any:
        """Standardise the logarithm."""
        return (xp.log(x) - a) / b

    def backward(self, xp: Any, z: Any, a: Any, b: Any) -> Any:
        """Exponentiate."""
        return xp.exp(a + b * z)

    def log_slope(self, xp: Any, z: Any, a: Any, b: Any) -> Any:
        """Log of b x."""
        return xp.log(b) + a + b * z


@final
class Interval(Coordinate):
    """x = a + (b - a) / (1 + exp(-z))."""

    def forward(self, xp: Any, x: Any, a: Any, b: Any) -> Any:
        """Log of the odds."""
        return xp.log(x - a) - xp.log(b - x)

    def backward(self, xp: Any, z: Any, a: Any, b: Any) -> Any:
        """Logistic curve between the ends."""
        return a + (b - a) / (1.0 + xp.exp(-z))

    def log_slope(self, xp: Any, z: Any, a: Any, b: Any) -> Any:
        """Even in z, so written with its absolute value, which cannot overflow."""
        return xp.log(b - a) - abs(z) - 2.0 * xp.log1p(xp.exp(-abs(z)))


@final
class LogInterval(Coordinate):
    """log x = log a + (log b - log a) / (1 + exp(-z))."""

    def forward(self, xp: Any, x: Any, a: Any, b: Any) -> Any:
        """Log of the odds of log x."""
        return Interval().forward(xp, xp.log(x), xp.log(a), xp.log(b))

    def backward(self, xp: Any, z: Any, a: Any, b: Any) -> Any:
        """Logistic curve of log x."""
        return xp.exp(Interval().backward(xp, z, xp.log(a), xp.log(b)))

    def log_slope(self, xp: Any, z: Any, a: Any, b: Any) -> Any:
        """Log of x d(log x)/dz."""
        ends = xp.log(a), xp.log(b)
        return Interval().backward(xp, z, *ends) + Interval().log_slope(xp, z, *ends)


def _last_two(xp: Any, *arguments: Any) -> tuple[Any, Any]:  # noqa: ARG001
    return arguments[-2], arguments[-1]


def _scale(xp: Any, scale: Any) -> tuple[Any, Any]:
    return xp.log(scale), xp.ones_like(scale)


def _rate(xp: Any, rate: Any) -> tuple[Any, Any]:
    return -xp.log(rate), xp.ones_like(rate)


def _mean(xp: Any, alpha: Any, beta: Any) -> tuple[Any, Any]:
    return xp.log(alpha / beta), xp.ones_like(alpha)


def _fraction(xp: Any, alpha: Any, beta: Any) -> tuple[Any, Any]:
    return xp.zeros_like(alpha), xp.ones_like(beta)


# Family -> its coordinate, and how the coordinate's two arguments follow from the prior's.
COORDINATES: dict[type[Prior], tuple[Coordinate, Callable[..., tuple[Any, Any]]]] = {
    priors.Normal: (Standard(), _last_two),
    priors.LogNormal: (LogStandard(), _last_two),
    priors.HalfNormal: (LogStandard(), _scale),
    priors.Exponential: (LogStandard(), _rate),
    priors.Gamma: (LogStandard(), _mean),
    priors.Beta: (Interval(), _fraction),
    priors.Uniform: (Interval(), _last_two),
    priors.TruncatedNormal: (Interval(), _last_two),
    priors.LogUniform: (LogInterval(), _last_two),
}


def to_sampler(target: Target, theta: ArrayLike) -> Array:
    """Return the sampler's coordinates z ``(n,)`` of theta ``(n,)``, in the same order."""
    values = target.split(theta)
    return target.pack(
        {name: _map(prior, values, "forward", values[name]) for name, prior in target.priors.items()}
    )


def to_physical(target: Target, z: ArrayLike) -> Array:
    """Return theta ``(n,)`` at the sampler's coordinates ``(n,)``; far out, entries overflow to inf."""
    standard = target.split(z)
    values: Named = {}
    with np.errstate(all="ignore"):
        for name, prior in target.priors.items():
            values[name] = _map(prior, values, "backward", standard[name])
    return target.pack(values)


def _map(prior: Prior, values: Values, direction: str, point: Array) -> Array:
    coordinate, derive = COORDINATES[type(prior)]
    a, b = derive(np, *prior.resolve(values).values())
    return np.asarray(getattr(coordinate, direction)(np, point, a, b))
