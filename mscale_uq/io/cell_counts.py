"""`CellCounts`: molecules counted in cells that were taken away, some of them at each of a few times."""

from dataclasses import dataclass, replace
from typing import final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.errors import DataError, explain, near_match
from mscale_uq.io.units import convert


@final
@dataclass(frozen=True)
class CellCounts:
    """Counts of the genes that were asked for; a row is a cell, which lived until it was sequenced.

    Attributes
    ----------
    label
        What messages call the file.
    cells
        ``(cells,)`` names, as text.
    genes
        In the order in which they were asked for.
    counts
        ``(cells, genes)`` unique molecular identifiers: whole numbers, not negative.
    totals
        ``(cells,)`` counts over all genes of the file, also those that were not asked for.
    size_factors
        ``(cells,)`` positive, relative depth of each cell.
    times
        ``(cells,)`` when each cell was taken, in `time_unit`.
    time_unit
        A unit of time.
    batches
        ``(cells,)`` dish or library of each cell as text, or None.
    counts_from, size_factors_from
        Where they were found in the file.
    """

    label: str
    cells: np.ndarray
    genes: tuple[str, ...]
    counts: Array
    totals: Array
    size_factors: Array
    times: Array
    time_unit: str
    batches: np.ndarray | None = None
    counts_from: str = "X"
    size_factors_from: str = "total counts over their mean"

    def of(self, gene: str) -> Array:
        """Return the counts ``(cells,)`` of one gene; raises `DataError` if it was not read."""
        if gene not in self.genes:
            given = f"{self.label}: no gene {gene!r}{near_match(gene, self.genes)}"
            raise DataError(explain(given, ", ".join(self.genes[:12])))
        return self.counts[:, self.genes.index(gene)]

    def times_in(self, unit: str) -> Array:
        """Return the times in another unit of time."""
        return convert(self.times, self.time_unit, unit, f"{self.label}: time")

    def where(self, chosen: np.ndarray) -> "CellCounts":
        """Return the chosen cells, by a mask or by positions."""
        return replace(
            self,
            cells=self.cells[chosen],
            counts=self.counts[chosen],
            totals=self.totals[chosen],
            size_factors=self.size_factors[chosen],
            times=self.times[chosen],
            batches=None if self.batches is None else self.batches[chosen],
        )

    def by_time(self) -> tuple["CellCounts", ...]:
        """Return the cells of each time, in the order of time."""
        return tuple(self.where(self.times == now) for now in np.unique(self.times))

    def summary(self) -> str:
        """Say in one line what was read."""
        times = ", ".join(f"{now:g}" for now in np.unique(self.times)[:12])
        batches = 0 if self.batches is None else len(set(self.batches))
        return (
            f"{len(self.cells)} cells at {times} {self.time_unit}, counts of {len(self.genes)} genes from "
            f"{self.counts_from}, size factors from {self.size_factors_from}, {batches or 'no'} batches"
        )
