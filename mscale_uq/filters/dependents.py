"""`Dependents`: what of a model depends on parameters that have become state."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from mscale_uq.core.chain import Chain
from mscale_uq.core.stage import Linearization, Named, Stage, Values
from mscale_uq.filters.coordinate import Coordinate


@final
class Dependents:
    """Parameters that are state, and the stages that must run anew whenever the state changes.

    Attributes
    ----------
    coordinates
        One per parameter; the state variable has the coordinate's name.
    independent
        The stages that still run once, before time starts.
    names
        Every name that depends on the parameters, themselves included.
    outside
        What the dependent stages read besides.
    """

    def __init__(self, stages: Sequence[Stage], coordinates: tuple[Coordinate, ...]) -> None:
        self.coordinates = coordinates
        parameters = [c.parameter.name for c in coordinates]
        self.names, after, before = set(parameters), [], []
        for stage in stages:
            if self.names.intersection(stage.inputs):
                self.names.update(stage.outputs)
                after.append(stage)
            else:
                before.append(stage)
        self.independent = tuple(before)
        read = (name for stage in after for name in stage.inputs)
        self.outside = tuple(dict.fromkeys(name for name in read if name not in self.names))
        self._chain = Chain(after, [*parameters, *self.outside])

    def reads(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return what must come from outside for `names` to be known."""
        return tuple(dict.fromkeys([*(name for name in names if name not in self.names), *self.outside]))

    def parameters(self, state: Values) -> Named:
        """Return the parameters from named state variables ``(..., *shape)``."""
        return {c.parameter.name: c.backward(state[c.name]) for c in self.coordinates}

    def value(self, state: Values, values: Values) -> Named:
        """Return everything that depends on the parameters, at one state."""
        return self._chain.value(self._given(state, values))

    def linearize(self, state: Values, values: Values) -> tuple[Named, "DependentsLinearization"]:
        """Return the same with its derivative to coordinates and outside values."""
        known, linear = self._chain.linearize(self._given(state, values))
        slopes = {c.name: c.slope(state[c.name]) for c in self.coordinates}
        return known, DependentsLinearization(self, linear, slopes)

    def _given(self, state: Values, values: Values) -> Named:
        return {**{name: np.asarray(values[name]) for name in self.outside}, **self.parameters(state)}


@final
@dataclass(frozen=True)
class DependentsLinearization(Linearization):
    """Derivative of `Dependents`, to the coordinates; names that pass by are passed on."""

    dependents: Dependents
    chain: Linearization
    slopes: Named

    def jvp(self, tangents: Values) -> Named:
        """Carry changes of coordinates and outside values to every name."""
        inner = {name: tangent for name, tangent in tangents.items() if name not in self.slopes}
        for c in self.dependents.coordinates:
            if c.name in tangents:
                inner[c.parameter.name] = self.slopes[c.name] * tangents[c.name]
        return self.chain.jvp(inner)

    def vjp(self, cotangents: Values) -> Named:
        """Carry sensitivities of any names back to coordinates and outside values."""
        back = self.chain.vjp(cotangents)
        coordinates = {
            c.name: self.slopes[c.name] * back[c.parameter.name] for c in self.dependents.coordinates
        }
        passed = {name: w for name, w in cotangents.items() if name not in self.dependents.names}
        return {**passed, **{name: back[name] for name in self.dependents.outside}, **coordinates}


def leading_to(stages: Sequence[Stage], names: Collection[str]) -> list[Stage]:
    """Return those of the stages that `names` are made from, in their order."""
    needed, kept = set(names), []
    for stage in reversed(stages):
        if needed.intersection(stage.outputs):
            needed.update(stage.inputs)
            kept.append(stage)
    return kept[::-1]
