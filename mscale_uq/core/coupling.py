"""`Coupling`: stages as an equation r(u) = 0 in a named unknown, perhaps along a value that they read."""

from collections.abc import Collection, Sequence
from copy import copy
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from mscale_uq.core.chain import Chain, ChainLinearization, split
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Named, Stage, Values
from mscale_uq.errors import ForwardFailure, NoGradient, WiringError, explain, near_match


@final
class Coupling:
    """A residual that stages make from an unknown; what the unknown does not move is run once.

    Parameters
    ----------
    stages
        They read the unknown and make the residual, of the same size.
    unknown, residual
        The two names.
    start
        Where a search for the unknown starts; it has the unknown's shape.
    along
        A scalar that the stages read, along which solutions are followed.

    Raises
    ------
    WiringError
        If nobody reads the unknown or `along`, or makes the residual.
    """

    def __init__(
        self, stages: Sequence[Stage], unknown: str, residual: str, start: ArrayLike, along: str | None = None
    ) -> None:
        self.made = tuple(output for stage in stages for output in stage.outputs)
        read = dict.fromkeys(output for stage in stages for output in stage.inputs)
        for name, words in ((residual, self.made), (unknown, tuple(read)), (along, tuple(read))):
            if name is not None and name not in words:
                raise WiringError(explain(f"implicit: {name!r}{near_match(name, words)}", ", ".join(words)))
        self.inputs = tuple(item for item in read if item not in self.made and item != unknown)
        self.unknown, self.residual, self.along = unknown, residual, along
        self.start = np.array(start, dtype=float)
        self._chain = Chain(stages, (*self.inputs, unknown))
        moving = (unknown,) if along is None else (unknown, along)
        fixed = [name for name in self.inputs if name not in moving]
        # What the search does not move is run once, and it differentiates along what it moves alone.
        self._idle, self._live = split(self._chain, moving, fixed)

    def moved_by(self, names: Collection[str]) -> "Coupling":
        """Return the same where only these inputs move, and the unknown."""
        here = copy(self)
        here._chain = self._chain.moved_by({*names, self.unknown})
        return here

    def settle(self, values: Values) -> "Settled":
        """Return the equation with all that the search does not move."""
        idle = self._idle.value(values)
        along = {} if self.along is None else {self.along: np.asarray(values[self.along], dtype=float)}
        return Settled(self._live.holding(idle), idle, along)

    def value(self, values: Values, u: Array) -> Named:
        """Return everything made at an unknown."""
        return self._chain.value({**values, self.unknown: u.reshape(self.start.shape)})

    def linearize(self, values: Values, u: Array) -> tuple[Named, ChainLinearization, Array]:
        """Return everything made at an unknown, its derivative, and dr/du ``(n, n)``."""
        known, inner = self._chain.linearize({**values, self.unknown: u.reshape(self.start.shape)})
        return known, inner, self._jacobian(inner)

    def at(self, settled: "Settled", u: Array, s: float | None = None) -> tuple[Array, Array, Array]:
        """Return r ``(n,)``, dr/du ``(n, n)`` and dr/ds ``(n,)`` at `along` = s; NaN where none is."""
        point = {**settled.along, self.unknown: u.reshape(self.start.shape)}
        if s is not None and self.along is not None:
            point[self.along] = np.asarray(s)
        try:
            known, inner = settled.live.linearize(point)
        except NoGradient:
            return self._by_differences(settled.live, point, u)
        except ForwardFailure:
            # A trial point outside the model's domain only means that the step was too long.
            return np.full(u.size, np.nan), np.full((u.size, u.size), np.nan), np.full(u.size, np.nan)
        slope = np.zeros(u.size)
        if s is not None and self.along is not None:
            slope = np.ravel(inner.jvp({self.along: np.asarray(1.0)}).get(self.residual, slope))
        return np.ravel(known[self.residual]), self._jacobian(inner), slope

    def _by_differences(self, live: Chain, point: Values, u: Array) -> tuple[Array, Array, Array]:
        """Newton needs only an approximate Jacobian; a derivative is never taken from it."""

        def at(v: Array, **moved: Array) -> Array:
            here = {**point, self.unknown: v.reshape(self.start.shape), **moved}
            return np.ravel(live.value(here)[self.residual])

        r, steps, slope = at(u), 1e-7 * (np.abs(u) + 1e-7), np.zeros(u.size)
        J = np.stack([(at(u + step) - r) / step.sum() for step in np.diag(steps)], axis=1)
        if self.along is not None:
            step = 1e-7 * (np.abs(point[self.along]) + 1e-7)
            slope = (at(u, **{self.along: point[self.along] + step}) - r) / step
        return r, J, slope

    def _jacobian(self, inner: ChainLinearization) -> Array:
        n = self.start.size
        columns = inner.jvps({self.unknown: np.eye(n).reshape(n, *self.start.shape)})
        return columns[self.residual].reshape(n, n).T if self.residual in columns else np.zeros((n, n))


@final
@dataclass(frozen=True)
class Settled:
    """An equation where only the unknown, and what it is followed along, can still move.

    Attributes
    ----------
    live
        The stages that these two move.
    values
        What the others have made, and what they were given.
    along
        The value of what solutions are followed along, by its name, if there is one.
    """

    live: Chain
    values: Named
    along: Named
