"""A `Chain` runs stages in order, by name, and differentiates through all of them.

The wiring is checked when the chain is made, so that a name nobody makes is found before the first solve.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import final

import numpy as np

from mscale_uq.core.parameter import Array, all_finite
from mscale_uq.core.stage import Linearization, Named, Stage, Values
from mscale_uq.errors import ForwardFailure, SolveFailed, WiringError, explain, near_match


@final
class Chain:
    """Stages in order, reading `given` names and each other's outputs.

    Parameters
    ----------
    stages
        In the order in which they run.
    given
        Names that come from outside.
    moving
        Those of them that derivatives and messages of failures are about; all, unless said.

    Raises
    ------
    WiringError
        If a name is read before anybody makes it, or made twice.
    """

    def __init__(
        self, stages: Sequence[Stage], given: Iterable[str], moving: Iterable[str] | None = None
    ) -> None:
        self.stages = tuple(stages)
        self.given = tuple(given)
        self.moving = tuple(name for name in (self.given if moving is None else moving) if name != "key")
        known = set(self.given)
        for stage in self.stages:
            _check_reads(stage, known)
            _check_makes(stage, known)
            known |= set(stage.outputs)
        self.made = tuple(name for stage in self.stages for name in stage.outputs)

    def value(self, values: Values) -> Named:
        """Return every given and made value by name.

        Raises
        ------
        SolveFailed
            If a stage fails, meets a singular matrix, divides by zero, or makes a value that is not finite;
            theta in it holds the given values.
        """
        known: Named = {name: read_only(values[name]) for name in self.given}
        for stage in self.stages:
            known.update(self._run(stage, known, derivative=False)[0])
        return known

    def linearize(self, values: Values) -> tuple[Named, "ChainLinearization"]:
        """Return every value by name and the derivative of the made names to the moving ones."""
        known: Named = {name: read_only(values[name]) for name in self.given}
        parts: list[tuple[Stage, Linearization]] = []
        for stage in self.stages:
            made, part = self._run(stage, known, derivative=True)
            known.update(made)
            if part is not None:
                parts.append((stage, part))
        return known, ChainLinearization(tuple(parts), {name: np.shape(known[name]) for name in self.moving})

    def holding(self, values: Values) -> "Chain":
        """Return the chain that is given only what `values` lacks."""
        rest = [name for name in self.given if name not in values]
        return Chain([stage.holding(values) for stage in self.stages], rest, set(self.moving) & set(rest))

    def moved_by(self, names: Collection[str]) -> "Chain":
        """Return the chain where only these given names move."""
        moved, stages = set(names), []
        for stage in self.stages:
            here = moved.intersection(stage.inputs)
            stages.append(stage.moved_by(here) if here else stage)
            moved |= set(stage.outputs) if here else set()
        return Chain(stages, self.given, [name for name in self.moving if name in names])

    def _run(self, stage: Stage, known: Named, derivative: bool) -> tuple[Named, Linearization | None]:
        inputs = {name: known[name] for name in stage.inputs}
        try:
            made, part = stage.linearize(inputs) if derivative else (stage.value(inputs), None)
        except ForwardFailure as failure:
            # A stage knows its own inputs; the person knows the given names.
            raise type(failure)(failure.stage, self._scalars(known), failure.reason) from failure
        except (np.linalg.LinAlgError, ArithmeticError) as error:
            # What linear algebra and plain numbers say of a point, not a mistake in the code.
            reason = f"{type(error).__name__}: {error}"
            raise SolveFailed(stage.name, self._scalars(known), reason) from error
        for name in stage.outputs:
            if not all_finite(made[name]):
                raise SolveFailed(
                    stage.name, self._scalars(known), f"made a value of {name!r} that is not finite"
                )
        return {name: read_only(array) for name, array in made.items()}, part

    def _scalars(self, known: Named) -> Named:
        return {name: known[name] for name in self.moving}


@final
class ChainLinearization(Linearization):
    """The product of the stages' derivatives, applied from either end."""

    def __init__(
        self,
        parts: tuple[tuple[Stage, Linearization], ...],
        shapes: Mapping[str, tuple[int, ...]],
    ) -> None:
        self._parts = parts
        self._shapes = shapes

    def jvp(self, tangents: Values) -> Named:
        """Carry changes of the given names forward to every name."""
        return self._forward(tangents, lambda part, inputs: part.jvp(inputs))

    def jvps(self, tangents: Values) -> Named:
        """Carry several changes forward at once."""
        return self._forward(tangents, lambda part, inputs: part.jvps(inputs))

    def _forward(self, tangents: Values, carry: Callable[[Linearization, Named], Named]) -> Named:
        known: Named = {name: np.asarray(tangent, dtype=float) for name, tangent in tangents.items()}
        for stage, part in self._parts:
            inputs = {name: known[name] for name in stage.inputs if name in known}
            if inputs:
                known.update(carry(part, inputs))
        return known

    def vjp(self, cotangents: Values) -> Named:
        """Carry sensitivities of any names back to the moving ones."""
        total: Named = {name: np.array(weight, dtype=float) for name, weight in cotangents.items()}
        for stage, part in reversed(self._parts):
            weights = {name: total[name] for name in stage.outputs if name in total}
            if not weights:
                continue
            for name, weight in part.vjp(weights).items():
                total[name] = total[name] + weight if name in total else np.asarray(weight)
        return {
            name: total[name] if name in total else np.zeros(shape) for name, shape in self._shapes.items()
        }


def split(chain: Chain, moving: Sequence[str], fixed: Iterable[str]) -> tuple[Chain, Chain]:
    """Return the stages that none of the `moving` names moves, and those that some does, as two chains.

    `fixed` are the other names that come from outside.
    """
    moved: set[str] = set(moving)
    idle: list[Stage] = []
    live: list[Stage] = []
    for stage in chain.stages:
        here = moved.intersection(stage.inputs)
        if here:
            live.append(stage.moved_by(here))
            moved |= set(stage.outputs)
        else:
            idle.append(stage)
    made = [name for stage in idle for name in stage.outputs]
    return Chain(idle, fixed), Chain(live, [*fixed, *made, *moving], moving)


def read_only(value: Array) -> Array:
    """Return a view that nobody can change: what a stage has read or made belongs to all of them."""
    array = np.asarray(value)
    if array.flags.writeable:
        array = array.view()
        array.flags.writeable = False
    return array


def _check_reads(stage: Stage, known: set[str]) -> None:
    for name in stage.inputs:
        if name not in known:
            raise WiringError(
                explain(
                    f"stage {stage.name!r} reads {name!r}, which nothing makes{near_match(name, known)}",
                    ", ".join(sorted(known)) or "no names yet",
                    "declare a parameter or constant of that name, or put the stage that makes it first",
                )
            )


def _check_makes(stage: Stage, known: set[str]) -> None:
    for name in stage.outputs:
        if name in known:
            raise WiringError(
                explain(
                    f"stage {stage.name!r} makes {name!r}, which exists already", hint="rename one of the two"
                )
            )
    if len(set(stage.outputs)) != len(stage.outputs):
        raise WiringError(explain(f"stage {stage.name!r} makes a name twice: {stage.outputs}"))
