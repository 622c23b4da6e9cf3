"""`SteadyDiffusion`: the field and the boundary flows where nothing changes in time."""

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
class SteadyDiffusion(Stage):
    """Solves ``-div(K grad u) + r u = q`` and makes the nodal field and the problem's fluxes.

    Reads the coefficients that the problem names. Makes `field` ``(n,)``, at `problem.nodes`, and one number
    per flux: the inflow integrated over its boundaries (per depth in 2-D, per area in 1-D). One
    factorisation serves value, tangent and adjoint.

    Raises
    ------
    InputError
        If nothing fixes the level of the field: no Dirichlet, no Robin, no reaction.
    """

    def __init__(self, problem: DiffusionProblem, field: str = "u") -> None:
        if not problem.fixes_level:
            raise InputError(
                explain(
                    f"{problem.name}: a steady field known only up to a constant",
                    hint="add a Dirichlet or Robin boundary or a reaction, or solve it in time",
                )
            )
        self.problem = problem
        self.field = field
        self.name = problem.name
        self.inputs = problem.steady_inputs
        self.outputs = (field, *problem.flux_names)

    def value(self, values: Values) -> Named:
        """Return the field and the fluxes.

        Raises
        ------
        Infeasible
            If a conductivity is not positive definite.
        SolveFailed
            If the equation has no unique solution here.
        """
        matrix, _, U = self._solve(values)
        return self.outputs_from(U, matrix @ U)

    def linearize(self, values: Values) -> tuple[Named, "SteadyLinearization"]:
        """Return the field, the fluxes and their exact derivative."""
        matrix, factor, U = self._solve(values)
        shapes = {name: np.shape(values[name]) for name in self.inputs}
        return self.outputs_from(U, matrix @ U), SteadyLinearization(self, shapes, matrix, factor, U)

    def outputs_from(self, U: Array, residual: Array) -> Named:
        """Return field and fluxes by name, from U and A U (or from their changes)."""
        flows = self.problem.flows @ residual
        named = zip(self.problem.flux_names, flows, strict=True)
        return {self.field: U[: self.problem.size].copy(), **{name: np.asarray(flow) for name, flow in named}}

    def _solve(self, values: Values) -> tuple[csc_matrix, Factor, Array]:
        problem, free = self.problem, self.problem.system.free
        rows = problem.fill_steady(values)
        if len(rows) != 1:
            raise WiringError(
                explain(f"{self.name}: a value with {len(rows)} members", "one value at a time")
            )
        data = problem.stiffness @ rows[0]
        matrix, factor = problem.system.matrix(data), problem.factorize(data, rows[0])
        U = problem.lift @ rows[0]
        U[free] = -factor.solve((matrix @ U)[free])
        return matrix, factor, U


@final
@dataclass(frozen=True)
class SteadyLinearization(Linearization):
    """Derivative of the steady field and fluxes; each direction costs one solve with the kept factorisation.

    The equations ``(A(p) U)_free = 0``, with U = lift(p) in the held places, are linear in p and in U.
    """

    stage: SteadyDiffusion
    shapes: Mapping[str, tuple[int, ...]]
    matrix: csc_matrix
    factor: Factor
    U: Array

    def jvp(self, tangents: Values) -> Named:
        """Carry changes of the coefficients to the field and the fluxes."""
        problem, free = self.stage.problem, self.stage.problem.system.free
        dp = problem.slots.spread(tangents, self.stage.inputs)
        dU = problem.lift @ dp
        of_A = problem.system.matrix(problem.stiffness @ dp) @ self.U
        dU[free] = -self.factor.solve((of_A + self.matrix @ dU)[free])
        return self.stage.outputs_from(dU, of_A + self.matrix @ dU)

    def vjp(self, cotangents: Values) -> Named:
        """Carry sensitivities to the field and the fluxes back to the coefficients."""
        problem, free = self.stage.problem, self.stage.problem.system.free
        multiplier = problem.flows.T @ np.array(
            [float(cotangents.get(name, 0.0)) for name in problem.flux_names]
        )
        to_U = self.matrix.T @ multiplier
        to_U[: problem.size] += cotangents.get(self.stage.field, 0.0)
        multiplier[free] = -self.factor.solve_transposed(to_U[free])
        to_U += self.matrix.T @ _only(multiplier, free)
        to_p = problem.stiffness.T @ problem.system.outer(multiplier, self.U) + problem.lift.T @ to_U
        return problem.slots.collect(to_p, self.shapes)


def _only(vector: Array, places: np.ndarray) -> Array:
    kept = np.zeros_like(vector)
    kept[places] = vector[places]
    return kept
