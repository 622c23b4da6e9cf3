"""A posterior whose models are surrogates alone, without names on the way: theta in, one number out.

What costs most in a surrogate posterior is not the polynomials but carrying names from stage to stage. Where
every stage is a polynomial and every unknown a number, places in vectors stand for the names. The density is
the same.
"""

from collections.abc import Mapping
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike

from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Named, Values
from mscale_uq.core.system import Scale
from mscale_uq.errors import Infeasible
from mscale_uq.stats.effective import EffectiveLog, effective_logs, seen
from mscale_uq.stats.experiment import Binding, Experiment, Fixed, Shared
from mscale_uq.stats.posterior import Posterior
from mscale_uq.stats.prior import Prior
from mscale_uq.stats.surrogate_stage import SurrogateStage


@final
class FlatModel:
    """Every quantity of a model of surrogates, and its derivative to theta.

    Parameters
    ----------
    model, bindings
        All of its stages are surrogates; its parameters are numbers, bound to unknowns.
    places
        Label of an unknown's entry -> its place in theta.
    """

    def __init__(
        self, model: ForwardModel, bindings: Mapping[str, Binding], places: Mapping[Any, int]
    ) -> None:
        self._size = len(places)
        self._bound = {p: places[_label(bindings[p])] for p in model.names}
        self._constants = {name: value for name, value in model.constants.items() if name != "key"}
        self._stages: list[SurrogateStage] = [s for s in model.chain.stages if isinstance(s, SurrogateStage)]

    def __call__(self, theta: Array) -> dict[str, tuple[Array, Array]]:
        """Return name -> flattened value ``(m,)`` and its derivative ``(n, m)``, of all that stages make.

        Raises
        ------
        OutOfLimits
            If something scaled is not positive.
        """
        made: dict[str, tuple[Array, Array]] = {}
        for stage in self._stages:
            parts = [self._read(name, theta, made) for name in stage.inputs]
            value, slope = stage.flat(np.concatenate([part for part, _ in parts]))
            total, start = np.zeros((self._size, value.size)), 0
            for part, before in parts:
                rows = slope[start : start + part.size]
                start += part.size
                if isinstance(before, int):
                    total[before] += rows[0]
                elif before is not None:
                    total += before @ rows
            made[stage.outputs[0]] = value, total
        return made

    def _read(
        self, name: str, theta: Array, made: Mapping[str, tuple[Array, Array]]
    ) -> tuple[Array, Array | int | None]:
        """Return a flattened value, and its derivative: a matrix, a place in theta, or nothing."""
        if name in self._bound:
            place = self._bound[name]
            return theta[place : place + 1], place
        return made[name] if name in made else (np.ravel(self._constants[name]), None)


@final
class FlatPosterior:
    """The same density as a posterior of surrogates, several times as fast; a sampler's target.

    Parameters
    ----------
    posterior
        For which `is_flat` holds.

    Attributes
    ----------
    posterior
        As given.
    """

    def __init__(self, posterior: Posterior) -> None:
        self.posterior = posterior
        self._places = _places(posterior)
        self._models = [FlatModel(one.model, one.bindings, self._places) for one in posterior.experiments]

    @property
    def priors(self) -> Mapping[str, Prior]:
        """Of the posterior."""
        return self.posterior.priors

    @property
    def variables(self) -> Mapping[str, tuple[int, ...]]:
        """Of the posterior."""
        return self.posterior.variables

    @property
    def names(self) -> tuple[str, ...]:
        """One label per entry of theta."""
        return self.posterior.names

    def split(self, theta: ArrayLike) -> Named:
        """Return theta as named arrays."""
        return self.posterior.split(theta)

    def pack(self, values: Values) -> Array:
        """Return named arrays as theta."""
        return self.posterior.pack(values)

    def sample_prior(self, rng: np.random.Generator) -> Array:
        """Draw theta from the prior."""
        return self.posterior.sample_prior(rng)

    def log_likelihood(self, theta: ArrayLike) -> float:
        """Return the log-likelihood."""
        return self.log_likelihood_gradient(theta)[0]

    def log_likelihood_gradient(self, theta: ArrayLike) -> tuple[float, Array]:
        """Return the log-likelihood and its gradient ``(n,)``; raises `OutOfLimits` if there is none."""
        vector = np.asarray(theta, dtype=float)
        total, density = np.zeros(vector.size), 0.0
        for experiment, model in zip(self.posterior.experiments, self._models, strict=True):
            density += self._add(experiment, model(vector), vector, total)
        return density, total

    def _add(
        self, experiment: Experiment, made: dict[str, tuple[Array, Array]], theta: Array, total: Array
    ) -> float:
        density = 0.0
        for quantity, operator in experiment.operators.items():
            value, slope = made[quantity]
            data = experiment.observed[quantity]
            bound = {name: experiment.bindings[name] for name in operator.law.reads}
            levels = {name: _level(binding, theta, self._places) for name, binding in bound.items()}
            terms = operator.logpdf(data, {quantity: value.reshape(data.shape), **levels})
            total += slope @ terms.d_prediction.ravel()
            for name, weight in terms.d_values.items():
                if isinstance(bound[name], Shared):
                    total[self._places[_label(bound[name])]] += float(weight)
            density += terms.total
        return density

    def effective_logs(self, scale: Scale) -> "dict[str, list[FlatLog]]":
        """Return what `effective_logs` does, without names on the way."""
        logs = effective_logs(self.posterior, scale)
        return {name: [FlatLog(log, self._places) for log in entries] for name, entries in logs.items()}


