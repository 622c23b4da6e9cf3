"""Equation-free patches: lift a macroscopic state to molecules, let them move for a while, restrict.

A patch is a few cells around a face of the macroscopic mesh. Its core, in the middle, is read; the buffer on
both sides keeps its ends out of sight. Lifting draws whole numbers of molecules whose means are linear in
place, with the slope of the macroscopic profile; restriction counts net hops over the core's faces, and the
reactions in its cells. Each patch has replicas of its own, whose scatter is the error of their mean.

Source: I. G. Kevrekidis, C. W. Gear, J. M. Hyman, P. G. Kevrekidis, O. Runborg, C. Theodoropoulos,
Equation-free, coarse-grained multiscale computation: enabling microscopic simulators to perform system-level
analysis, Commun. Math. Sci. 1 (2003) 715-762, doi:10.4310/CMS.2003.v1.n4.a5.
"""

from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.core.random import generator
from mscale_uq.core.stage import Named, Stage, Values
from mscale_uq.errors import Infeasible, InputError, explain
from mscale_uq.macro.cell_row import CellRow
from mscale_uq.macro.jumps import Paths, sample_paths
from mscale_uq.solve.lifting_kernels import exact_numbers, poisson_numbers

LIFTING, EVOLVING, HEALING = 1, 2, 3  # what random numbers are for


@final
@dataclass(frozen=True)
class Patch:
    """How a patch is lifted, evolved and restricted.

    Attributes
    ----------
    row
        The cells.
    buffer
        Cells on either side that are not read.
    replicas
        Of every patch; at least two, to tell the error.
    lifting
        ``"poisson"``: numbers scatter as those of independent molecules do. ``"exact"``: they are as close to
        their means as whole numbers can be, so that only what happens in the burst scatters.
    reading
        ``"counts"``: what happened. ``"rates"``: the integral of its rate, which has the same mean, and an
        error also where a reaction is so rare that it happens in no replica.
    reacting
        Cells in the middle whose reactions are read, where a rate that is not linear would not have the mean
        of a wide core in its middle; without it, those of the core.
    """

    row: CellRow
    buffer: int
    replicas: int
    lifting: Literal["poisson", "exact"] = "poisson"
    reading: Literal["counts", "rates"] = "counts"
    reacting: int | None = None

    def __post_init__(self) -> None:
        if self.core.stop - self.core.start < 2 or self.buffer < 0 or self.replicas < 2:
            given = f"{self.row.cells} cells, a buffer of {self.buffer}, {self.replicas} replicas"
            raise InputError(explain(given, "two cells in the core and two replicas at least"))
        if self.reacting is not None and (self.reacting < 1 or (self.row.cells - self.reacting) % 2):
            given = f"reactions of {self.reacting} in the middle of {self.row.cells} cells"
            raise InputError(explain(given, "as many on either side of them"))

    @property
    def core(self) -> slice:
        """The cells that are read."""
        return slice(self.buffer, self.row.cells - self.buffer)

    @property
    def middle(self) -> slice:
        """The cells whose reactions are read."""
        beside = self.buffer if self.reacting is None else (self.row.cells - self.reacting) // 2
        return slice(beside, self.row.cells - beside)

    @property
    def offsets(self) -> Array:
        """Places of the cells' centres from the middle ``(cells,)``, in cells."""
        return np.arange(self.row.cells, dtype=float) - (self.row.cells - 1) / 2

    def lift(self, level: Array, slope: Array, key: int) -> Array:
        """Return numbers ``(patches, replicas, cells, species)`` of means level + slope offset.

        `level` and `slope` are ``(patches, species)``, per cell.

        Raises
        ------
        Infeasible
            If a mean is negative, or beyond 700 where Poisson numbers are asked for.
        """
        mean = level[:, None, :] + slope[:, None, :] * self.offsets[:, None]
        if np.any(mean < 0) or (self.lifting == "poisson" and np.any(mean > 700)):
            raise Infeasible("lifting", {"level": level, "slope": slope}, "numbers of molecules out of range")
        patches, cells, species = mean.shape
        rows = np.repeat(np.moveaxis(mean, 2, 1), self.replicas, axis=0).reshape(-1, cells)
        made, rng = np.empty_like(rows), generator(key, LIFTING)
        if self.lifting == "poisson":
            poisson_numbers(rows, rng.random(rows.shape), made)
        else:
            exact_numbers(rows, rng.random(len(rows)), made)
        return np.swapaxes(made.reshape(patches, self.replicas, species, cells), 2, 3)

    def evolve(self, numbers: Array, p: Array, time: float, key: int, purpose: int = EVOLVING) -> Paths:
        """Return what happens to lifted numbers in a burst, from parameters ``(patches, P)`` of the row."""
        first = numbers.reshape(-1, numbers.shape[2] * numbers.shape[3])
        word = int(generator(key, purpose).integers(2**62))
        return sample_paths(
            self.row.network, first, np.repeat(p, self.replicas, axis=0), np.array([time]), word
        )

    def flux(self, paths: Paths, species: str, time: float) -> Array:
        """Return the net hops per time over a face, meant over the core's faces ``(patches, replicas)``."""
        right, left = (
            numbers[self.core.start : self.core.stop - 1] for numbers in self.row.crossing(species)
        )
        happened = self._happened(paths)
        return self._of_patches((happened[:, right] - happened[:, left]).mean(axis=1) / time)

    def activity(self, paths: Paths, reaction: str, time: float) -> Array:
        """Return how often a reaction happens per time in a cell that is read ``(patches, replicas)``."""
        inside = self.row.happening(reaction)[self.middle]
        return self._of_patches(self._happened(paths)[:, inside].mean(axis=1) / time)

    def _happened(self, paths: Paths) -> Array:
        return paths.exposure if self.reading == "rates" else paths.counts.astype(float)

    def _of_patches(self, per_path: Array) -> Array:
        return per_path.reshape(-1, self.replicas)


