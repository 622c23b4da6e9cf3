"""What a row's balance needs of its cells, from patches that are lifted to the state that the row is in.

There is a patch in the middle of every cell of the balance, lifted to the concentration and the slope there.
Flux over slope, and loss over concentration, are the local linear closure; a face has the mean of the two
cells beside it, one for both. A patch is so broad that it holds the same number of molecules at any
concentration, and tells as much. A flat patch tells no diffusivity, and a slope may be so steep that numbers
would be negative within the patch: then the slope is the nearest that can be lifted, and the diffusivity that
it tells is used at the slope that there is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, final

import numpy as np
from numpy.typing import ArrayLike

from mscale_uq.core.parameter import Array, Quantity
from mscale_uq.core.stage import Values
from mscale_uq.macro.burst import Bursts, Patch
from mscale_uq.macro.cell_row import CellRow
from mscale_uq.macro.network import Reaction

CORE, BUFFER = 6, 1  # cells of a patch whose fluxes are read, and on either side that are not
REACTING = 2  # in the middle, whose reactions are read
FLATTEST, STEEPEST = 0.5, 0.999  # shares of the slope at which a number would vanish beyond an end


class Lifted(Protocol):
    """A cell of the tissue: what is in it, what happens, and what it holds once that has settled."""

    @property
    def species(self) -> tuple[Quantity, ...]:
        """Of one cell."""

    @property
    def reactions(self) -> tuple[Reaction, ...]:
        """Of one cell."""

    @property
    def hopping(self) -> str:
        """The species that hops, at the rate ``hop``."""

    @property
    def lost(self) -> str:
        """The reaction by which what is conserved is lost."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the values that are read."""

    def held(self, concentration: Array, values: Values) -> tuple[Array, Array]:
        """Return every species' concentration ``(species, ...)`` and its derivative to the conserved one."""

    def constants(self, values: Values, volume: Array) -> Mapping[str, ArrayLike]:
        """Return the rate constants of numbers in a volume, for each of several volumes."""

    def few(self, values: Values) -> float:
        """Return a concentration so small that below it everything is in proportion to it."""

    def settling(self, values: Values) -> float:
        """Return the time in which the species settle to what is held."""


@final
@dataclass(frozen=True)
class Lifting:
    """How patches are lifted.

    Attributes
    ----------
    cell_width
        Of a cell of the tissue, a.
    molecules
        Of what is conserved, in a cell in the middle of a patch.
    replicas, hops, healing
        Of every patch; of a molecule to one side in a burst; settling times before a burst is read.
    """

    cell_width: float
    molecules: float
    replicas: int
    hops: float
    healing: float


@final
class LiftedClosure:
    """Diffusivities and losses of rows of `cells` finite volumes of length dx, from bursts of a `cell`."""

    def __init__(self, cell: Lifted, lifting: Lifting, dx: float, cells: int, rows: int) -> None:
        self.cell, self.lifting, self.dx = cell, lifting, dx
        tissue = CellRow(
            "tissue", cell.species, cell.reactions, {cell.hopping: "hop"}, CORE + 2 * BUFFER, "held"
        )
        patch = Patch(tissue, BUFFER, lifting.replicas, "exact", "rates", REACTING)
        self.bursts = Bursts(patch, (cell.lost,), rows * cells)
        self.outside = lifting.cell_width * (tissue.cells + 1) / 2
        self.inputs = ("diffusivity", *cell.inputs)

    def closed(self, states: Array, values: Values, key: int) -> tuple[Array, Array]:
        """Return D at the faces and k in the cells of every row."""
        lifting, width = self.lifting, self.lifting.cell_width
        level = np.maximum(states, self.cell.few(values))
        volume = lifting.molecules / level
        held, change = self.cell.held(level, values)
        slope = self._liftable(np.gradient(states, self.dx, axis=1), held, change)
        numbers = {}
        for s, what in enumerate(self.cell.species):
            numbers[f"{what.name}_level"] = np.ravel(held[s] * volume)
            numbers[f"{what.name}_slope"] = np.ravel(change[s] * slope * width * volume)
        hop = float(values["diffusivity"]) / width**2
        timed = {"burst": lifting.hops / hop, "healing": lifting.healing * self.cell.settling(values)}
        given = {"hop": hop, "key": key, **timed, **self.cell.constants(values, np.ravel(volume))}
        seen = self.bursts.value({**numbers, **{name: np.asarray(number) for name, number in given.items()}})
        flux = seen[f"{self.cell.hopping}_flux"].reshape(states.shape) * width / volume
        D = -flux / slope
        k = seen[f"{self.cell.lost}_activity"].reshape(states.shape) / lifting.molecules
        return (D[:, 1:] + D[:, :-1]) / 2, k

    def _liftable(self, slope: Array, held: Array, change: Array) -> Array:
        """Return the nearest slopes that can be lifted: all numbers stay positive, and none is flat."""
        with np.errstate(divide="ignore"):
            steepest = np.min(held / (np.abs(change) * self.outside), axis=0)
        size = np.clip(np.abs(slope), FLATTEST * steepest, STEEPEST * steepest)
        return np.asarray(np.where(slope > 0, size, -size))
