"""A posterior whose models are surrogates alone, without names on the way: theta in, one number out.

What costs most in a surrogate posterior is not the polynomials but carrying names from stage to stage. Where
every stage is a polynomial and every unknown a number, places in vectors stand for the names. The density is
the same.
"""

import math
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
class _Reader:
    """Fills in what one surrogate reads, and carries its slope back to theta."""

    def __init__(self, stage: SurrogateStage, constants: Values, bound: Mapping[str, int], size: int) -> None:
        self.stage = stage
        self._template, self._from_theta = np.zeros(0), np.zeros((size, 0))
        self._made: list[tuple[str, slice]] = []
        rows, places = [], []
        for name in stage.inputs:
            start, width = self._template.size, math.prod(stage.coordinates.shapes[name])
            if name in bound:
                rows.append(start)
                places.append(bound[name])
            elif name not in constants:
                self._made.append((name, slice(start, start + width)))
            given = np.ravel(constants[name]) if name in constants else np.zeros(width)
            self._template = np.concatenate([self._template, given])
        self._rows, self._places = np.array(rows, dtype=int), np.array(places, dtype=int)
        self._from_theta = np.zeros((size, self._template.size))  # 1 where an entry of theta is read
        self._from_theta[self._places, self._rows] = 1.0

    def __call__(self, theta: Array, made: Mapping[str, tuple[Array, Array]]) -> tuple[Array, Array]:
        """Return the flattened value ``(m,)``, and its derivative to theta ``(n, m)``."""
        read, moved = self._template.copy(), self._from_theta
        if self._places.size:
            read[self._rows] = theta[self._places]
        if self._made:
            moved = moved.copy()
        for name, part in self._made:
            read[part], moved[:, part] = made[name]
        value, slope = self.stage.flat(read)
        return value, moved @ slope


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
        bound = {p: places[_label(bindings[p])] for p in model.names}
        constants = {name: value for name, value in model.constants.items() if name != "key"}
        stages = [stage for stage in model.chain.stages if isinstance(stage, SurrogateStage)]
        self._readers = [_Reader(stage, constants, bound, len(places)) for stage in stages]

    def __call__(self, theta: Array) -> dict[str, tuple[Array, Array]]:
        """Return name -> flattened value ``(m,)`` and its derivative ``(n, m)``, of all that stages make.

        Raises
        ------
        OutOfLimits
            If something scaled is not positive.
        """
        made: dict[str, tuple[Array, Array]] = {}
        for reader in self._readers:
            made[reader.stage.outputs[0]] = reader(theta, made)
        return made


@final
class _Part:
    """The data of one experiment, and the model that predicts them."""

    def __init__(self, experiment: Experiment, places: Mapping[Any, int]) -> None:
        self._model = FlatModel(experiment.model, experiment.bindings, places)
        self._readings, self._fixed, self._unknown = [], dict[str, Array](), dict[str, int]()
        for quantity, operator in experiment.operators.items():
            self._readings.append((quantity, operator, experiment.observed[quantity]))
            for name in operator.law.reads:
                binding = experiment.bindings[name]
                if isinstance(binding, Fixed):
                    self._fixed[name] = binding.pick({})
                else:
                    self._unknown[name] = places[_label(binding)]

    def add(self, theta: Array, total: Array) -> float:
        """Return the log-likelihood and add its gradient to `total` ``(n,)``."""
        made, density = self._model(theta), 0.0
        levels = {**self._fixed, **{name: np.asarray(theta[place]) for name, place in self._unknown.items()}}
        for quantity, operator, data in self._readings:
            value, slope = made[quantity]
            terms = operator.logpdf(data, {**levels, quantity: value.reshape(data.shape)})
            total += slope @ terms.d_prediction.ravel()
            for name, weight in terms.d_values.items():
                if name in self._unknown:
                    total[self._unknown[name]] += float(weight)
            density += terms.total
        return density


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
        self._parts = [_Part(one, self._places) for one in posterior.experiments]

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
        for part in self._parts:
            density += part.add(vector, total)
        return density, total

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
        ends = [part.model.chain.stages[-1] for part in log.parts]
        shapes = [stage.shape for stage in ends if isinstance(stage, SurrogateStage)]
        self._entries = [np.flatnonzero(seen(shape)) for shape in shapes]

    def __call__(self, theta: Array) -> tuple[float, Array]:
        """Return the logarithm and its gradient ``(n,)``; raises `Infeasible` if there is none."""
        total, slope = 0.0, np.zeros(theta.size)
        for model, name, entries in zip(self._models, self._names, self._entries, strict=True):
            value, derivative = model(theta)[name]
            counted = value[entries]
            if not counted.min() > 0:
                raise Infeasible("effective coordinates", {}, f"{name!r} is not positive")
            share = 1.0 / (entries.size * len(self._models))
            total += share * float(np.log(counted).sum())
            slope += derivative[:, entries] @ (share / counted)
        return total, slope


def is_flat(posterior: Posterior) -> bool:
    """Whether a posterior's models are surrogates alone, of numbers that are unknowns or fixed."""
    places = _places(posterior)
    return all(_flat(experiment, places) for experiment in posterior.experiments)


def _flat(experiment: Experiment, places: Mapping[Any, int]) -> bool:
    model = experiment.model
    made = {name for stage in model.chain.stages for name in stage.outputs}
    laws = [name for operator in experiment.operators.values() for name in operator.law.reads]
    numbers = all(parameter.shape == () for parameter in model.parameters)
    single = all(_label(b) in places for b in experiment.bindings.values() if isinstance(b, Shared))
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


def flattened(posterior: Posterior) -> "Posterior | FlatPosterior":
    """Return the posterior flat if it can be, and as it is if not."""
    return FlatPosterior(posterior) if is_flat(posterior) else posterior
