"""What a row's balance needs of its cells: a diffusivity at every face, a loss in every cell.

For molecules that hop and vanish independently of each other, flux is in proportion to slope and loss to
number. So every patch is lifted to the same numbers, steep and many, and tells the two factors.
"""

from typing import final

import numpy as np

from mscale_uq.core.formula import Formula
from mscale_uq.core.parameter import Quantity
from mscale_uq.core.stage import Named, Stage, Values
from mscale_uq.macro.burst import Bursts, Patch
from mscale_uq.macro.cell_row import CellRow
from mscale_uq.macro.network import Reaction

CORE, BUFFER = 4, 2  # cells of a patch that are read, and on either side that are not
CLOSED = ("face_diffusivity", "cell_loss")


@final
class PatchClosure(Stage):
    """Makes ``face_diffusivity`` ``(cells - 1,)``, ``cell_loss`` ``(cells,)`` and their ``_var`` from bursts.

    Reads ``diffusivity`` D, ``degradation`` k and ``key``. There is a patch in every cell of the balance,
    read at its right face and in its core. A burst lasts until a molecule has hopped `hops` times to either
    side, so that the buffer suffices at any D; what is lost on the way makes the loss k (1 - k time / 2).

    Parameters
    ----------
    cells
        Of the balance.
    cell_width
        Of a cell of the tissue, a; molecules hop to a neighbour at the rate D/a^2.
    molecules
        Lifted in a cell, in the middle of a patch: none beyond one end, twice as many beyond the other.
    replicas, hops
        Of a patch; of a molecule in a burst.
    """

    def __init__(self, cells: int, cell_width: float, molecules: float, replicas: int, hops: float) -> None:
        self.name = "closure by patches"
        self.inputs = ("diffusivity", "degradation", "key")
        self.outputs = tuple(made for name in CLOSED for made in (name, f"{name}_var"))
        self.cell_width, self.hops = cell_width, hops
        ligand, gone = Quantity("ligand", "1"), Reaction("degradation", "degradation", takes={"ligand": 1})
        row = CellRow("tissue", (ligand,), (gone,), {"ligand": "hop"}, CORE + 2 * BUFFER, "held")
        self.bursts = Bursts(Patch(row, BUFFER, replicas, "exact", "rates"), ("degradation",), cells)
        self.level, self.slope = molecules, -molecules / ((row.cells + 1) / 2)

    def value(self, values: Values) -> Named:
        """Return flux over slope and loss over number, with the variances of the replicas' means."""
        hop = float(values["diffusivity"]) / self.cell_width**2
        lifted = {"ligand_level": self.level, "ligand_slope": self.slope, "healing": 0.0}
        timed = {"hop": hop, "burst": self.hops / hop}
        given = {name: np.asarray(number) for name, number in {**timed, **lifted}.items()}
        seen = self.bursts.value({**given, "degradation": values["degradation"], "key": values["key"]})
        per_flux, per_loss = -(self.cell_width**2) / self.slope, 1 / self.level
        parts = (
            per_flux * seen["ligand_flux"][:-1],
            per_flux**2 * seen["ligand_flux_var"][:-1],
            per_loss * seen["degradation_activity"],
            per_loss**2 * seen["degradation_activity_var"],
        )
        return dict(zip(self.outputs, parts, strict=True))


def even_closure(cells: int) -> Formula:
    """Return the stage that makes the closure of many molecules: D at every face, k in every cell."""
    return Formula(_Even(cells), CLOSED)


class _Even:
    """The same number for every face, and for every cell."""

    __name__ = "closure of many molecules"

    def __init__(self, cells: int) -> None:
        self.faces, self.cells = np.ones(cells - 1), np.ones(cells)

    def __call__(self, diffusivity, degradation):  # type: ignore[no-untyped-def]
        return diffusivity * self.faces, degradation * self.cells
