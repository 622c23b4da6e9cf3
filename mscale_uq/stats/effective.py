"""The logarithm of what a scale parameter scales, as a function of all unknowns, one entry at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import final

import numpy as np

from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Named, Values
from mscale_uq.core.system import Scale
from mscale_uq.errors import Infeasible
from mscale_uq.stats.experiment import Binding, Shared
from mscale_uq.stats.posterior import Posterior


@final
@dataclass(frozen=True)
class Part:
    """The way to the effective quantity in one experiment."""

    model: ForwardModel
    bindings: Mapping[str, Binding]

    def add_gradient(self, values: Values, weight: float, total: Named) -> float:
        """Return the mean log of the quantity's entries, a tensor's diagonal; add weight times its slope.

        Raises
        ------
        SolveFailed, Infeasible
            If there is no such quantity here, or it is not positive.
        """
        theta = self.model.pack({name: self.bindings[name].pick(values) for name in self.model.names})
        known, chain = self.model.linearize_named(theta)
        (name,) = self.model.outputs
        quantity = known[name]
        mask = seen(quantity.shape)
        if not np.all(quantity[mask] > 0):
            raise Infeasible("effective coordinates", {}, f"{name!r} is not positive")
        share = np.divide(weight / mask.sum(), quantity, out=np.zeros(quantity.shape), where=mask)
        for parameter, slope in chain.vjp({name: share}).items():
            self.bindings[parameter].scatter(total, slope)
        return float(np.log(quantity[mask]).mean())


@final
@dataclass(frozen=True)
class EffectiveLog:
    """The log of the effective quantity that one entry of an unknown scales, mean over its experiments."""

    posterior: Posterior
    parts: Sequence[Part]

    def __call__(self, theta: Array) -> tuple[float, Array]:
        """Return the logarithm and its gradient ``(n,)``; raises `SolveFailed` or `Infeasible` if none."""
        values, weight = self.posterior.split(theta), 1.0 / len(self.parts)
        total = {name: np.zeros(shape) for name, shape in self.posterior.variables.items()}
        logs = [part.add_gradient(values, weight, total) for part in self.parts]
        return float(np.mean(logs)), self.posterior.pack(total)


def effective_logs(posterior: Posterior, scale: Scale) -> dict[str, list[EffectiveLog]]:
    """Return unknown -> one `EffectiveLog` per entry, for each unknown that is the scale of an experiment.

    An unknown of which an entry scales nothing, or that is an array to its model, is left out.
    """
    found: dict[str, dict[int, list[Part]]] = {}
    for experiment in posterior.experiments:
        binding = experiment.bindings.get(scale.parameter)
        if not isinstance(binding, Shared) or isinstance(binding.index, tuple):
            continue
        if scale.effective in experiment.model.chain.made:
            parts = found.setdefault(binding.name, {}).setdefault(binding.index or 0, [])
            parts.append(Part(experiment.model.only([scale.effective]), experiment.bindings))
    logs = {}
    for name, entries in found.items():
        size = int(np.prod(posterior.variables[name]))
        if sorted(entries) == list(range(size)):
            logs[name] = [EffectiveLog(posterior, entries[entry]) for entry in range(size)]
    return logs


def in_proportion(posterior: Posterior, scale: Scale) -> set[str]:
    """Return the unknowns that are scaled along in every experiment they belong to."""
    inside, outside = set[str](), set[str]()
    for experiment in posterior.experiments:
        for parameter, binding in experiment.bindings.items():
            if isinstance(binding, Shared):
                (inside if parameter in scale.along else outside).add(binding.name)
    return inside - outside


@cache
def seen(shape: tuple[int, ...]) -> np.ndarray:
    """Say which entries of an array count: the diagonals of tensors ``(..., d, d)``, all of other arrays."""
    if len(shape) > 1 and shape[-1] == shape[-2]:
        return np.broadcast_to(np.eye(shape[-1], dtype=bool), shape)
    return np.broadcast_to(np.array(True), shape)
