"""Diffusion with reaction on a mesh, as one extended matrix that is linear in all coefficients.

    C du/dt - div(K grad u) + r u = q                                        inside
    u = u_b   or   n . K grad u = g   or   n . K grad u = h (u_a - u)        on named boundaries

With p the vector of all coefficients, U = (nodal values, known values), A(p) the extended matrix and M(p)
that of storage, the equations are ``M du/dt + A U = 0`` in the free rows. The other rows give the flows
through boundaries: the residual at held nodes is the inflow that holds them, which converges at twice the
order of a difference taken at the wall. A, M and the held values are sparse maps of p, worked out once, so
values, tangents and adjoints are products with these maps and solves with one factorisation.
"""

from collections.abc import Mapping, Sequence
from typing import final

import numpy as np
from numpy.typing import ArrayLike
from skfem import Basis

from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Values
from mscale_uq.errors import Infeasible
from mscale_uq.macro.boundary import Condition, Source
from mscale_uq.macro.coefficient import Coefficient
from mscale_uq.macro.extended import Factor
from mscale_uq.macro.weakform import WeakForm

ROUND_OFF = 1e-14  # relative difference of K_ij and K_ji that an effective tensor may have


@final
class DiffusionProblem:
    """The equation, its mesh and its boundary conditions; what steady and transient solvers share.

    Parameters
    ----------
    basis
        scikit-fem basis: mesh (1-D or 2-D, with named boundaries) and element (P1, P2, Q1, ...).
    conductivity
        K. This and all other coefficients: a number or array, the name of a value, or a `Coefficient`.
    reaction, storage
        r and C, one number or one per element; none unless given.
    sources
        One or several; they add up.
    boundaries
        Boundary name -> condition. A boundary without one is insulated. A node on two `Dirichlet` boundaries
        belongs to the one named first.
    fluxes
        Output name -> boundary, or several: the inflow integrated over them, positive into the domain (an
        uptake).

    Raises
    ------
    InputError
        If a boundary does not exist, or a flux is not defined.

    Attributes
    ----------
    nodes
        Coordinates of the nodal values ``(n, dimension)`` in m.
    inputs, steady_inputs
        Names of the values that are read, and of those without the storage.
    """

    def __init__(
        self,
        basis: Basis,
        conductivity: Coefficient | str | ArrayLike,
        reaction: Coefficient | str | ArrayLike | None = None,
        storage: Coefficient | str | ArrayLike | None = None,
        sources: Source | Sequence[Source] = (),
        boundaries: Mapping[str, Condition] | None = None,
        fluxes: Mapping[str, str | Sequence[str]] | None = None,
        name: str = "diffusion",
    ) -> None:
        form = WeakForm(basis)
        form.add_conduction(conductivity)
        if reaction is not None:
            form.add_reaction(reaction)
        if storage is not None:
            form.add_storage(storage)
        for source in [sources] if isinstance(sources, Source) else sources:
            form.add_source(source)
        for boundary, condition in (boundaries or {}).items():
            form.add_boundary(boundary, condition)
        self.name = name
        self.size = basis.N
        self.nodes: Array = basis.doflocs.T.copy()
        self.flux_names = tuple(fluxes or {})
        self.fixes_level = form.fixes_level
        self.slots = form.slots
        self.flows = form.flows((fluxes or {}).values())
        self.system, self.stiffness, self.mass = form.matrices(name)
        self.lift = form.lift()
        self.inputs = self.slots.names
        self.steady_inputs = self.slots.names_at(np.union1d(self.stiffness.used, self.lift.used))
        # Where p enters A or M; members that differ elsewhere only share a factorisation.
        self.operator_places = np.union1d(self.stiffness.used, self.mass.used)
        self._conductivity, self._storage = form.conductivity, form.storage
        self._sinks = np.array(form.sinks, dtype=int)

    @property
    def has_storage(self) -> bool:
        """Whether the problem can move in time."""
        return self._storage.size > 0

    def fill_steady(self, values: Values) -> Array:
        """Return p as rows ``(1 or members, size of p)``, from `steady_inputs` alone.

        Raises
        ------
        Infeasible
            If a conductivity is not positive definite.
        WiringError
            If a value has the wrong shape.
        """
        p = self.slots.fill(values, self.steady_inputs)
        self._check(self._diffuses(p), "the conductivity is not positive", values)
        return p

    def fill(self, values: Values) -> Array:
        """Return p as `fill_steady` does, from all `inputs`; a storage must be positive too."""
        p = self.slots.fill(values, self.inputs)
        self._check(self._diffuses(p), "the conductivity is not positive", values)
        self._check(not (p[:, self._storage] <= 0).any(), "the storage is not positive", values)
        return p

    def begin(self, field: Array, p: Array) -> Array:
        """Return U ``(columns, ...)``: the nodal `field` ``(n, ...)`` where it is free, else what p says."""
        U = self.lift @ p
        U[self.system.free] = np.asarray(field)[self.system.free]
        return U

    def factorize(self, data: Array, p: Array) -> Factor:
        """Return the factorised free block of the matrix with the stored entries `data`, made at `p`."""
        definite = bool((p[self._sinks] >= 0).all())
        return self.system.factorize(data, self._is_symmetric(p), definite)

    def _is_symmetric(self, p: Array) -> bool:
        if self._conductivity.ndim < 2:
            return True
        K = p[self._conductivity]
        return bool(np.abs(K - np.swapaxes(K, -1, -2)).max() <= ROUND_OFF * np.abs(K).max())

    def _check(self, holds: bool, otherwise: str, values: Values) -> None:
        if not holds:
            raise Infeasible(
                self.name, {name: values[name] for name in self.inputs if name in values}, otherwise
            )

    def _diffuses(self, p: Array) -> bool:
        """Whether K is positive definite in every row of p; NaN is left to the solver to report."""
        K = p[:, self._conductivity]
        if self._conductivity.ndim < 2:
            return not (K <= 0).any()
        symmetric = (K + np.swapaxes(K, -1, -2)) / 2
        leading = [np.linalg.det(symmetric[..., :m, :m]) for m in range(1, K.shape[-1] + 1)]
        return not any((minor <= 0).any() for minor in leading)
