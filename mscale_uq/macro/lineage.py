"""`Lineage`: which cell comes from which, and when each of them was born."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import inf
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from mscale_uq.core.stage import Named, Values
from mscale_uq.errors import InputError, explain

PARENT, BORN = "parent", "born"  # names of values, and of coordinates of a system


@final
@dataclass(frozen=True)
class Lineage:
    """Cells by their places; a mother is gone when her daughters are born.

    Attributes
    ----------
    parent
        Place of each cell's mother; its own for a cell that is there from the start.
    born
        Time of each cell's birth, that of the division; of no meaning for a cell without a mother.
    names
        What the cells are called in messages; their places if nothing is said.

    Raises
    ------
    InputError
        If a mother is no cell, has more than two daughters, or daughters of different ages, or a cell is born
        before its mother.
    """

    parent: tuple[int, ...]
    born: tuple[float, ...]
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, values: Values, names: tuple[str, ...] = ()) -> "Lineage":
        """Return what named values say, `PARENT` and `BORN`."""
        parent, born = (np.asarray(values[name], dtype=float) for name in (PARENT, BORN))
        return _remembered(parent.tobytes(), born.tobytes(), names)

    def __post_init__(self) -> None:
        for cell, mother in enumerate(self.parent):
            if not 0 <= mother < len(self.parent):
                raise InputError(
                    explain(f"the mother of cell {self.name(cell)} is {mother}", "one of the cells")
                )
            if mother != cell and not self.since(mother) < self.born[cell] < inf:
                given = f"cell {self.name(cell)}, born at {self.born[cell]:g}, is not younger than its mother"
                raise InputError(explain(given, "a later division"))
        for mother, daughters in self.daughters.items():
            if len(daughters) > 2 or len({self.born[one] for one in daughters}) > 1:
                given = f"cell {self.name(mother)} has the daughters {', '.join(map(self.name, daughters))}"
                raise InputError(explain(given, "at most two, born at one time"))

    @cached_property
    def daughters(self) -> Mapping[int, tuple[int, ...]]:
        """Mother -> those of her daughters that are followed."""
        found: dict[int, tuple[int, ...]] = {}
        for cell, mother in enumerate(self.parent):
            if mother != cell:
                found[mother] = (*found.get(mother, ()), cell)
        return found

    def since(self, cell: int) -> float:
        """Return when a cell was born; minus infinity if it is there from the start."""
        return -inf if self.parent[cell] == cell else self.born[cell]

    def until(self, cell: int) -> float:
        """Return when a cell divides; infinity if it does not."""
        return self.born[self.daughters[cell][0]] if cell in self.daughters else inf

    def name(self, cell: int) -> str:
        """Return what a cell is called."""
        return self.names[cell] if self.names else str(cell)

    def absent(self, cell: int, time: float) -> str:
        """Return why a cell cannot be read at a time; nothing if it is there."""
        born, gone = self.since(cell), self.until(cell)
        if born <= time < gone:
            return ""
        given, hint = f"cell {self.name(cell)} is read at {time:g}", "a division lies between two frames"
        if time < born:
            return explain(given, f"from its birth at {born:g} on", hint)
        return explain(given, f"before it divides at {gone:g}", hint)

    def births(self, start: float, stop: float, cells: Iterable[int] | None = None) -> list[float]:
        """Return when cells, some or all, were born: after `start` and not after `stop`, in order."""
        times = {self.since(cell) for cell in (range(len(self.parent)) if cells is None else cells)}
        return sorted(time for time in times if start < time <= stop)

    def families(self, time: float) -> list[tuple[int, ...]]:
        """Return the cells that hang together by divisions up to a time, those that are gone included."""
        found: dict[int, list[int]] = {}
        for cell in range(len(self.parent)):
            if self.since(cell) <= time:
                found.setdefault(self._first(cell), []).append(cell)
        return [tuple(cells) for cells in found.values() if len(cells) > 1]

    def _first(self, cell: int) -> int:
        *_, first = self.line(cell)
        return first

    def line(self, cell: int) -> Iterator[int]:
        """Yield a cell, its mother, her mother, up to the one that is there from the start."""
        yield cell
        while self.parent[cell] != cell:
            cell = self.parent[cell]
            yield cell


@lru_cache(maxsize=8)
def _remembered(parent: bytes, born: bytes, names: tuple[str, ...]) -> Lineage:
    mothers, births = np.frombuffer(parent).astype(int).tolist(), np.frombuffer(born).tolist()
    return Lineage(tuple(mothers), tuple(births), names)


def by_place(cell: ArrayLike, parent: ArrayLike, born: ArrayLike) -> Named:
    """Return mothers as places, and times of birth, from the numbers of cells ``(cells,)``.

    Raises
    ------
    InputError
        If a mother is none of the cells.
    """
    cells, mothers = (
        np.atleast_1d(np.asarray(cell, dtype=float)),
        np.atleast_1d(np.asarray(parent, dtype=float)),
    )
    same = cells[None, :] == mothers[:, None]
    lost = np.flatnonzero(~same.any(axis=1))
    if lost.size:
        given = f"cell {cells[lost[0]]:g} comes from {mothers[lost[0]]:g}"
        raise InputError(explain(given, f"one of {', '.join(f'{one:g}' for one in cells)}"))
    places = same.argmax(axis=1).astype(float)
    return {PARENT: places, BORN: np.broadcast_to(np.asarray(born, dtype=float), cells.shape).copy()}
