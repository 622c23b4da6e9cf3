"""`Moved`: how everything in an experiment moves with the unknowns, and how well its laws can see that."""

from dataclasses import dataclass
from typing import final

import numpy as np

from mscale_uq.core.law import Law
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Named, Values
from mscale_uq.diagnose.normal_scores import slopes
from mscale_uq.observe.information import (
    Sensitivity,
    information,
    information_of_others,
    squared_distance,
)
from mscale_uq.stats.experiment import Experiment, Shared
from mscale_uq.stats.posterior import Posterior


@final
@dataclass(frozen=True)
class Moved:
    """One experiment near one theta.

    Attributes
    ----------
    known
        Every named value.
    tangents
        How every named value moves along each normal score, one dictionary a score.
    """

    experiment: Experiment
    known: Named
    tangents: tuple[Named, ...]

    def slope(self, name: str) -> Array:
        """Return the derivative ``(size, n)`` of a named value to the normal scores."""
        zero = np.zeros(np.shape(self.known[name]))
        return np.stack(
            [np.ravel(np.broadcast_to(t.get(name, zero), zero.shape)) for t in self.tangents], axis=1
        )

    def seen(self, quantity: str) -> np.ndarray:
        """Return which readings of a quantity are there ``(size,)``."""
        return ~np.isnan(np.ravel(self.experiment.observed[quantity]))

    def fisher(self, quantity: str) -> Array:
        """Return the Fisher information ``(n, n)`` of all readings of a quantity."""
        return information(self._law(quantity), self.sensitivity(quantity), self.seen(quantity))

    def fisher_without(self, quantity: str) -> dict[int, Array]:
        """Return, for each reading of a quantity, the Fisher information ``(n, n)`` of the others."""
        law, at, seen = self._law(quantity), self.sensitivity(quantity), self.seen(quantity)
        return dict(zip(np.flatnonzero(seen).tolist(), information_of_others(law, at, seen), strict=True))

    def sensitivity(self, quantity: str) -> Sensitivity:
        """Return what the law of one quantity sees."""
        operator = self.experiment.operators[quantity]
        prediction, own = np.asarray(self.known[quantity]), f"{quantity}_var"
        d_variance = np.zeros((prediction.size, len(self.tangents)))
        if own in self.known:
            d_variance = d_variance + self.slope(own)
        d_values = {name: self.slope(name) for name in operator.law.reads}
        variance = operator.variance(self.known)
        return Sensitivity(prediction, variance, self.known, self.slope(quantity), d_variance, d_values)

    def departure(self, data: Array, step: Array) -> float:
        """Return the squared distance, in noise, of a data vector from the straight line to `step`."""
        total, start = 0.0, 0
        for name in self.experiment.model.outputs:
            size = np.size(self.known[name])
            if name in self.experiment.operators:
                at = self.sensitivity(name)
                miss = data[start : start + size] - np.ravel(at.prediction) - at.d_prediction @ step
                total += squared_distance(self._law(name), at, self.seen(name), miss)
            start += size
        return total

    def _law(self, quantity: str) -> Law:
        return self.experiment.operators[quantity].law


def move(posterior: Posterior, experiment: Experiment, theta: Array, scale: Array) -> Moved:
    """Return how everything in an experiment moves along the columns of `scale` ``(n, p)``."""
    values = posterior.split(theta)
    known, chain = experiment.model.linearize_named(experiment.theta(values))
    bound = {name: np.asarray(binding.pick(values)) for name, binding in experiment.bindings.items()}
    tangents = []
    for direction in scale.T:
        start = _tangents(experiment, posterior.split(direction))
        inside = {name: start[name] for name in experiment.model.names if name in start}
        tangents.append({**start, **(chain.jvp(inside) if inside else {})})
    return Moved(experiment, {**bound, **known}, tuple(tangents))


def move_all(posterior: Posterior, theta: Array) -> tuple[Moved, ...]:
    """Return how every experiment moves with the normal scores.

    Raises
    ------
    NoGradient
        If a model has no derivative.
    SolveFailed, Infeasible
        If there is no prediction here.
    """
    scale = slopes(posterior, theta)
    return tuple(move(posterior, experiment, theta, scale) for experiment in posterior.experiments)


def _tangents(experiment: Experiment, direction: Values) -> Named:
    """Return how what the experiment reads moves; nothing for what does not."""
    picked = {
        n: np.asarray(b.pick(direction)) for n, b in experiment.bindings.items() if isinstance(b, Shared)
    }
    return {name: tangent for name, tangent in picked.items() if np.any(tangent)}
