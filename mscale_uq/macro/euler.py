"""`ImplicitEuler`: the step of first order of which better steps are made, with its tangent and adjoint."""

from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.sparse import csc_matrix

from mscale_uq.core.parameter import Array
from mscale_uq.macro.diffusion import DiffusionProblem
from mscale_uq.macro.extended import Factor


@final
@dataclass(frozen=True)
class ImplicitEuler:
    """One implicit Euler step ``M (Y - V) + tau A Y = 0`` from V to Y, in the free rows, and its derivative.

    V and Y hold nodal values and known values; what is held or known is the same in both.
    """

    problem: DiffusionProblem
    tau: float
    matrix: csc_matrix
    factor: Factor

    def step(self, V: Array) -> Array:
        """Return Y for V, ``(columns,)`` or ``(columns, members)``."""
        free, Y = self.problem.system.free, V.copy()
        Y[free] -= self.tau * self.factor.solve((self.matrix @ V)[free])
        return Y

    def tangent(self, V: Array, Y: Array, dV: Array, dA: csc_matrix, dM: csc_matrix) -> Array:
        """Return the change of Y for changes of V, A and M."""
        free, dY = self.problem.system.free, dV.copy()
        change = dM @ (Y - V) + self.tau * (dA @ Y + self.matrix @ dV)
        dY[free] -= self.factor.solve(change[free])
        return dY

    def adjoint(self, V: Array, Y: Array, to_Y: Array) -> tuple[Array, Array, Array]:
        """Return the sensitivities to V, and to the stored entries of A and of M."""
        free, multiplier = self.problem.system.free, np.zeros(self.matrix.shape[0])
        multiplier[free] = -self.factor.solve_transposed(to_Y[free])
        outer = self.problem.system.outer
        to_V = to_Y + self.tau * (self.matrix.T @ multiplier)
        return to_V, self.tau * outer(multiplier, Y), outer(multiplier, Y - V)


@final
class LastEuler:
    """Keeps the last factorisation, since steps of equal length repeat it; it is not pickled."""

    def __init__(self) -> None:
        self._last: tuple[object, ImplicitEuler] | None = None

    def __reduce__(self) -> tuple[type["LastEuler"], tuple[()]]:
        return (LastEuler, ())

    def euler(self, problem: DiffusionProblem, p: Array, tau: float) -> ImplicitEuler:
        """Return the implicit Euler step of length `tau` at `p`."""
        key, last = (p[problem.operator_places].tobytes(), tau), self._last
        if last is None or last[0] != key:
            data = problem.stiffness @ p
            factor = problem.factorize(problem.mass @ p + tau * data, p)
            last = (key, ImplicitEuler(problem, tau, problem.system.matrix(data), factor))
            self._last = last
        return last[1]
