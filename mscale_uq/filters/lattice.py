"""A lattice of points under a law of a few unknowns: the trapezoidal rule in as many dimensions.

The points lie on lines parallel to the axes, so that many share the value of an unknown, and what depends on
this unknown alone is computed once for all of them. With the steps h L_ii, where L L' is the covariance and L
lower triangular, the rule is as good for a normal law as with the step h for a standard one: every wave it
cannot tell from a constant has |L'k| >= 2 pi / h. Its error is then 2 exp(-2 pi^2 / h^2), 5e-9 at h = 1.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.interpolate import PchipInterpolator

from mscale_uq.core.parameter import Array
from mscale_uq.errors import InputError, explain

MOST_NODES = 200_000


@final
@dataclass(frozen=True)
class Lattice:
    """Points around a mean, as far as their distance in the metric of a covariance is within `reach`.

    Attributes
    ----------
    points
        ``(G, k)``.
    steps
        ``(k,)`` between neighbours along each axis.
    edge
        ``(G,)`` whether a point lies in the outer fifth.
    """

    points: Array
    steps: Array
    edge: np.ndarray

    @classmethod
    def around(cls, mean: Array, cov: Array, step: float, reach: float) -> "Lattice":
        """Return the lattice for a law of mean ``(k,)`` and covariance ``(k, k)``.

        `step` and `reach` are in standard deviations, of each unknown given those before it.

        Raises
        ------
        InputError
            If it has more than `MOST_NODES` points.
        """
        L = np.linalg.cholesky(cov)
        steps = step * np.diag(L)
        points, z = np.zeros((1, 0)), np.zeros((1, 0))
        for i, size in enumerate(steps):
            centre = z @ L[i, :i] / size
            room = np.sqrt(np.maximum(reach**2 - (z**2).sum(axis=1), 0.0)) / step
            first, last = np.ceil(centre - room), np.floor(centre + room)
            row = np.repeat(np.arange(len(z)), np.maximum(last - first + 1, 0).astype(int))
            if len(row) > MOST_NODES:
                raise InputError(explain(f"a lattice of {len(row)} nodes", f"{MOST_NODES}", "three unknowns"))
            place = first[row] + np.arange(len(row)) - np.searchsorted(row, row)
            points = np.column_stack([points[row], mean[i] + size * place])
            z = np.column_stack([z[row], step * (place - centre[row])])
        return cls(points, steps, np.sqrt((z**2).sum(axis=1)) > 0.8 * reach)

    @property
    def log_volume(self) -> float:
        """Logarithm of the volume of a cell of the lattice."""
        return float(np.log(self.steps).sum())

    def resolves(self, cov: Array, spacing: float) -> bool:
        """Whether no step is longer than so many standard deviations of a law of this covariance."""
        try:
            sds = np.diag(np.linalg.cholesky(cov))
        except np.linalg.LinAlgError:
            return False
        return bool(np.all(self.steps <= spacing * sds))

    def believable(self, cov: Array) -> Array:
        """Return a covariance found on this lattice, widened to half a step where it is less.

        Along a ridge that is well resolved nothing is changed.
        """
        L = np.linalg.cholesky(cov + 1e-12 * np.diag(self.steps**2))
        L = L * np.maximum(0.5 * self.steps / np.diag(L), 1.0)
        return np.asarray(L @ L.T)


def cdf(points: Array, weights: Array, value: float) -> float:
    """Return the probability below a value, from the coordinates ``(G,)`` of weighted points of a lattice."""
    at, below = _line(points, weights)
    return float(PchipInterpolator(at, below)(np.clip(value, at[0], at[-1])))


def quantile(points: Array, weights: Array, level: float) -> float:
    """Return the value below which there is the probability `level`."""
    at, below = _line(points, weights)
    fine = np.linspace(at[0], at[-1], 50 * len(at))
    return float(np.interp(level, PchipInterpolator(at, below)(fine), fine))


def _line(points: Array, weights: Array) -> tuple[Array, Array]:
    """Return the different coordinates and the probability below each: trapezoidal rule, end corrected."""
    at, which = np.unique(points, return_inverse=True)
    share = np.bincount(which.ravel(), weights)
    around = np.pad(share, 1)
    below = np.cumsum(share) - share / 2 - (around[2:] - around[:-2]) / 24
    return at, np.maximum.accumulate(np.clip(below, 0.0, 1.0))
