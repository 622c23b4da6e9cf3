"""`TwoScale`: a macro balance whose local law is a stage, solved at every quadrature point on the fly.

    integral of B(v) . flux(B u) = loads          for all test functions v

with B u the gradient or the strain. The law is pointwise: driven by B u at every quadrature point, it hands
back flux (or stress) and tangent, all points in one call. It may be a formula, or a cell problem: then this
is the heterogeneous multiscale method, or FE2. Newton's method with the law's own tangent converges
quadratically; where it does not from the start, the loads are applied in smaller steps.
"""

from collections.abc import Collection, Mapping
from copy import copy
from dataclasses import dataclass
from typing import cast, final

import numpy as np
from scipy.sparse import csc_matrix
from skfem import Basis

from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Linearization, Named, PointwiseStage, Stage, Values
from mscale_uq.errors import ForwardFailure, SolveFailed, WiringError, explain
from mscale_uq.macro.boundary import Source
from mscale_uq.macro.extended import ExtendedMatrix, Factor
from mscale_uq.macro.held import Conditions, Held
from mscale_uq.macro.kinematics import PointOperator

TOLERANCE = 1e-9  # of the last Newton step, relative; the error after it is its square
MAX_ITERATIONS = 30
SMALLEST_SHARE = 1e-3  # of the loads, in one step
ROUND_OFF = 1e-12
Kept = tuple[Array, csc_matrix, Factor]


@final
@dataclass(frozen=True)
class Equilibrium:
    """A balanced state.

    Attributes
    ----------
    U
        All nodal values ``(n,)``.
    residuals
        Norm of the unbalanced loads before each Newton step of the last load step.
    flux
        Of the law ``(points, fluxes)``.
    matrix, factor
        The stiffness, and the factorisation of its free block.
    """

    U: Array
    residuals: tuple[float, ...]
    flux: Array
    matrix: csc_matrix
    factor: Factor