@final
class Bursts(Stage):
    """One burst of every patch: fluxes and reactions ``(patches,)`` with the variances of their means.

    Reads, for every species of a cell, ``<species>_level`` and ``<species>_slope`` ``(patches,)``, numbers in
    a cell and their change from cell to cell; the parameters of a cell; the durations `burst` and `healing`,
    and ``key``. Makes ``<species>_flux`` of those that hop, ``<reaction>_activity`` of the named reactions,
    and ``_var`` of each. What happens while healing is not read: what lifting does not know settles in it.
    """

    def __init__(self, patch: Patch, reactions: tuple[str, ...] = (), patches: int = 1) -> None:
        self.patch, self.reactions, self.patches = patch, reactions, patches
        row = patch.row
        self.name = f"bursts of {row.network.name}"
        self._ends = {
            f"{s}_from_{side}": (s, way) for s in row.hops for side, way in (("left", -1), ("right", 1))
        }
        own = [name for name in row.network.parameters if name not in self._ends]
        states = [f"{s.name}_{part}" for s in row.species for part in ("level", "slope")]
        self.inputs = (*states, *own, "burst", "healing", "key")
        read = [*(f"{s}_flux" for s in row.hops), *(f"{name}_activity" for name in reactions)]
        self.outputs = tuple(made for name in read for made in (name, f"{name}_var"))

    def value(self, values: Values) -> Named:
        """Return means over the replicas, and their variances.

        Raises
        ------
        Infeasible
            If a lifted mean is negative.
        """
        patch, key, time = self.patch, int(values["key"]), float(values["burst"])
        level, slope = (
            np.stack(
                [np.broadcast_to(values[f"{s.name}_{part}"], self.patches) for s in patch.row.species], 1
            )
            for part in ("level", "slope")
        )
        p = self._parameters(values, level, slope)
        numbers = patch.lift(level, slope, key)
        if float(values["healing"]) > 0:
            healed = patch.evolve(numbers, p, float(values["healing"]), key, HEALING).states
            numbers = healed.reshape(numbers.shape)
        paths = patch.evolve(numbers, p, time, key)
        seen = [patch.flux(paths, s, time) for s in patch.row.hops]
        seen += [patch.activity(paths, name, time) for name in self.reactions]
        pairs = [(part.mean(axis=1), part.var(axis=1, ddof=1) / patch.replicas) for part in seen]
        return dict(zip(self.outputs, (part for pair in pairs for part in pair), strict=True))

    def _parameters(self, values: Values, level: Array, slope: Array) -> Array:
        """Return the row's parameters ``(patches, P)``; ends that are held go on along the slope."""
        row, names = self.patch.row, [s.name for s in self.patch.row.species]
        outside, columns = (row.cells + 1) / 2, []
        for name in row.network.parameters:
            if name in self._ends:
                species, way = self._ends[name]
                place = names.index(species)
                beyond = level[:, place] + way * outside * slope[:, place]
                if np.any(beyond < 0):
                    raise Infeasible(
                        self.name, {"level": level, "slope": slope}, "numbers beyond an end are negative"
                    )
                columns.append(values[row.hops[species]] * beyond)
            else:
                columns.append(np.broadcast_to(values[name], self.patches))
        return np.stack(columns, axis=1)