@final
class FlatLog:
    """An `EffectiveLog` of surrogates."""

    def __init__(self, log: EffectiveLog, places: Mapping[Any, int]) -> None:
        self._models = [FlatModel(part.model, part.bindings, places) for part in log.parts]
        self._names = [part.model.outputs[0] for part in log.parts]
        shapes = [part.model.chain.stages[-1] for part in log.parts]
        self._shapes = [stage.shape for stage in shapes if isinstance(stage, SurrogateStage)]

    def __call__(self, theta: Array) -> tuple[float, Array]:
        """Return the logarithm and its gradient ``(n,)``; raises `Infeasible` if there is none."""
        total, slope = 0.0, np.zeros(theta.size)
        for model, name, shape in zip(self._models, self._names, self._shapes, strict=True):
            value, derivative = model(theta)[name]
            mask = np.ravel(seen(value.reshape(shape)))
            if not (value[mask] > 0).all():
                raise Infeasible("effective coordinates", {}, f"{name!r} is not positive")
            share = 1.0 / (mask.sum() * len(self._models))
            total += share * float(np.log(value[mask]).sum())
            slope += share * (derivative[:, mask] @ (1.0 / value[mask]))
        return total, slope


def is_flat(posterior: Posterior) -> bool:
    """Whether a posterior's models are surrogates alone, of numbers that are unknowns or fixed."""
    return all(_flat(experiment) for experiment in posterior.experiments)


def _flat(experiment: Experiment) -> bool:
    model = experiment.model
    made = {name for stage in model.chain.stages for name in stage.outputs}
    laws = [name for operator in experiment.operators.values() for name in operator.law.reads]
    numbers = all(parameter.shape == () for parameter in model.parameters)
    single = all(not isinstance(getattr(b, "index", None), tuple) for b in experiment.bindings.values())
    return (
        all(isinstance(stage, SurrogateStage) for stage in model.chain.stages)
        and all(operator.stage is None for operator in experiment.operators.values())
        and not made.intersection(laws)
        and numbers
        and single
        and set(experiment.operators) <= made
    )


def _places(posterior: Posterior) -> dict[Any, int]:
    """Return (unknown, entry or None) -> place in theta."""
    labels: list[Any] = []
    for name, shape in posterior.variables.items():
        labels += [(name, None)] if shape == () else [(name, k) for k in range(int(np.prod(shape)))]
    return {label: place for place, label in enumerate(labels)}


def _label(binding: Binding) -> Any:
    assert isinstance(binding, Shared)
    return binding.name, binding.index


def _level(binding: Binding, theta: Array, places: Mapping[Any, int]) -> Array:
    return binding.pick({}) if isinstance(binding, Fixed) else np.asarray(theta[places[_label(binding)]])


def flattened(posterior: Posterior) -> "Posterior | FlatPosterior":
    """Return the posterior flat if it can be, and as it is if not."""
    return FlatPosterior(posterior) if is_flat(posterior) else posterior