@final
class TwoScale(Stage):
    """Solves the balance; makes every field ``(nodes,)`` and every reaction.

    Parameters
    ----------
    basis
        scikit-fem basis of one field, with named boundaries; all fields share it.
    table
        What drives the law, see `mscale_uq.macro.kinematics`.
    law
        Reads `drives` and, beside them, values that all points share or one per point ``(points,)``; makes
        `fluxes`, and perhaps more.
    drives, fluxes, fields
        Names, in the order of the table.
    boundaries
        Boundary -> field -> `Dirichlet` or `Neumann`; without one a field is free of load there.
    sources
        Field -> `Source`, a load per volume.
    reactions
        Output name -> (boundary, field): the load that holds the field there, positive in its direction.

    Raises
    ------
    WiringError
        When made, if the law does not read the drives or make the fluxes.
    InputError
        When made, if a boundary or a field is unknown, or nothing is held.
    SolveFailed
        By `value`, if loads that are a thousand times smaller still find no balance.
    """

    def __init__(
        self,
        basis: Basis,
        table: Array,
        law: PointwiseStage,
        drives: tuple[str, ...],
        fluxes: tuple[str, ...],
        fields: tuple[str, ...],
        boundaries: Conditions,
        sources: Mapping[str, Source] | None = None,
        reactions: Mapping[str, tuple[str, str]] | None = None,
        name: str = "balance",
    ) -> None:
        for words, there, what in ((drives, law.inputs, "read"), (fluxes, law.outputs, "make")):
            if not set(words) <= set(there):
                raise WiringError(explain(f"{name}: {law.name!r} does not {what} {words}", f"{there}"))
        self.law, self.drives, self.fluxes, self.fields, self.name = law, drives, fluxes, fields, name
        self.points = PointOperator(basis, table)
        self.held = Held(basis, fields, boundaries, sources or {})
        self._system = ExtendedMatrix(self.points.pattern, self.held.free, name)
        self.reactions = {key: self.held.nodes(*place) for key, place in (reactions or {}).items()}
        own = [other for other in law.inputs if other not in drives]
        self.inputs = tuple(dict.fromkeys([*own, *self.held.slots.names]))
        self.outputs = (*fields, *self.reactions)
        self._columns = [law.inputs.index(drive) for drive in drives]
        self._driven = cast(PointwiseStage, law.moved_by(set(drives)))
        self._rows = [law.outputs.index(flux) for flux in fluxes]

    def moved_by(self, names: Collection[str]) -> "TwoScale":
        """Return the same balance, whose law leaves out derivatives to values that do not move."""
        here = copy(self)
        here.law = cast(PointwiseStage, self.law.moved_by({*names, *self.drives}))
        return here

    def value(self, values: Values) -> Named:
        """Return the fields and the reactions."""
        state = self.equilibrium(values)
        return self.outputs_from(state.U, self.points.to_nodes(state.flux), self.held.fill(values))

    def linearize(self, values: Values) -> tuple[Named, "TwoScaleLinearization"]:
        """Return them and their exact derivative, by the tangent at the solution."""
        state = self.equilibrium(values)
        made = self.outputs_from(state.U, self.points.to_nodes(state.flux), self.held.fill(values))
        shapes = {name: np.shape(values[name]) for name in self.inputs}
        tangent = self.law.tangent(self._given(values, state.U))[1][:, self._rows]
        return made, TwoScaleLinearization(self, state, tangent, shapes)

    def outputs_from(self, U: Array, inner: Array, p: Array) -> Named:
        """Return fields and reactions by name, from U, the inner loads and p (or from their changes)."""
        fields = zip(self.fields, U.reshape(len(self.fields), -1), strict=True)
        unbalanced = inner - self.held.load @ p
        loads = {name: np.asarray(unbalanced[rows].sum()) for name, rows in self.reactions.items()}
        return {**{name: field.copy() for name, field in fields}, **loads}

    def equilibrium(self, values: Values) -> Equilibrium:
        """Return the balanced state."""
        p = self.held.fill(values)
        U, reached, share = np.zeros(self.points.size), 0.0, 1.0
        while True:
            target = min(1.0, reached + share)
            state = self._newton(values, U, target * p)
            if state is None:
                share /= 2
                if share < SMALLEST_SHARE:
                    shown = {name: values[name] for name in self.inputs}
                    raise SolveFailed(self.name, shown, f"no balance beyond {reached:.1%} of the loads")
                continue
            U, reached = state.U, target
            if reached == 1.0:
                return state

    def _newton(self, values: Values, U: Array, p: Array) -> Equilibrium | None:
        """Newton's method with the law's tangent and halved steps, from U; None where it gets stuck."""
        free, load = self.held.free, self.held.load @ p
        U = np.where(np.isin(np.arange(U.size), free), U, self.held.lift @ p)
        now, residuals = self._local(values, U), list[float]()
        kept: Kept | None = None
        while now is not None and len(residuals) < MAX_ITERATIONS:
            unbalanced = (self.points.to_nodes(now[0]) - load)[free]
            residuals.append(float(np.linalg.norm(unbalanced)))
            kept = self._stiffness(now[1], kept)
            step = np.zeros_like(U)
            step[free] = -kept[2].solve(unbalanced)
            if np.linalg.norm(step) <= TOLERANCE * np.linalg.norm(U) or not residuals[-1]:
                flux = now[0] + np.einsum("pij,pj->pi", kept[0], self.points.at_points(step))
                return Equilibrium(U + step, tuple(residuals), flux, *kept[1:])
            moved = self._search(values, U, step, load, residuals[-1])
            if moved is None:
                return None
            U, now = moved
        return None

    def _search(
        self, values: Values, U: Array, step: Array, load: Array, size: float
    ) -> tuple[Array, tuple[Array, Array]] | None:
        """Return the longest of the halved steps that lowers the unbalanced load, and the law there."""
        for halvings in range(10):
            trial = U + 0.5**halvings * step
            made = self._local(values, trial)
            if made is not None:
                left = np.linalg.norm((self.points.to_nodes(made[0]) - load)[self.held.free])
                if left < size:
                    return trial, made
        return None

    def _given(self, values: Values, U: Array) -> Named:
        shared = {name: np.asarray(values[name]) for name in self.law.inputs if name not in self.drives}
        return {**shared, **dict(zip(self.drives, self.points.at_points(U).T, strict=True))}

    def _local(self, values: Values, U: Array) -> tuple[Array, Array] | None:
        """Return flux and tangent of the law at every point; None where a trial is outside its domain."""
        try:
            made, tangent = self._driven.tangent(self._given(values, U))
        except ForwardFailure:
            return None
        flux, local = np.stack([made[name] for name in self.fluxes], axis=1), tangent[:, self._rows]
        good = np.isfinite(flux).all() and np.isfinite(local).all()
        return (flux, local[:, :, self._columns]) if good else None

    def _stiffness(self, local: Array, kept: Kept | None) -> Kept:
        """Return local tangent, stiffness and factor; the kept ones if a linear law has not changed them."""
        if kept is not None and np.abs(local - kept[0]).max() <= ROUND_OFF * np.abs(local).max():
            return kept
        data = self.points.stiffness(local)
        symmetric = np.abs(local - np.swapaxes(local, 1, 2)).max() <= ROUND_OFF * np.abs(local).max()
        return local, self._system.matrix(data), self._factor(data, bool(symmetric))

    def _factor(self, data: Array, symmetric: bool) -> Factor:
        """Return the factorised free block, which is definite but where the law softens."""
        try:
            return self._system.factorize(data, symmetric, definite=symmetric)
        except SolveFailed:
            if not symmetric:
                raise
        return self._system.factorize(data, symmetric, definite=False)


