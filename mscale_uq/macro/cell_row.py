"""A row of cells, every one with the same reactions, between which molecules hop: one network of all of them.

So a tissue has exact paths, a mean field and linear noise like any other network. Cell i of species s is the
species ``s_i``; rate constants are shared by all cells.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal, final

import numpy as np

from mscale_uq.core.parameter import Quantity
from mscale_uq.errors import InputError, explain
from mscale_uq.macro.network import Hill, Reaction, ReactionNetwork

Ends = Literal["closed", "free", "held"]
ENDS = ("closed", "free", "held")


@final
class CellRow:
    """The network of a row, and where its reactions are.

    Parameters
    ----------
    species, reactions
        Of one cell.
    hops
        Species that hop -> name of their rate (1/time) to one neighbour: diffusivity over width squared.
    cells
        How many there are.
    ends
        ``"closed"``: nothing passes the ends. ``"free"``: what hops out is gone. ``"held"``: hopping out,
        and in from cells that do not change, at the rates ``<species>_from_left``, ``<species>_from_right``.

    Attributes
    ----------
    network
        Of the whole row; its species are those of cell 0, then those of cell 1 and so on.
    """

    def __init__(
        self,
        name: str,
        species: tuple[Quantity, ...],
        reactions: Sequence[Reaction],
        hops: Mapping[str, str],
        cells: int,
        ends: Ends = "closed",
    ) -> None:
        if ends not in ENDS or cells < 1:
            raise InputError(explain(f"{cells} cells with ends {ends!r}", f"at least one; {', '.join(ENDS)}"))
        self.species, self.cells, self.ends, self.hops = species, cells, ends, dict(hops)
        every = tuple(replace(s, name=f"{s.name}_{i}") for i in range(cells) for s in species)
        inside = [_placed(reaction, i) for i in range(cells) for reaction in reactions]
        passing = [hop for s, rate in hops.items() for hop in self._hops(s, rate)]
        self.network = ReactionNetwork(name, every, [*inside, *passing])
        self._number = {reaction.name: r for r, reaction in enumerate(self.network.reactions)}

    def happening(self, reaction: str) -> np.ndarray:
        """Return the numbers ``(cells,)`` of a cell's own reaction in the network."""
        return np.array([self._number[f"{reaction} in {i}"] for i in range(self.cells)])

    def crossing(self, species: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers of the hops right and left through each inner face ``(cells - 1,)``."""
        faces = range(self.cells - 1)
        right = [self._number[f"{species} hops right from {i}"] for i in faces]
        left = [self._number[f"{species} hops left from {i + 1}"] for i in faces]
        return np.array(right, dtype=np.int64), np.array(left, dtype=np.int64)

    def _hops(self, s: str, rate: str) -> list[Reaction]:
        made = []
        for i in range(self.cells):
            for way, j in (("right", i + 1), ("left", i - 1)):
                inside = 0 <= j < self.cells
                if inside or self.ends != "closed":
                    there = {f"{s}_{j}": 1} if inside else {}
                    made.append(Reaction(f"{s} hops {way} from {i}", rate, {f"{s}_{i}": 1}, there))
        if self.ends == "held":
            for side, i in (("left", 0), ("right", self.cells - 1)):
                made.append(Reaction(f"{s} from the {side}", f"{s}_from_{side}", makes={f"{s}_{i}": 1}))
        return made


def _placed(reaction: Reaction, i: int) -> Reaction:
    """Return a cell's reaction in cell i."""
    takes, makes = ({f"{n}_{i}": c for n, c in part.items()} for part in (reaction.takes, reaction.makes))
    h = reaction.hill
    hill = Hill(f"{h.regulator}_{i}", h.half, h.steepness, h.represses) if h else None
    return Reaction(f"{reaction.name} in {i}", reaction.rate, takes, makes, hill)
