"""`WeakForm`: collects the terms of a diffusion problem, each with the coefficients it is linear in."""

from collections.abc import Iterable, Sequence
from functools import singledispatchmethod
from typing import Any, final

import numpy as np
from scipy.sparse import csr_array
from skfem import Basis, FacetBasis

from mscale_uq.core.parameter import Array
from mscale_uq.errors import InputError, explain, near_match
from mscale_uq.macro.assembly import Contributions, at, conduction_of, content, matrix_of, stack, vector_of
from mscale_uq.macro.boundary import Condition, Dirichlet, Neumann, Profile, Robin, Source
from mscale_uq.macro.coefficient import Coefficient, Kind, Slots, coefficient
from mscale_uq.macro.extended import ExtendedMatrix
from mscale_uq.macro.sparse_map import SparseMap
from mscale_uq.solve.linear import SparsePattern

ONE = 0  # the place of the number one in p
PER_ELEMENT: tuple[Kind, ...] = ("scalar", "elements")


@final
class WeakForm:
    """The terms of one problem while it is being made; nothing of it is kept.

    Attributes
    ----------
    slots
        The vector p of all coefficients.
    conductivity, storage
        Places of K and C in p, in the shapes of their values; empty where there is none.
    sinks
        Places of the reaction and of the boundary exchanges, which keep the matrix definite if not negative.
    fixes_level
        Whether anything keeps the field from being shifted by a constant.
    """

    def __init__(self, basis: Basis) -> None:
        self.slots = Slots(basis.mesh.dim(), basis.mesh.nelements)
        self.conductivity = np.zeros(0, dtype=int)
        self.storage = np.zeros(0, dtype=int)
        self.sinks: list[int] = []
        self.fixes_level = False
        self._basis = basis
        self._steady: list[Contributions] = []
        self._rate: list[Contributions] = []
        self._held: list[Contributions] = []  # rows of U, filled by p
        self._dirichlet: dict[str, np.ndarray] = {}  # boundary -> all its nodes
        self._flow_rows: dict[str, int] = {}  # boundary -> extra row with its inflow
        self._columns = basis.N

    def add_conduction(self, K: Any) -> None:
        """Add K grad u . grad v."""
        self.conductivity = self.slots.add(coefficient(K))
        self._steady += conduction_of(self._basis, self.conductivity)

    def add_reaction(self, r: Any) -> None:
        """Add r u v."""
        entry = coefficient(r, PER_ELEMENT)
        places = self.slots.add(entry)
        self._steady.append(matrix_of(content, self._basis, places))
        self._sink(entry, places)

    def add_storage(self, C: Any) -> None:
        """Add C du/dt v."""
        self.storage = self.slots.add(coefficient(C, PER_ELEMENT))
        self._rate.append(matrix_of(content, self._basis, self.storage))

    def add_source(self, source: Source) -> None:
        """Add - q v."""
        places = self.slots.add(coefficient(source.strength, PER_ELEMENT))
        columns = self._known(places)
        rows, weights, element = vector_of(self._basis, source.profile)
        self._steady.append(at(rows, columns[element] if columns.ndim else columns, ONE, -weights))

    def add_boundary(self, name: str, condition: Condition) -> None:
        """Add the terms of a condition on a named boundary."""
        self._check_boundary(name)
        self._add(condition, name)

    @singledispatchmethod
    def _add(self, condition: Any, name: str) -> None:
        raise InputError(
            explain(f"boundary {name!r} has the condition {condition!r}", "Dirichlet, Neumann, Robin")
        )

    @_add.register
    def _(self, condition: Dirichlet, name: str) -> None:
        nodes = np.asarray(self._basis.get_dofs(name).flatten())
        new = np.setdiff1d(nodes, self.held_nodes())
        self._dirichlet[name] = nodes
        place = self.slots.add(coefficient(condition.value, ("scalar",)))
        weight = 1.0 if condition.profile is None else condition.profile(self._basis.doflocs[:, new])
        self._held.append(at(new, 0, place, weight))
        self.fixes_level = True

    @_add.register
    def _(self, condition: Neumann, name: str) -> None:
        column = self._known(self.slots.add(coefficient(condition.inflow, ("scalar",))))
        rows, weights = self._boundary_load(name, condition.profile)
        self._steady.append(at(rows, column, ONE, -weights))
        self._steady.append(at(self._flow_row(name), column, ONE, weights.sum()))

    @_add.register
    def _(self, condition: Robin, name: str) -> None:
        entry = coefficient(condition.exchange, ("scalar",))
        h = self.slots.add(entry)
        ambient = self._known(self.slots.add(coefficient(condition.ambient, ("scalar",))))
        rows, weights = self._boundary_load(name, None)
        flow = self._flow_row(name)
        self._steady += [
            matrix_of(content, self._facets(name), h),
            at(rows, ambient, h, -weights),
            at(flow, ambient, h, weights.sum()),
            at(flow, rows, h, -weights),
        ]
        self._sink(entry, h)

    def held_nodes(self) -> np.ndarray:
        """Return the nodes on all Dirichlet boundaries."""
        return np.unique(np.concatenate([np.zeros(0, dtype=int), *self._dirichlet.values()]))

    def matrices(self, name: str) -> tuple[ExtendedMatrix, SparseMap, SparseMap]:
        """Return the pattern, and the maps from p to the stored entries of A and of M."""
        free = np.setdiff1d(np.arange(self._basis.N), self.held_nodes())
        if free.size == 0:
            raise InputError(explain("every node lies on a Dirichlet boundary", hint="refine the mesh"))
        parts = stack([*self._steady, *self._rate])
        shape = (self._basis.N + len(self._flow_rows), self._columns)
        pattern = SparsePattern(parts.rows, parts.columns, shape)
        first_rate = sum(part.rows.size for part in self._steady)
        maps = [
            SparseMap(pattern.gather @ _by_slot(parts, chosen, self.slots.size))
            for chosen in (np.arange(first_rate), np.arange(first_rate, parts.rows.size))
        ]
        return ExtendedMatrix(pattern, free, name), maps[0], maps[1]

    def lift(self) -> SparseMap:
        """Return the map from p to U with zeros in the free nodes."""
        held = stack([*self._held, at([], [], [], [])])
        places = (held.rows.astype(int), held.slots.astype(int))
        return SparseMap(csr_array((held.weights, places), shape=(self._columns, self.slots.size)))

    def flows(self, wanted: Iterable[str | Sequence[str]]) -> SparseMap:
        """Return the map from the rows of A U to the inflow through each wanted union of boundaries."""
        chosen = [(one,) if isinstance(one, str) else tuple(one) for one in wanted]
        rows = [self._flow(names) for names in chosen]
        places = [at(index, row, 0, 1.0) for index, row in enumerate(rows)]
        all_ = stack([*places, at([], [], [], [])])
        shape = (len(rows), self._basis.N + len(self._flow_rows))
        return SparseMap(
            csr_array((all_.weights, (all_.rows.astype(int), all_.columns.astype(int))), shape=shape)
        )

    def _flow(self, names: tuple[str, ...]) -> np.ndarray:
        """Return the rows that add up to the inflow through a union of boundaries."""
        for name in names:
            self._check_boundary(name)
            if name not in self._dirichlet and name not in self._flow_rows:
                raise InputError(
                    explain(
                        f"flux through {name!r}, which is insulated: always zero", hint="give it a condition"
                    )
                )
        held = [self._dirichlet[name] for name in names if name in self._dirichlet]
        nodes = np.unique(np.concatenate([np.zeros(0, dtype=int), *held]))
        for other in set(self._dirichlet) - set(names):
            if np.intersect1d(nodes, self._dirichlet[other]).size:
                raise InputError(
                    explain(
                        f"flux through {names}, which shares a held corner with {other!r}",
                        "boundaries whose neighbours are insulated, Neumann or Robin",
                        f"ask for the flux through {(*names, other)} together: only their sum is defined",
                    )
                )
        extra = [self._flow_rows[name] for name in names if name in self._flow_rows]
        return np.concatenate([nodes, np.asarray(extra, dtype=int)])

    def _known(self, places: np.ndarray) -> np.ndarray:
        """Append known values to U, filled from p at `places`; return their columns, shaped alike."""
        columns = self._columns + np.arange(places.size).reshape(places.shape)
        self._columns += places.size
        self._held.append(at(columns, 0, places, 1.0))
        return columns

    def _flow_row(self, name: str) -> int:
        self._flow_rows[name] = self._basis.N + len(self._flow_rows)
        return self._flow_rows[name]

    def _sink(self, entry: Coefficient, places: np.ndarray) -> None:
        self.sinks += [int(place) for place in np.ravel(places)]
        self.fixes_level |= entry.name is not None or bool(np.any(np.asarray(entry.given) != 0))

    def _facets(self, name: str) -> FacetBasis:
        return self._basis.boundary(name)

    def _boundary_load(self, name: str, profile: Profile | None) -> tuple[np.ndarray, Array]:
        return vector_of(self._facets(name), profile)[:2]

    def _check_boundary(self, name: str) -> None:
        known = self._basis.mesh.boundaries or {}
        if name not in known:
            raise InputError(
                explain(
                    f"unknown boundary {name!r}{near_match(name, known)}",
                    ", ".join(sorted(known)) or "none: the mesh has no named boundaries",
                    "name facets with mesh.with_boundaries({name: function of coordinates})",
                )
            )


def _by_slot(parts: Contributions, chosen: np.ndarray, size: int) -> csr_array:
    """Return the map from p ``(size,)`` to the contributions, zero for those that are not chosen."""
    return csr_array((parts.weights[chosen], (chosen, parts.slots[chosen])), shape=(parts.rows.size, size))
