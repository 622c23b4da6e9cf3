"""`RankCheck`: whether ranks of the truth among posterior draws are uniform, and what it means if not.

Source: S. Talts, M. Betancourt, D. Simpson, A. Vehtari, A. Gelman, Validating Bayesian inference algorithms
with simulation-based calibration, arXiv 1804.06788 (2018).
"""

from dataclasses import dataclass
from typing import final

import numpy as np
import scipy

from mscale_uq.core.parameter import Array
from mscale_uq.diagnose.uniform_band import band, p_value

LEVEL = 0.01  # a sampler that is right is called wrong once in a hundred calibrations
MOST_BINS, LEAST_EXPECTED = 20, 5  # of the histogram
CLEAR = 3.0  # standard errors that make a deviation worth a word


@final
@dataclass(frozen=True)
class RankCheck:
    """Ranks of one quantity.

    Attributes
    ----------
    name
        Of the quantity.
    ranks
        ``(runs,)``, how many of `kept` draws lie below the truth.
    kept
        Draws per run; ranks are 0 .. kept.
    counts, chi_square_p
        Histogram of the ranks in equal bins, and the p-value of its chi-square test.
    z, ecdf, lower, upper, ecdf_p
        Points in (0, 1), the share of ranks below them, the band they stay in together in 99 of 100 right
        calibrations, and the p-value of the largest deviation.
    meaning
        What the deviation says, one clause.
    """

    name: str
    ranks: np.ndarray
    kept: int
    counts: np.ndarray
    chi_square_p: float
    z: Array
    ecdf: Array
    lower: Array
    upper: Array
    ecdf_p: float
    meaning: str

    @property
    def p(self) -> float:
        """p-value of the two tests together."""
        return min(1.0, 2.0 * min(self.chi_square_p, self.ecdf_p))


def check_ranks(name: str, ranks: np.ndarray, kept: int) -> RankCheck:
    """Test ranks ``(runs,)`` among `kept` draws for uniformity on 0 .. kept."""
    runs, parts = len(ranks), kept + 1
    counts = np.bincount(ranks, minlength=parts)
    binned = counts.reshape(_bins(runs, parts), -1).sum(axis=1)
    lower, upper = band(runs, parts, LEVEL)
    return RankCheck(
        name=name,
        ranks=ranks,
        kept=kept,
        counts=binned,
        chi_square_p=float(scipy.stats.chisquare(binned).pvalue) if len(binned) > 1 else 1.0,
        z=np.arange(1, parts) / parts,
        ecdf=np.cumsum(counts)[:-1] / runs,
        lower=lower / runs,
        upper=upper / runs,
        ecdf_p=p_value(counts),
        meaning=_meaning((ranks + 0.5) / parts),
    )


def _bins(runs: int, parts: int) -> int:
    """Largest number of equal bins that keeps the expected counts large enough for chi-square."""
    most = min(MOST_BINS, runs // LEAST_EXPECTED)
    return max(bins for bins in range(1, max(most, 1) + 1) if parts % bins == 0)


def _meaning(u: Array) -> str:
    """Say what mean and spread of the ranks, as numbers in (0, 1), tell."""
    shift = (u.mean() - 0.5) * np.sqrt(12 * len(u))
    spread = (np.mean((u - 0.5) ** 2) - 1 / 12) * np.sqrt(180 * len(u))
    if abs(shift) > max(CLEAR, abs(spread)):
        return f"the truth lies {'above' if shift > 0 else 'below'} the draws too often"
    if abs(spread) > CLEAR:
        wide = "outside the draws too often: they are too narrow, or still correlated"
        return f"the truth lies {wide if spread > 0 else 'amid the draws too often: they are too wide'}"
    return "no shift and no change of width stands out"
