"""Cells of a dish that were sequenced: what their counts say of the population they were taken from.

Cell c of size factor s_c counts y_cg ~ Poisson(s_c l_cg) molecules of gene g, where l_c is drawn from the
population's law of mean mu and covariance C (the capture probability is part of it). The factorial moments
y/s, y (y - 1)/s^2 and y_g y_h/s^2 of one cell have the means mu, C_gg + mu_g^2 and C_gh + mu_g mu_h, whatever
the law of l, so that their sample means give mu and C without bias and without deconvolution. Every summary
comes with its sampling covariance, for an `Observation` that states its own noise.
"""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike

from mscale_uq.core.parameter import Array
from mscale_uq.errors import DataError, explain
from mscale_uq.observe.counts import check_counts


@final
@dataclass(frozen=True)
class Summary:
    """What a snapshot says in a few numbers.

    Attributes
    ----------
    value
        ``(m,)``.
    cov
        ``(m, m)`` covariance of the value around what it estimates.
    """

    value: Array
    cov: Array


@final
@dataclass(frozen=True)
class SequencedCells:
    """The counts of sequenced cells.

    Attributes
    ----------
    counts
        ``(cells, genes)``.
    size_factors
        ``(cells,)``, positive: how much of a cell was captured, against a usual one.

    Raises
    ------
    DataError
        If a count is no count, a size factor is not positive, or there is no cell.
    """

    counts: Array
    size_factors: Array

    def __post_init__(self) -> None:
        counts = check_counts(np.array(self.counts, dtype=float))
        factors = np.array(self.size_factors, dtype=float)
        if counts.ndim != 2 or len(counts) == 0 or factors.shape != (len(counts),):
            given = f"counts of shape {counts.shape}, size factors {factors.shape}"
            raise DataError(explain(given, "(cells, genes) and (cells,), at least one cell"))
        if np.isnan(counts).any() or not np.all((factors > 0) & np.isfinite(factors)):
            raise DataError(explain("a missing count, or a size factor", "counts; positive size factors"))
        object.__setattr__(self, "counts", counts)
        object.__setattr__(self, "size_factors", factors)

    def pseudobulk(self, variance: Array | None = None) -> Summary:
        """Return the total counts over the total size factor, ``(genes,)``: estimates of mu.

        Parameters
        ----------
        variance
            ``(genes,)`` of l over cells, technical overdispersion included (C_gg + alpha_g mu_g^2). If it
            is not given, the scatter of the cells tells the covariance.

        Raises
        ------
        DataError
            If the scatter shall tell it, and there are fewer than three cells.
        """
        total = self.size_factors.sum()
        mean = self.counts.sum(axis=0) / total
        if variance is not None:
            spread = np.asarray(variance, dtype=float) * (self.size_factors**2).sum()
            return Summary(mean, np.diag((mean * total + spread) / total**2))
        self._check_enough("the scatter of cells")
        left = self.counts - np.outer(self.size_factors, mean)
        freedom = 1 - (self.size_factors**2).sum() / total**2
        return Summary(mean, left.T @ left / total**2 / freedom)

    def log_pseudobulk(self, variation: Array) -> Summary:
        """Return log((Y + 1/2)/S), estimates of log mu; `variation` ``(genes,)`` is C_gg/mu_g^2 + alpha_g."""
        total, counts = self.size_factors.sum(), self.counts.sum(axis=0) + 0.5
        among = np.asarray(variation, dtype=float) * (self.size_factors**2).sum() / total**2
        return Summary(np.log(counts / total), np.diag(1 / counts + among))

    def factorial_moments(self) -> Summary:
        """Return the sample means of y/s, and of y (y - 1)/s^2 and y_g y_h/s^2 of a cell's counts y.

        The second ones are the lower triangle over the genes row by row. They estimate mu, and C + mu mu'.

        Raises
        ------
        DataError
            If there are fewer than three cells.
        """
        self._check_enough("factorial moments")
        cells, genes = self.counts.shape
        rows, columns = np.tril_indices(genes)
        y, one = self.counts / self.size_factors[:, None], 1 / self.size_factors[:, None]
        others = (self.counts[:, columns] - (rows == columns)) * one  # no pair of a molecule with itself
        each = np.concatenate([y, y[:, rows] * others], axis=1)
        return Summary(each.mean(axis=0), np.cov(each, rowvar=False) / cells)

    def moments(self) -> Summary:
        """Return estimates of mu and of C, its lower triangle row by row, one behind the other.

        Below about 200 cells the uncertainty of C is too uncertain itself: use the means alone.

        Raises
        ------
        DataError
            If there are fewer than three cells.
        """
        found, genes = self.factorial_moments(), self.counts.shape[1]
        mean, cov, (rows, columns) = found.value, found.cov, np.tril_indices(genes)
        m, V = mean[:genes], cov[:genes, :genes]
        value = np.concatenate([m, mean[genes:] - (m[rows] * m[columns] - V[rows, columns])])
        slope = np.eye(len(mean))
        places = np.arange(genes, len(mean))
        np.add.at(slope, (places, rows), -m[columns])
        np.add.at(slope, (places, columns), -m[rows])
        return Summary(value, slope @ cov @ slope.T)

    def _check_enough(self, what: str) -> None:
        if len(self.counts) < 3:
            raise DataError(
                explain(f"{what} of {len(self.counts)} cells", "at least 3", "use log_pseudobulk")
            )


