"""What holds and loads the fields of a balance, as sparse maps of one vector of numbers.

Numbers may be given, or named and read; see `mscale_uq.macro.boundary` for the conditions.
"""

from collections.abc import Mapping
from typing import final

import numpy as np
from scipy.sparse import csr_array
from skfem import Basis

from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Named, Values
from mscale_uq.errors import InputError, explain, near_match
from mscale_uq.macro.assembly import Contributions, at, stack, vector_of
from mscale_uq.macro.boundary import Dirichlet, Neumann, Profile, Source
from mscale_uq.macro.coefficient import Slots, coefficient
from mscale_uq.macro.sparse_map import SparseMap

Conditions = Mapping[str, Mapping[str, Dirichlet | Neumann]]


@final
class Held:
    """Held values and loads of the fields.

    Parameters
    ----------
    basis
        Of every field.
    fields
        Their names.
    boundaries
        Boundary -> field -> condition; a field without one is free there.
    sources
        Field -> source inside.

    Attributes
    ----------
    free, held
        Numbers of the unknowns that are solved for, and of the others.
    lift, load
        Maps from p to the held values and to the loads, ``(n,)`` each.
    """

    def __init__(
        self, basis: Basis, fields: tuple[str, ...], boundaries: Conditions, sources: Mapping[str, Source]
    ) -> None:
        self._basis, self._fields = basis, fields
        self.slots = Slots(basis.mesh.dim(), basis.mesh.nelements)
        lift, load = [at([], [], [], [])], [at([], [], [], [])]
        taken = np.zeros(0, dtype=int)
        for boundary, conditions in boundaries.items():
            for field, condition in conditions.items():
                if isinstance(condition, Dirichlet):
                    new = np.setdiff1d(self.nodes(boundary, field), taken)
                    taken = np.union1d(taken, new)
                    lift.append(self._held(condition, field, new))
                else:
                    place = self.slots.add(coefficient(condition.inflow, ("scalar",)))
                    load.append(self._loaded(basis.boundary(boundary), condition.profile, field, place))
        for field, source in sources.items():
            place = self.slots.add(coefficient(source.strength, ("scalar",)))
            load.append(self._loaded(basis, source.profile, field, place))
        size = len(fields) * basis.N
        self.held, self.free = taken, np.setdiff1d(np.arange(size), taken)
        if not (self.held.size and self.free.size):
            raise InputError(explain(f"{self.held.size} of {size} values held", "some, but not all"))
        self.lift, self.load = (_map(parts, size, self.slots.size) for parts in (lift, load))

    def nodes(self, boundary: str, field: str) -> np.ndarray:
        """Return the numbers of a field's values on a boundary."""
        known = self._basis.mesh.boundaries or {}
        for given, words in ((boundary, list(known)), (field, list(self._fields))):
            if given not in words:
                raise InputError(explain(f"unknown {given!r}{near_match(given, words)}", ", ".join(words)))
        return np.asarray(self._basis.get_dofs(boundary).flatten()) + self._first(field)

    def fill(self, values: Values) -> Array:
        """Return p."""
        return np.asarray(self.slots.fill(values, self.slots.names)[0])

    def spread(self, tangents: Values) -> Array:
        """Return the change of p."""
        return self.slots.spread(tangents, self.slots.names)

    def collect(self, weights: Array, shapes: Mapping[str, tuple[int, ...]]) -> Named:
        """Return sensitivities to p as sensitivities to the named values."""
        return self.slots.collect(weights, {name: shapes[name] for name in self.slots.names})

    def _first(self, field: str) -> int:
        return self._fields.index(field) * int(self._basis.N)

    def _held(self, condition: Dirichlet, field: str, new: np.ndarray) -> Contributions:
        place = self.slots.add(coefficient(condition.value, ("scalar",)))
        where = self._basis.doflocs[:, new - self._first(field)]
        return at(new, 0, place, 1.0 if condition.profile is None else condition.profile(where))

    def _loaded(
        self, basis: Basis, profile: Profile | Array | None, field: str, place: np.ndarray
    ) -> Contributions:
        rows, weights, _ = vector_of(basis, profile)
        return at(rows + self._first(field), 0, place, weights)


def _map(parts: list[Contributions], rows: int, columns: int) -> SparseMap:
    all_ = stack(parts)
    places = (all_.rows.astype(int), all_.slots.astype(int))
    return SparseMap(csr_array((all_.weights, places), shape=(rows, columns)))
