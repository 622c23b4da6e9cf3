"""What a state begins with where its parameters are state too, and its first values follow from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from mscale_uq.core.dynamics import initial_name
from mscale_uq.core.stage import Linearization, Named, Stage, Values
from mscale_uq.filters.dependents import Dependents, DependentsLinearization


@final
class Beginning(Stage):
    """First values of state variables, from what the coordinates of their parameters begin with."""

    def __init__(self, dependents: Dependents, outputs: Sequence[str]) -> None:
        self.dependents = dependents
        self.name = "first values"
        self.begin = {initial_name(c.name): c.name for c in dependents.coordinates}
        self.inputs = (*self.begin, *dependents.outside)
        self.outputs = tuple(outputs)

    def value(self, values: Values) -> Named:
        """Return every first value that the parameters make."""
        known = self.dependents.value(self.renamed(values), values)
        return {name: known[name] for name in self.outputs}

    def linearize(self, values: Values) -> tuple[Named, Linearization]:
        """Return the same with their derivative to coordinates and what else is read."""
        known, inner = self.dependents.linearize(self.renamed(values), values)
        return {name: known[name] for name in self.outputs}, BeginningLinearization(self, inner)

    def renamed(self, values: Values) -> Named:
        """Return the values by the names that the dependents know: a coordinate by its own."""
        return {self.begin.get(name, name): values[name] for name in self.inputs if name in values}


@final
@dataclass(frozen=True)
class BeginningLinearization(Linearization):
    """Derivative of `Beginning`."""

    beginning: Beginning
    inner: DependentsLinearization

    def jvp(self, tangents: Values) -> Named:
        """Carry changes of coordinates and other values to the first values."""
        moved = self.inner.jvp(self.beginning.renamed(tangents))
        return {name: moved[name] for name in self.beginning.outputs if name in moved}

    def vjp(self, cotangents: Values) -> Named:
        """Carry sensitivities of the first values back."""
        back = self.inner.vjp(cotangents)
        return {name: back[self.beginning.begin.get(name, name)] for name in self.beginning.inputs}
