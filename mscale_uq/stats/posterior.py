"""`Posterior`: priors and experiments, as one log-density of all unknowns with its exact gradient."""

import math
from collections.abc import Mapping, Sequence
from typing import Protocol, final

import numpy as np
from numpy.typing import ArrayLike

from mscale_uq.core.lazy import lazy
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Named, Values
from mscale_uq.core.system import Scale
from mscale_uq.errors import ParameterError, explain, near_match
from mscale_uq.stats.experiment import Experiment, Shared
from mscale_uq.stats.prior import Prior


class LogDensity(Protocol):
    """What every sampler takes: a log-density of theta in physical coordinates, with its gradient."""

    @property
    def names(self) -> tuple[str, ...]:
        """One label per entry of theta."""

    def logpdf_gradient(self, theta: ArrayLike) -> tuple[float, Array]:
        """Return the log-density and its gradient ``(n,)``."""


@final
class Posterior:
    """All unknowns given all experiments.

    Parameters
    ----------
    priors
        Unknown -> prior, parents before children.
    experiments
        They share unknowns by name.
    shapes
        Shape of the unknowns that are arrays; the others are scalars.
    scale
        The parameter that scales the models' micro law, for samplers' coordinates; the density is the same.

    Raises
    ------
    ParameterError
        If an unknown has no prior, a prior no use, a parent is missing or not scalar, or a prior gives mass
        to values outside the physical limits of the parameter it is bound to.
    """

    def __init__(
        self,
        priors: Mapping[str, Prior],
        experiments: Sequence[Experiment],
        shapes: Mapping[str, tuple[int, ...]] | None = None,
        scale: Scale | None = None,
    ) -> None:
        self.scale = scale
        self.priors = dict(priors)
        self.experiments = tuple(experiments)
        self.variables = {name: (shapes or {}).get(name, ()) for name in self.priors}
        self._check_unknowns()
        self._check_parents()
        self._check_limits()

    def changed(
        self, experiments: Sequence[Experiment], priors: Mapping[str, Prior] | None = None
    ) -> "Posterior":
        """Return the posterior of other experiments on the same unknowns, or on some of them."""
        kept = self.priors if priors is None else priors
        return Posterior(kept, experiments, {name: self.variables[name] for name in kept}, self.scale)

    @lazy
    def names(self) -> tuple[str, ...]:
        """One label per entry of theta: ``a``, ``b[0]``, ``b[1]``, ..."""
        return tuple(label for name, shape in self.variables.items() for label in _labels(name, shape))

    @lazy
    def _places(self) -> list[tuple[str, slice, tuple[int, ...]]]:
        """Where each unknown stands in theta, and its shape."""
        places, start = [], 0
        for name, shape in self.variables.items():
            stop = start + math.prod(shape)
            places.append((name, slice(start, stop), shape))
            start = stop
        return places

    @property
    def size(self) -> int:
        """Length of theta."""
        return len(self.names)

    def split(self, theta: ArrayLike) -> Named:
        """Return theta ``(n,)`` as named arrays."""
        vector = np.asarray(theta, dtype=float)
        if vector.shape != (self.size,):
            raise ParameterError(
                explain(f"theta of shape {vector.shape}", f"({self.size},): {', '.join(self.names)}")
            )
        return {name: vector[place].reshape(shape) for name, place, shape in self._places}

    def pack(self, values: Values) -> Array:
        """Return named arrays as theta ``(n,)``."""
        return np.concatenate([np.ravel(values[name]) for name in self.variables]).astype(float)

    def sample_prior(self, rng: np.random.Generator) -> Array:
        """Draw theta from the prior."""
        values: Named = {}
        for name, prior in self.priors.items():
            values[name] = prior.sample(rng, self.variables[name], values)
        return self.pack(values)

    def log_prior(self, theta: ArrayLike) -> float:
        """Return the log prior density; -inf outside the support."""
        values = self.split(theta)
        return sum(prior.logpdf(values[name], values) for name, prior in self.priors.items())

    def log_prior_gradient(self, theta: ArrayLike) -> tuple[float, Array]:
        """Return the log prior density and its gradient (zero where the density is)."""
        values = self.split(theta)
        total = {name: np.zeros(shape) for name, shape in self.variables.items()}
        density = self.log_prior(theta)
        if np.isfinite(density):
            for name, prior in self.priors.items():
                own, parents = prior.gradient(values[name], values)
                total[name] = total[name] + own
                for parent, slope in parents.items():
                    total[parent] = total[parent] + slope
        return density, self.pack(total)

    def log_likelihood(self, theta: ArrayLike) -> float:
        """Return the log-likelihood of all data.

        Raises
        ------
        SolveFailed, Infeasible
            If a model gives no prediction here.
        """
        values = self.split(theta)
        return sum(experiment.density(values) for experiment in self.experiments)

    def log_likelihood_gradient(self, theta: ArrayLike) -> tuple[float, Array]:
        """Return the log-likelihood and its exact gradient; one solve serves both.

        Raises
        ------
        SolveFailed, Infeasible, NoGradient
        """
        values = self.split(theta)
        total = {name: np.zeros(shape) for name, shape in self.variables.items()}
        density = sum(experiment.gradient(values, total) for experiment in self.experiments)
        return density, self.pack(total)

    def logpdf(self, theta: ArrayLike) -> float:
        """Return the log of prior times likelihood, in physical coordinates; -inf outside the support."""
        prior = self.log_prior(theta)
        return prior + self.log_likelihood(theta) if np.isfinite(prior) else prior

    def logpdf_gradient(self, theta: ArrayLike) -> tuple[float, Array]:
        """Return `logpdf` and its gradient ``(n,)``."""
        prior, slope = self.log_prior_gradient(theta)
        if not np.isfinite(prior):
            return prior, slope
        likelihood, more = self.log_likelihood_gradient(theta)
        return prior + likelihood, slope + more

    def pointwise(self, theta: ArrayLike) -> dict[tuple[str, str], Array]:
        """Return the log-density of each datum, by (experiment, quantity)."""
        values = self.split(theta)
        return {
            (experiment.name, quantity): terms.pointwise
            for experiment in self.experiments
            for quantity, terms in experiment.terms(values).items()
        }

    def _check_unknowns(self) -> None:
        used = {name for experiment in self.experiments for name in experiment.unknowns}
        parents = {parent for prior in self.priors.values() for parent in prior.parents}
        for name in used - set(self.priors):
            hint = near_match(name, self.priors)
            raise ParameterError(
                explain(
                    f"{name!r} has no prior and is not fixed{hint}",
                    ", ".join(self.priors),
                    "add one of the two",
                )
            )
        for name in set(self.priors) - used - parents:
            raise ParameterError(
                explain(f"prior of {name!r}{near_match(name, used)} is used by nobody", ", ".join(used))
            )

    def _check_parents(self) -> None:
        known: set[str] = set()
        for name, prior in self.priors.items():
            for parent in prior.parents:
                if parent not in known or self.variables[parent] != ():
                    raise ParameterError(
                        explain(
                            f"prior of {name!r} depends on {parent!r}", "scalar unknowns that stand before it"
                        )
                    )
            known.add(name)

    def _check_limits(self) -> None:
        for experiment in self.experiments:
            for parameter in experiment.model.parameters:
                binding = experiment.bindings[parameter.name]
                if isinstance(binding, Shared):
                    check_limits(binding.name, self.priors[binding.name], parameter.lower, parameter.upper)


def check_limits(name: str, prior: Prior, lower: float, upper: float) -> None:
    """Refuse a prior that gives mass to values outside the physical limits.

    Raises
    ------
    ParameterError
        With the mass, the limits, and a family that would fit.
    """
    mass = prior.mass_outside(lower, upper)
    if mass > 0:
        fitting = "lognormal, gamma or loguniform" if np.isinf(upper) else "beta, uniform or truncated_normal"
        raise ParameterError(
            explain(
                f"prior of {name!r}: {prior.family} gives mass {mass:.3g} to impossible values",
                f"({lower:g}, {upper:g})",
                f"use {fitting}",
            )
        )


def _labels(name: str, shape: tuple[int, ...]) -> list[str]:
    if not shape:
        return [name]
    return [f"{name}[{', '.join(map(str, index))}]" for index in np.ndindex(shape)]
