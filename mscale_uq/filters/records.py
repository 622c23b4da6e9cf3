"""The small records that filters take and give: state = what is needed next, info = what is worth knowing."""

from dataclasses import dataclass
from enum import IntEnum
from typing import final

import numpy as np

from mscale_uq.core.parameter import Array


class Verdict(IntEnum):
    """What became of one scalar observation.

    Codes 0 to 8 are those of DART (https://docs.dart.ucar.edu); the others follow them.
    """

    USED = 0
    EVALUATED = 1  # compared with its forecast, as asked for, and not used: `screen.Screen`
    USED_POSTERIOR_FAILED = 2  # the model could not say what is read at the state it led to: `follow`
    EVALUATED_POSTERIOR_FAILED = 3
    PRIOR_FAILED = 4  # the model could not say what is read at the forecast: Gaussian filters
    NOT_SELECTED = 5  # its source is not among those asked for: `screen.Screen`
    INCOMING_QC = 6  # the instrument's own mark is too bad: `screen.Screen`
    OUTLIER = 7  # too far from its forecast: `outlier_sd` of the filters
    CONVERSION_FAILED = 8  # it has no place, which a localised analysis needs: ensemble filters
    DUPLICATE = 9  # taken in already: `identity`, `replay.Replay`
    TOO_LATE = 10  # before what can be replayed: `replay.Replay`
    TOO_MANY_FAILED = 11  # more members were lost than `most_lost` allows: ensemble filters
    CENSORED = 12  # at the end of what the detector can tell: `screen.Screen`
    MISSING = 13  # NaN


class Purpose(IntEnum):
    """What a random number is for: the second word after a key, see `mscale_uq.core.random.generator`."""

    INITIAL = 0
    STEP = 1
    NOISE = 2
    ANALYSIS = 3
    ROTATION = 4
    RESAMPLING = 5
    REDRAW = 6


def interval(time: float) -> int:
    """Return the whole number that stands for a time in random keys: its bits.

    The same interval then has the same random numbers however the stream is cut, resumed or replayed.
    """
    return int(np.float64(time + 0.0).view(np.uint64))


@final
@dataclass(frozen=True)
class GaussianState:
    """A normal law: `time`, `mean` ``(n,)``, `cov` ``(n, n)``."""

    time: float
    mean: Array
    cov: Array


@final
@dataclass(frozen=True)
class FactorState:
    """A normal law by the square root of its covariance: cov = factor factor', factor lower triangular."""

    time: float
    mean: Array
    factor: Array

    @property
    def cov(self) -> Array:
        """Covariance ``(n, n)``, positive semi-definite by construction."""
        return self.factor @ self.factor.T


@final
@dataclass(frozen=True)
class EnsembleState:
    """A law by its members ``(N, n)``, rows are members; `weights` ``(N,)`` sum to one, None means equal.

    `lost` members failed in the last forecast, and were replaced (or, with weights, have weight zero).
    """

    time: float
    members: Array
    weights: Array | None = None
    lost: int = 0

    @property
    def mean(self) -> Array:
        """Mean ``(n,)``."""
        return np.average(self.members, axis=0, weights=self.weights)

    @property
    def cov(self) -> Array:
        """Covariance ``(n, n)``: of a sample (divided by N - 1), or of the weighted law."""
        anomalies = self.members - self.mean
        if self.weights is None:
            return anomalies.T @ anomalies / (len(self.members) - 1)
        return (anomalies * self.weights[:, None]).T @ anomalies


@final
@dataclass(frozen=True)
class StepInfo:
    """What one analysis did.

    Attributes
    ----------
    time
        Of the observations.
    sources
        One name per scalar observation, in the order of the vectors below.
    innovation
        ``(m,)`` datum - its forecast, also of data that are not used; NaN where it is missing.
    innovation_cov
        ``(m, m)`` covariance the filter gives the innovation, also of the missing entries.
    log_evidence
        Log-density of the used data given the earlier ones.
    verdicts
        ``(m,)`` codes of `Verdict`.
    note
        What a person should know, such as an iteration that did not converge; empty if nothing.
    """

    time: float
    sources: tuple[str, ...]
    innovation: Array
    innovation_cov: Array
    log_evidence: float
    verdicts: np.ndarray
    note: str = ""

    @property
    def used(self) -> np.ndarray:
        """``(m,)``, true where the datum was used."""
        return np.isin(self.verdicts, (Verdict.USED, Verdict.USED_POSTERIOR_FAILED))