@final
@dataclass(frozen=True)
class TwoScaleLinearization(Linearization):
    """Derivative at a balanced state: one solve with the kept factorisation for each direction."""

    stage: TwoScale
    state: Equilibrium
    tangent: Array
    shapes: Mapping[str, tuple[int, ...]]

    def jvp(self, tangents: Values) -> Named:
        """Carry changes of the law's values and of the loads to fields and reactions."""
        stage, state, free = self.stage, self.state, self.stage.held.free
        dp, direct = stage.held.spread(tangents), np.zeros_like(state.flux)
        for column, name in enumerate(stage.law.inputs):
            if name in tangents and name not in stage.drives:
                direct += self.tangent[:, :, column] * np.asarray(tangents[name])[..., None]
        dU = stage.held.lift @ dp
        inner = stage.points.to_nodes(direct)
        unbalanced = inner + state.matrix @ dU - stage.held.load @ dp
        dU[free] = -state.factor.solve(unbalanced[free])
        return stage.outputs_from(dU, inner + state.matrix @ dU, dp)

    def vjp(self, cotangents: Values) -> Named:
        """Carry sensitivities to fields and reactions back."""
        stage, state, held = self.stage, self.state, self.stage.held
        to_U = np.concatenate(
            [np.broadcast_to(cotangents.get(name, 0.0), stage.points.size // len(stage.fields))
             for name in stage.fields]
        )  # fmt: skip
        weight = np.zeros(stage.points.size)  # of the unbalanced loads
        for name, rows in stage.reactions.items():
            weight[rows] += cotangents.get(name, 0.0)
        to_U = to_U + state.matrix.T @ weight
        adjoint = np.zeros_like(weight)
        adjoint[held.free] = -state.factor.solve_transposed(to_U[held.free])
        to_U += state.matrix.T @ adjoint
        weight += adjoint
        back = held.collect(held.lift.T @ to_U - held.load.T @ weight, self.shapes)
        at_points = stage.points.weighted(stage.points.at_points(weight))
        for column, name in enumerate(stage.law.inputs):
            if name not in stage.drives:
                part = np.einsum("pi,pi->p", at_points, self.tangent[:, :, column])
                back[name] = back.get(name, 0.0) + (part if self.shapes[name] else part.sum())
        return {name: np.asarray(back[name]) for name in self.shapes}
