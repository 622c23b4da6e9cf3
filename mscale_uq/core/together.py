"""`Together`: several stages as one, where a single stage is asked for."""

from collections.abc import Collection, Sequence
from copy import copy
from typing import final

import numpy as np

from mscale_uq.core.chain import Chain, ChainLinearization
from mscale_uq.core.stage import Linearization, Named, Stage, Values


@final
class Together(Stage):
    """Runs stages in order; what they make for each other alone stays inside.

    Parameters
    ----------
    stages
        In order.
    outputs
        Of what they make, what is handed on.
    name
        What failures call it.
    """

    def __init__(self, stages: Sequence[Stage], outputs: Sequence[str], name: str) -> None:
        made = {output for stage in stages for output in stage.outputs}
        read = dict.fromkeys(item for stage in stages for item in stage.inputs)
        self.inputs = tuple(item for item in read if item not in made)
        self.outputs = tuple(outputs)
        self.name = name
        self._chain = Chain(stages, self.inputs)

    def moved_by(self, names: Collection[str]) -> "Together":
        """Return the stages with the derivatives to these inputs alone."""
        here = copy(self)
        here._chain = self._chain.moved_by(names)
        return here

    def value(self, values: Values) -> Named:
        """Return the outputs."""
        known = self._chain.value(values)
        return {name: known[name] for name in self.outputs}

    def linearize(self, values: Values) -> tuple[Named, Linearization]:
        """Return the outputs and their derivative."""
        known, inner = self._chain.linearize(values)
        made = {name: known[name] for name in self.outputs}
        return made, TogetherLinearization(inner, self.inputs, {k: np.shape(v) for k, v in made.items()})


@final
class TogetherLinearization(Linearization):
    """Derivative of a chain, between what comes in and what is handed on."""

    def __init__(
        self, inner: ChainLinearization, inputs: tuple[str, ...], outputs: dict[str, tuple[int, ...]]
    ) -> None:
        self._inner, self._inputs, self._outputs = inner, inputs, outputs

    def jvp(self, tangents: Values) -> Named:
        """Carry changes of the inputs to the outputs."""
        moved = self._inner.jvp({name: tangents[name] for name in self._inputs if name in tangents})
        return {name: moved.get(name, np.zeros(shape)) for name, shape in self._outputs.items()}

    def vjp(self, cotangents: Values) -> Named:
        """Carry sensitivities of the outputs back to the inputs."""
        back = self._inner.vjp({name: cotangents[name] for name in self._outputs if name in cotangents})
        return {name: back[name] for name in self._inputs if name in back}
