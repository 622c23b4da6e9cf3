"""`TransientDiffusion`: the field in time, by an L-stable one-step method of second order."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np

from mscale_uq.core.dynamics import Dynamics
from mscale_uq.core.parameter import Array, Quantity
from mscale_uq.core.stage import Linearization, Named, Values
from mscale_uq.errors import InputError, WiringError, explain
from mscale_uq.macro.diffusion import DiffusionProblem
from mscale_uq.macro.euler import ImplicitEuler, LastEuler
from mscale_uq.solve.equal_steps import equal_steps

GAMMA = 1 - 1 / np.sqrt(2)
STRETCH = (1 - GAMMA) / GAMMA


@final
class TransientDiffusion(Dynamics):
    """Moves the nodal field by ``C du/dt = div(K grad u) - r u + q``, coefficients constant within a step.

    Each substep of length dt is the two-stage singly diagonally implicit Runge-Kutta method with
    gamma = 1 - 1/sqrt(2). On this linear equation it is: an implicit Euler step of gamma dt, a linear
    extrapolation of the field to the time (1 - gamma) dt, and a second implicit Euler step of gamma dt; both
    use one factorisation. Held nodes take their boundary value at once. The mass matrix is consistent, so
    a jump that the mesh does not resolve overshoots a little in the first substeps.

    Parameters
    ----------
    problem
        With a storage.
    max_step
        Longest substep, in the unit of time.
    field, unit
        Name and unit of the state, ``(n,)`` at `problem.nodes`.

    Raises
    ------
    InputError
        If the problem has no storage or `max_step` is not positive.

    Source: Alexander (1977), SIAM J. Numer. Anal. 14, 1006, doi:10.1137/0714068.
    """

    def __init__(self, problem: DiffusionProblem, max_step: float, field: str = "u", unit: str = "1") -> None:
        if not problem.has_storage:
            raise InputError(
                explain(f"{problem.name} has no storage", hint="DiffusionProblem(..., storage=...)")
            )
        if not max_step > 0:
            raise InputError(explain(f"max_step {max_step}", "a positive time"))
        self.problem = problem
        self.max_step = float(max_step)
        self.name = problem.name
        self.inputs = problem.inputs
        self.state = (Quantity(field, unit, shape=(problem.size,)),)
        self._kept = LastEuler()

    def step(
        self,
        states: Array,
        start: float,
        stop: float,
        values: Values,
        rng: np.random.Generator,
    ) -> Array:
        """Return the fields ``(members, n)`` at `stop`; members with equal K, r, C and h share one solve.

        Raises
        ------
        Infeasible
            If a conductivity or a storage is not positive.
        SolveFailed
            If a member cannot be moved.
        """
        count, tau = self._substeps(start, stop)
        p = self._rows(values, len(states))
        moved = np.empty(np.shape(states))
        for members in _alike(p[:, self.problem.operator_places]):
            euler = self._kept.euler(self.problem, p[members[0]], tau)
            U = self.problem.begin(states[members].T, p[members].T)
            for _ in range(count):
                U = _substep(euler, U)[-1]
            moved[members] = U[: self.problem.size].T
        return moved

    def linearize_step(
        self, state: Array, start: float, stop: float, values: Values
    ) -> tuple[Array, "TransientLinearization"]:
        """Return the field ``(n,)`` at `stop` and the exact derivative of the discrete step."""
        count, tau = self._substeps(start, stop)
        (p,) = self.problem.fill(values)
        euler = self._kept.euler(self.problem, p, tau)
        path = [self.problem.begin(state, p)]
        for _ in range(count):
            path += _substep(euler, path[-1])
        shapes = {name: np.shape(values[name]) for name in self.inputs}
        return path[-1][: self.problem.size].copy(), TransientLinearization(euler, tuple(path), shapes)

    def _substeps(self, start: float, stop: float) -> tuple[int, float]:
        """Return the number of substeps, and the length of each implicit Euler step."""
        if not stop > start:
            raise InputError(explain(f"a step from {start} to {stop}", "forward in time"))
        count = equal_steps(stop - start, self.max_step)
        return count, GAMMA * (stop - start) / count

    def _rows(self, values: Values, members: int) -> Array:
        rows = self.problem.fill(values)
        if len(rows) not in (1, members):
            raise WiringError(
                explain(
                    f"{self.name}: a value with {len(rows)} members", f"1 or {members}, as there are states"
                )
            )
        return np.broadcast_to(rows, (members, rows.shape[1]))


@final
@dataclass(frozen=True)
class TransientLinearization(Linearization):
    """Derivative of a discrete step: tangents run with the substeps, cotangents against them.

    `path` holds U at the start of the step, then after both Euler steps of every substep.
    """

    euler: ImplicitEuler
    path: tuple[Array, ...]
    shapes: Mapping[str, tuple[int, ...]]

    def jvp(self, tangents: Values) -> Named:
        """Carry changes of ``"state"`` and of the coefficients to the state."""
        problem, euler = self.euler.problem, self.euler
        dp = problem.slots.spread(tangents, self.shapes)
        dA, dM = problem.system.matrix(problem.stiffness @ dp), problem.system.matrix(problem.mass @ dp)
        dU = problem.begin(tangents.get("state", np.zeros(problem.size)), dp)
        for U, Y, end in self._substeps():
            dY = euler.tangent(U, Y, dU, dA, dM)
            dU = euler.tangent(_stretch(U, Y), end, _stretch(dU, dY), dA, dM)
        return {"state": dU[: problem.size].copy()}

    def vjp(self, cotangents: Values) -> Named:
        """Carry a sensitivity to the state back to ``"state"`` and the coefficients."""
        problem, euler = self.euler.problem, self.euler
        to_U = np.zeros(self.path[0].size)
        to_U[: problem.size] = cotangents.get("state", 0.0)
        to_A, to_M = np.zeros(euler.matrix.nnz), np.zeros(euler.matrix.nnz)
        for U, Y, end in reversed(self._substeps()):
            to_V, second_A, second_M = euler.adjoint(_stretch(U, Y), end, to_U)
            to_U, first_A, first_M = euler.adjoint(U, Y, STRETCH * to_V)
            to_U += (1 - STRETCH) * to_V
            to_A += first_A + second_A
            to_M += first_M + second_M
        to_p = problem.stiffness.T @ to_A + problem.mass.T @ to_M + problem.lift.T @ to_U
        to_state = np.zeros(problem.size)
        to_state[problem.system.free] = to_U[problem.system.free]
        return {"state": to_state, **problem.slots.collect(to_p, self.shapes)}

    def _substeps(self) -> list[tuple[Array, Array, Array]]:
        return list(zip(self.path[:-2:2], self.path[1:-1:2], self.path[2::2], strict=True))


def _substep(euler: ImplicitEuler, U: Array) -> tuple[Array, Array]:
    """Return U after the first and after the second stage."""
    Y = euler.step(U)
    return Y, euler.step(_stretch(U, Y))


def _stretch(U: Array, Y: Array) -> Array:
    """Extrapolate the field from the time of the first stage to the start of the second."""
    return U + STRETCH * (Y - U)


def _alike(rows: Array) -> list[np.ndarray]:
    """Return groups of numbers of equal rows."""
    _, group = np.unique(rows, axis=0, return_inverse=True)
    return [np.flatnonzero(group == one) for one in range(group.max() + 1)]
