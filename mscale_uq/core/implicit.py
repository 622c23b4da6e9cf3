"""`Implicit`: stages that must agree with each other, solved for an unknown and differentiated exactly."""

from collections.abc import Sequence
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from mscale_uq.core.chain import Chain, ChainLinearization, split
from mscale_uq.core.newton import NewtonSettings, find_root
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Linearization, Named, Stage, Values
from mscale_uq.errors import (
    ForwardFailure,
    Infeasible,
    NoGradient,
    SolveFailed,
    WiringError,
    explain,
    near_match,
)


@final
class Implicit(Stage):
    """Runs stages until a named residual vanishes in a named unknown.

    A feedback loop is residual = made - guess. The derivative is that of the equality (implicit function
    theorem at the solution), not of the iterations.

    Parameters
    ----------
    stages
        They read the unknown and make the residual, of the same size.
    unknown, residual
        The two names. The unknown becomes an output; the residual stays inside.
    start
        Where the search starts. Always the same, so that a value never depends on earlier ones.
    name
        What failures call it.

    Raises
    ------
    WiringError
        When made, if nobody reads the unknown or makes the residual.
    Infeasible
        By `value`, if the branch from the start has a fold before a solution: there is no solution.
    SolveFailed
        By `value`, if Newton and homotopy end elsewhere.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        unknown: str,
        residual: str,
        start: ArrayLike,
        name: str | None = None,
        settings: NewtonSettings = NewtonSettings(),  # noqa: B008  (frozen)
    ) -> None:
        made = [output for stage in stages for output in stage.outputs]
        read = dict.fromkeys(output for stage in stages for output in stage.inputs)
        if residual not in made or unknown not in read:
            wrong, words = (residual, made) if residual not in made else (unknown, list(read))
            raise WiringError(explain(f"implicit: {wrong!r}{near_match(wrong, words)}", ", ".join(words)))
        self.inputs = tuple(item for item in read if item not in made and item != unknown)
        self.outputs = (unknown, *(output for output in made if output != residual))
        self.name = name or f"implicit {unknown}"
        self._chain = Chain(stages, (*self.inputs, unknown))
        # What the unknown does not move is run once, and the search differentiates along the unknown alone.
        self._idle, self._live = split(self._chain, (unknown,), self.inputs)
        self._unknown, self._residual = unknown, residual
        self._start = np.array(start, dtype=float)
        self._settings = settings

    def value(self, values: Values) -> Named:
        """Return the unknown at which the residual vanishes, and everything made there."""
        known = self._chain.value({**values, self._unknown: self._solve(values)})
        return {name: known[name] for name in self.outputs}

    def linearize(self, values: Values) -> tuple[Named, Linearization]:
        """Return the solution and its derivative by the implicit function theorem."""
        known, inner = self._chain.linearize({**values, self._unknown: self._solve(values)})
        jacobian = self._jacobian(inner)
        if not np.linalg.cond(jacobian) < 1 / np.finfo(float).eps:
            shown = {name: values[name] for name in self.inputs}
            raise SolveFailed(self.name, shown, "the solution sits on a fold, where it has no derivative")
        made = {name: known[name] for name in self.outputs}
        return made, ImplicitLinearization(
            inner, jacobian, self._unknown, self._residual, self.inputs, self._start
        )

    def _solve(self, values: Values) -> Array:
        settled = self._idle.value(values)
        root = find_root(lambda u: self._residual_at(settled, u), np.ravel(self._start), self._settings)
        if root.converged:
            return root.unknown.reshape(self._start.shape)
        shown = {name: values[name] for name in self.inputs}
        if root.fold:
            where = f"the branch from {self._unknown} = {self._start} folds back at {root.unknown}"
            raise Infeasible(self.name, shown, f"no solution: {where}")
        raise SolveFailed(
            self.name, shown, f"Newton and homotopy stopped at {self._unknown} = {root.unknown}"
        )

    def _residual_at(self, values: Values, u: Array) -> tuple[Array, Array]:
        point = {**values, self._unknown: u.reshape(self._start.shape)}
        try:
            known, inner = self._live.linearize(point)
        except NoGradient:
            return self._by_differences(values, u)
        except ForwardFailure:
            # A trial point outside the model's domain only means that the step was too long.
            return np.full(u.size, np.nan), np.eye(u.size)
        return np.ravel(known[self._residual]), self._jacobian(inner)

    def _by_differences(self, values: Values, u: Array) -> tuple[Array, Array]:
        """Newton needs only an approximate Jacobian; a derivative is never taken from it."""

        def at(v: Array) -> Array:
            return np.ravel(
                self._live.value({**values, self._unknown: v.reshape(self._start.shape)})[self._residual]
            )

        r, steps = at(u), 1e-7 * (np.abs(u) + 1e-7)
        return r, np.stack([(at(u + step) - r) / step.sum() for step in np.diag(steps)], axis=1)

    def _jacobian(self, inner: ChainLinearization) -> Array:
        columns = [inner.jvp({self._unknown: e.reshape(self._start.shape)}) for e in np.eye(self._start.size)]
        zero = np.zeros(self._start.size)
        return np.stack([np.ravel(column.get(self._residual, zero)) for column in columns], axis=1)


@final
class ImplicitLinearization(Linearization):
    """Derivative of a solution: du = -(dr/du)^-1 dr, then on through the inner stages."""

    def __init__(
        self,
        inner: ChainLinearization,
        jacobian: Array,
        unknown: str,
        residual: str,
        inputs: tuple[str, ...],
        like: Array,
    ) -> None:
        self._inner = inner
        self._jacobian = jacobian
        self._unknown, self._residual = unknown, residual
        self._inputs = inputs
        self._shape = like.shape

    def jvp(self, tangents: Values) -> Named:
        """Carry changes of the inputs to the solution and to what is made there."""
        moved = {name: tangents[name] for name in self._inputs if name in tangents}
        direct = self._inner.jvp(moved).get(self._residual, np.zeros(self._shape))
        change = -np.asarray(np.linalg.solve(self._jacobian, np.ravel(direct))).reshape(self._shape)
        result = self._inner.jvp({**moved, self._unknown: change})
        return {name: array for name, array in result.items() if name not in (*self._inputs, self._residual)}

    def vjp(self, cotangents: Values) -> Named:
        """Carry sensitivities of the solution back to the inputs."""
        outer = {name: weight for name, weight in cotangents.items() if name != self._unknown}
        direct = self._inner.vjp(outer)
        load = np.ravel(direct[self._unknown]) + np.ravel(
            cotangents.get(self._unknown, np.zeros(self._shape))
        )
        adjoint = -np.asarray(np.linalg.solve(self._jacobian.T, load)).reshape(self._shape)
        indirect = self._inner.vjp({self._residual: adjoint})
        return {name: direct[name] + indirect[name] for name in self._inputs}
