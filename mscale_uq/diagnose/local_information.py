"""What the data can say about the unknowns near one theta, in normal scores and units of the noise.

With F the Fisher information in normal scores, where the prior is N(0, 1), the posterior is about
N(., (1 + F)^-1) nearby. That is a local statement: it holds as far as the model is straight, and `bend` says
how straight it is over the width of this very posterior.

Source: T. Cui, J. Martin, Y. M. Marzouk, A. Solonen, A. Spantini, Likelihood-informed dimension reduction for
nonlinear inverse problems, Inverse Problems 30 (2014) 114015, doi:10.1088/0266-5611/30/11/114015.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.diagnose.moved import Moved, move_all
from mscale_uq.diagnose.normal_scores import from_normal, to_normal
from mscale_uq.diagnose.told import Told
from mscale_uq.stats.posterior import Posterior

Sensor = tuple[int, str, int]  # position of the experiment, quantity, position among its readings


@final
@dataclass(frozen=True)
class LocalInformation:
    """Fisher information near one theta.

    Attributes
    ----------
    names
        One label per unknown.
    theta, scores
        The point ``(n,)``, and in normal scores.
    fisher
        ``(n, n)`` in normal scores.
    without
        Sensor -> Fisher information ``(n, n)`` of all other readings.
    """

    names: tuple[str, ...]
    theta: Array
    scores: Array
    fisher: Array
    without: Mapping[Sensor, Array]

    @property
    def told(self) -> Told:
        """The posterior that follows from it."""
        return Told(self.names, covariance(self.fisher))

    @property
    def kept(self) -> Array:
        """Expected posterior standard deviation of each unknown, as a share of the prior's, ``(n,)``."""
        return self.told.kept

    @property
    def correlation(self) -> Array:
        """Posterior correlation ``(n, n)``."""
        return self.told.correlation

    def gain(self, sensor: Sensor) -> float:
        """Return what one reading adds to all the others, in nats."""
        return nats(self.fisher) - nats(self.without[sensor])

    def kept_without(self, sensor: Sensor) -> Array:
        """Return `kept` if one reading were missing."""
        return np.sqrt(np.diag(covariance(self.without[sensor])))


def covariance(fisher: Array) -> Array:
    """Return the posterior covariance in normal scores."""
    return np.asarray(np.linalg.inv(np.eye(len(fisher)) + fisher), dtype=float)


def nats(fisher: Array) -> float:
    """Return the information about all unknowns together, 1/2 log det(1 + F)."""
    return float(0.5 * np.linalg.slogdet(np.eye(len(fisher)) + fisher)[1])


def local_information(
    posterior: Posterior, theta: Array, moved: Sequence[Moved] | None = None, sensors: bool = False
) -> LocalInformation:
    """Return the information near theta, with the share of every sensor if asked; raises like `move_all`."""
    moved = move_all(posterior, theta) if moved is None else moved
    parts = [(i, quantity, one) for i, one in enumerate(moved) for quantity in one.experiment.operators]
    fishers = [one.fisher(quantity) for _, quantity, one in parts]
    total = np.sum(fishers, axis=0)
    without = {
        (i, quantity, place): total - own + others
        for (i, quantity, one), own in (zip(parts, fishers, strict=True) if sensors else ())
        for place, others in one.fisher_without(quantity).items()
    }
    return LocalInformation(posterior.names, theta, to_normal(posterior, theta), total, without)


def bend(posterior: Posterior, at: LocalInformation, moved: Sequence[Moved]) -> float:
    """Return how far predictions leave the straight line within one posterior sd, in units of the noise.

    Along the widest direction of the local posterior, both ways; the worse counts. NaN if there is no
    prediction at either end.
    """
    spreads, vectors = np.linalg.eigh(at.told.cov)
    steps = [side * np.sqrt(spreads[-1]) * vectors[:, -1] for side in (1, -1)]
    ends = [posterior.split(from_normal(posterior, at.scores + step)) for step in steps]
    squares = np.zeros(2)
    for one in moved:
        found = one.experiment.model.batch([one.experiment.theta(end) for end in ends])
        for side, (values, step) in enumerate(zip(found.values, steps, strict=True)):
            squares[side] += one.departure(values, step) if found.ok[side] else np.nan
    return float(np.sqrt(np.nanmax(squares))) if np.isfinite(squares).any() else np.nan