@final
class ExpectedCounts:
    """Plain function for a `Formula`: the counts that cells of known size factors are expected to give.

    size_factor capture mean exp(dish_offset), each cell in the dish it was taken from.

    Parameters
    ----------
    size_factor
        ``(cells,)``.
    row, dish
        For each cell ``(cells,)``, which entry of the mean and of the offsets is its own; None if both are
        one number.
    """

    __name__ = "expected counts"

    def __init__(
        self, size_factor: ArrayLike, row: np.ndarray | None = None, dish: np.ndarray | None = None
    ) -> None:
        self.size_factor = np.asarray(size_factor, dtype=float)
        self.row, self.dish = row, dish

    def __call__(self, mrna_mean: Any, dish_offset: Any, capture: Any) -> Any:
        """Return the expected counts ``(cells,)``."""
        mean = mrna_mean if self.row is None else mrna_mean[self.row]
        offset = dish_offset if self.dish is None else dish_offset[self.dish]
        return self.size_factor * capture * mean * np.exp(offset)


@final
class ExpectedPairs:
    """Plain function for a `Formula`: the pairs of molecules that cells are expected to give.

    Of n molecules in a cell each is counted by the same chance, so that a cell's count y has the second
    factorial moment E y (y - 1) = chance^2 E n (n - 1), with chance = size_factor capture exp(dish_offset).
    From it is taken `mean_weight` times the expected count, as law `factorial_moments` has it.

    Parameters
    ----------
    size_factor, row, dish
        As in `ExpectedCounts`.
    mean_weight
        ``(cells,)``; None takes nothing off.
    """

    __name__ = "expected pairs"

    def __init__(
        self,
        size_factor: ArrayLike,
        row: np.ndarray | None = None,
        dish: np.ndarray | None = None,
        mean_weight: ArrayLike | None = None,
    ) -> None:
        self.size_factor = np.asarray(size_factor, dtype=float)
        self.row, self.dish = row, dish
        self.mean_weight = 0.0 if mean_weight is None else np.asarray(mean_weight, dtype=float)

    def __call__(self, mrna_mean: Any, mrna_var: Any, dish_offset: Any, capture: Any) -> Any:
        """Return the expected pairs ``(cells,)``."""
        mean, var = (one if self.row is None else one[self.row] for one in (mrna_mean, mrna_var))
        offset = dish_offset if self.dish is None else dish_offset[self.dish]
        chance = self.size_factor * capture * np.exp(offset)
        return pairs_counted(chance, mean, var, self.mean_weight)


def pairs_counted(chance: Any, mean: Any, var: Any, mean_weight: Any) -> Any:
    """Return E y (y - 1) - mean_weight E y of the molecules y of a cell that are counted by chance."""
    return chance**2 * (var - mean + mean**2) - mean_weight * chance * mean
