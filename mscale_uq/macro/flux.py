"""`BoundaryFlux`: the flows through boundaries that belong to a field which is changing in time."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.sparse import csc_matrix

from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Linearization, Named, Stage, Values
from mscale_uq.errors import InputError, WiringError, explain
from mscale_uq.macro.diffusion import DiffusionProblem
from mscale_uq.macro.extended import Factor


@final
class BoundaryFlux(Stage):
    """Reads a nodal field ``(n,)`` and the coefficients; makes the problem's fluxes at that instant.

    The rate of change follows from the equation itself, ``M v = -A U`` in the free rows, and the inflow at
    held nodes from ``A U + M v``, so that inflows, sources, reaction and storage balance to round-off. It
    observes a state of `TransientDiffusion`; `SteadyDiffusion` makes its own fluxes.

    Raises
    ------
    InputError
        If the problem has no storage, or declares no fluxes.
    """

    def __init__(self, problem: DiffusionProblem, field: str = "u") -> None:
        if not (problem.has_storage and problem.flux_names):
            raise InputError(
                explain(f"{problem.name} without a storage or without fluxes", hint="give it both")
            )
        self.problem = problem
        self.field = field
        self.name = f"{problem.name} flux"
        self.inputs = (field, *problem.inputs)
        self.outputs = problem.flux_names

    def value(self, values: Values) -> Named:
        """Return the fluxes.

        Raises
        ------
        Infeasible
            If a conductivity or a storage is not positive.
        """
        return self._solve(values).named()

    def linearize(self, values: Values) -> tuple[Named, Linearization]:
        """Return the fluxes and their exact derivative, also to the field."""
        solved = self._solve(values)
        return solved.named(), solved

    def _solve(self, values: Values) -> "FluxLinearization":
        problem, free = self.problem, self.problem.system.free
        rows = problem.fill(values)
        if len(rows) != 1 or np.shape(values[self.field]) != (problem.size,):
            raise WiringError(
                explain(f"{self.name}: more than one field at a time", f"a field ({problem.size},)")
            )
        A, M = (problem.system.matrix(form @ rows[0]) for form in (problem.stiffness, problem.mass))
        factor = problem.factorize(M.data, rows[0])
        U = problem.begin(values[self.field], rows[0])
        rate = np.zeros_like(U)
        rate[free] = -factor.solve((A @ U)[free])
        shapes = {name: np.shape(values[name]) for name in problem.inputs}
        return FluxLinearization(self, shapes, A, M, factor, U, rate)


@final
@dataclass(frozen=True)
class FluxLinearization(Linearization):
    """The solved equations ``(A U + M rate)_free = 0`` and the derivative of the fluxes there."""

    stage: BoundaryFlux
    shapes: Mapping[str, tuple[int, ...]]
    A: csc_matrix
    M: csc_matrix
    factor: Factor
    U: Array
    rate: Array

    def named(self) -> Named:
        """Return the fluxes by name."""
        return self._by_name(self.A @ self.U + self.M @ self.rate)

    def jvp(self, tangents: Values) -> Named:
        """Carry changes of field and coefficients to the fluxes."""
        problem, free = self.stage.problem, self.stage.problem.system.free
        dp = problem.slots.spread(tangents, self.shapes)
        dU = problem.begin(tangents.get(self.stage.field, np.zeros(problem.size)), dp)
        dA, dM = (problem.system.matrix(form @ dp) for form in (problem.stiffness, problem.mass))
        change, rate = dA @ self.U + self.A @ dU + dM @ self.rate, np.zeros_like(dU)
        rate[free] = -self.factor.solve(change[free])
        return self._by_name(change + self.M @ rate)

    def vjp(self, cotangents: Values) -> Named:
        """Carry sensitivities to the fluxes back to field and coefficients."""
        problem, free, outer = (
            self.stage.problem,
            self.stage.problem.system.free,
            self.stage.problem.system.outer,
        )
        multiplier = problem.flows.T @ np.array(
            [float(cotangents.get(name, 0.0)) for name in self.stage.outputs]
        )
        multiplier[free] = -self.factor.solve_transposed((self.M.T @ multiplier)[free])
        to_U = self.A.T @ multiplier
        to_p = problem.stiffness.T @ outer(multiplier, self.U) + problem.mass.T @ outer(multiplier, self.rate)
        to_field = np.zeros(problem.size)
        to_field[free] = to_U[free]
        return {
            self.stage.field: to_field,
            **problem.slots.collect(to_p + problem.lift.T @ to_U, self.shapes),
        }

    def _by_name(self, residual: Array) -> Named:
        flows = self.stage.problem.flows @ residual
        return {name: np.asarray(flow) for name, flow in zip(self.stage.outputs, flows, strict=True)}
