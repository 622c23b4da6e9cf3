"""Unknowns that enter only through a quantity which cannot hold them all, and what would tell them apart.

That the path leads through the quantity is a fact of the wiring. How many combinations of the unknowns the
quantity fixes is the rank of its derivative, which is the same at almost every theta; it is taken at all
points that are looked at, and the largest counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from scipy.linalg import qr

from mscale_uq.core.parameter import Array, Parameter
from mscale_uq.diagnose.local_information import LocalInformation, covariance, nats
from mscale_uq.diagnose.moved import Moved, move
from mscale_uq.diagnose.normal_scores import slopes
from mscale_uq.diagnose.pathways import Bottleneck, bottlenecks, reached
from mscale_uq.stats.experiment import Experiment, Fixed, Shared
from mscale_uq.stats.posterior import Posterior

RANK = 1e-7  # a singular value below this share of the largest is zero
OTHER = (1.5, 0.5)  # what a parameter of a further specimen is tried at, times what it is


@final
@dataclass(frozen=True)
class Remedy:
    """A further experiment that would tell the unknowns apart: one with another value of a parameter.

    Attributes
    ----------
    parameter, value, other
        Its value now and in the further experiment, where it is known.
    unit
        Of the parameter.
    known
        Whether it is known now.
    kept
        Expected posterior sd of every unknown with the further experiment, as a share of the prior's; local.
    gain
        What the further experiment adds, in nats; local.
    """

    parameter: str
    value: float
    other: float
    unit: str
    known: bool
    kept: Array
    gain: float


@final
@dataclass(frozen=True)
class Passage:
    """A quantity that fixes fewer combinations of some unknowns than there are unknowns.

    Attributes
    ----------
    quantity
        Name of the quantity.
    unknowns
        Labels of what enters only through it.
    rank
        Number of combinations it fixes, the largest over all points.
    free
        Directions ``(len(unknowns), len(unknowns) - rank)`` in normal scores that leave it as it is, at the
        first point.
    remedies
        What would help, the best first; those with a parameter that is known already come before others.
    """

    quantity: str
    unknowns: tuple[str, ...]
    rank: int
    free: Array
    remedies: tuple[Remedy, ...]


def passages(
    posterior: Posterior, points: Sequence[LocalInformation], moved: Sequence[Sequence[Moved]]
) -> tuple[Passage, ...]:
    """Return the quantities that lose something no earlier quantity has lost, in the order they are made."""
    found: list[Passage] = []
    for neck in bottlenecks(posterior):
        columns = columns_of(posterior, neck.unknowns)
        labels = tuple(posterior.names[column] for column in columns)
        rank = max(_rank(_slope(at, neck, columns)) for at in moved)
        lost_before = sum(len(p.unknowns) - p.rank for p in found if set(p.unknowns) <= set(labels))
        if len(columns) - rank > lost_before:
            free = np.linalg.svd(_slope(moved[0], neck, columns))[2][rank:].T
            remedies = _Search(posterior, neck, points[0], tuple(moved[0]), rank).remedies()
            found.append(Passage(neck.quantity, labels, rank, free, remedies))
    return tuple(found)


def columns_of(posterior: Posterior, unknowns: Sequence[str]) -> list[int]:
    """Return the positions in theta of some unknowns, all entries of each."""
    columns: list[int] = []
    start = 0
    for name, shape in posterior.variables.items():
        size = int(np.prod(shape))
        columns += range(start, start + size) if name in unknowns else ()
        start += size
    return columns


def _slope(moved: Sequence[Moved], neck: Bottleneck, columns: list[int]) -> Array:
    """Return the quantity's derivative in all experiments, or its triangular factor, of the same rank."""
    stacked = np.concatenate([moved[i].slope(neck.quantity)[:, columns] for i in neck.experiments])
    return qr(stacked, mode="r")[0][: len(columns)] if len(stacked) > len(columns) else stacked


def _rank(slope: Array) -> int:
    values = np.linalg.svd(slope, compute_uv=False)
    return int(np.sum(values > RANK * values.max(initial=0.0)))


@final
@dataclass(frozen=True)
class _Search:
    """Tries further experiments with another value of one parameter that acts through the quantity."""

    posterior: Posterior
    neck: Bottleneck
    at: LocalInformation
    moved: tuple[Moved, ...]
    rank: int

    def remedies(self) -> tuple[Remedy, ...]:
        best: dict[str, Remedy] = {}
        for position in self.neck.experiments:
            experiment = self.posterior.experiments[position]
            for parameter in experiment.whole.parameters:
                for other in self._others(experiment, parameter):
                    remedy = self._try(experiment, parameter, other)
                    if remedy and (parameter.name not in best or remedy.gain > best[parameter.name].gain):
                        best[parameter.name] = remedy
        return tuple(sorted(best.values(), key=lambda remedy: (not remedy.known, -remedy.gain)))

    def _others(self, experiment: Experiment, parameter: Parameter) -> list[float]:
        """Return other values at which there is a prediction, if the parameter acts through the quantity."""
        binding, chain = experiment.bindings[parameter.name], experiment.model.chain
        elsewhere = isinstance(binding, Shared) and binding.name not in self.neck.unknowns
        if parameter.shape or elsewhere or self.neck.quantity not in reached(chain, [parameter.name]):
            return []
        values = self.posterior.split(self.at.theta)
        value = float(binding.pick(values))
        others = [factor * value for factor in OTHER if value and parameter.inside(factor * value)]
        further = [_altered(experiment, parameter.name, other) for other in others]
        ok = [one.model.batch([one.theta(values)]).ok[0] for one in further]
        return [other for other, fine in zip(others, ok, strict=True) if fine]

    def _try(self, experiment: Experiment, parameter: Parameter, other: float) -> Remedy | None:
        """Return the remedy, if it fixes a further combination."""
        further = _altered(experiment, parameter.name, other)
        there = move(self.posterior, further, self.at.theta, slopes(self.posterior, self.at.theta))
        columns = columns_of(self.posterior, self.neck.unknowns)
        neck = replace(self.neck, experiments=(*self.neck.experiments, len(self.moved)))
        if _rank(_slope([*self.moved, there], neck, columns)) <= self.rank:
            return None
        fisher = self.at.fisher + np.sum([there.fisher(quantity) for quantity in further.operators], axis=0)
        binding = experiment.bindings[parameter.name]
        value = float(binding.pick(self.posterior.split(self.at.theta)))
        kept, gain = np.sqrt(np.diag(covariance(fisher))), nats(fisher) - nats(self.at.fisher)
        known = isinstance(binding, Fixed)
        return Remedy(parameter.name, value, other, parameter.unit, known, kept, gain)


def _altered(experiment: Experiment, parameter: str, value: float) -> Experiment:
    return experiment.changed(bindings={parameter: Fixed(value)})
