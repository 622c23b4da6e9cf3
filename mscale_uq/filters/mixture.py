"""`SumState`: the law of cells and of the unknowns they share, as a mixture of normal laws at nodes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import numpy as np
from scipy.special import logsumexp, ndtr, softmax

from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Named
from mscale_uq.filters.lattice import Lattice, cdf, quantile

LogLikelihood = Callable[[Named], Array]


class Taken(NamedTuple):
    """One datum taken in: readings ``(N,)`` of a source, or what a dead cell said of the unknowns."""

    time: float
    source: str
    readings: Array | None
    likelihood: LogLikelihood | None


class Groups(NamedTuple):
    """Nodes that agree in what something reads: the first of each group, and whose is whose ``(G,)``."""

    first: np.ndarray
    which: np.ndarray


class Look(NamedTuple):
    """How a source reads a cell at each node: the different H ``(U, n)`` and d ``(U,)``, whose is whose."""

    H: Array
    d: Array
    which: np.ndarray


@final
@dataclass(frozen=True)
class Nodes:
    """What does not change while a lattice is in use.

    Attributes
    ----------
    lattice
        The points ``(G, k)``, in the coordinates of the unknowns.
    named, unknown
        All named values, and which of them are unknown: those are ``(G,)``.
    moved
        The groups of nodes that the dynamics tells apart.
    looks
        Source -> how it reads.
    """

    lattice: Lattice
    named: Named
    unknown: tuple[str, ...]
    moved: Groups
    looks: Mapping[str, Look]

    def at(self, node: int) -> Named:
        """Return all named values at one node."""
        return {**self.named, **{name: self.named[name][node] for name in self.unknown}}

    def columns(self) -> Named:
        """Return all named values, each unknown ``(G, 1)``."""
        return {**self.named, **{name: self.named[name][:, None] for name in self.unknown}}

    def each(self, groups: Groups, make: Callable[[Named], Any]) -> list[Any]:
        """Return what is made at the first node of every group."""
        return [make(self.at(node)) for node in groups.first]


def group(points: Array, columns: list[int]) -> Groups:
    """Return the groups of points ``(G, k)`` that agree in some columns."""
    if not columns:
        return Groups(np.zeros(1, dtype=int), np.zeros(len(points), dtype=int))
    _, first, which = np.unique(points[:, columns], axis=0, return_index=True, return_inverse=True)
    return Groups(first, which.ravel())


@final
@dataclass(frozen=True)
class SumState:
    """The law of shared unknowns and of N cells: a mixture over G nodes.

    Attributes
    ----------
    time
        Of the cells.
    nodes
        The nodes in use.
    log_mass
        ``(G,)`` logarithm of prior times evidence times a cell's volume; its sum is the evidence.
    cells, covs
        Means ``(G, N, n)`` and covariances ``(G, N, n, n)`` of the cells at each node.
    history
        What was taken in, for another lattice.
    """

    time: float
    nodes: Nodes
    log_mass: Array
    cells: Array
    covs: Array
    history: tuple[Taken, ...] = ()

    @property
    def log_evidence(self) -> float:
        """Log-density of all data."""
        return float(logsumexp(self.log_mass))

    @property
    def weights(self) -> Array:
        """``(G,)``, sum one."""
        return np.asarray(softmax(self.log_mass))

    @property
    def mean(self) -> Array:
        """Mean ``(k,)`` of the coordinates of the unknowns."""
        return np.asarray(self.weights @ self.nodes.lattice.points)

    @property
    def cov(self) -> Array:
        """Covariance ``(k, k)`` of the coordinates of the unknowns."""
        left = self.nodes.lattice.points - self.mean
        return np.asarray((left * self.weights[:, None]).T @ left)

    @property
    def cell_mean(self) -> Array:
        """Mean ``(N, n)`` of each cell."""
        return np.einsum("g,gin->in", self.weights, self.cells)

    @property
    def cell_cov(self) -> Array:
        """Covariance ``(N, n, n)`` of each cell, with what is not known of the shared unknowns."""
        left = self.cells - self.cell_mean
        within = np.einsum("g,giab->iab", self.weights, self.covs)
        return np.asarray(within + np.einsum("g,gia,gib->iab", self.weights, left, left))

    def cdf(self, values: Array) -> Array:
        """Return the probability ``(k,)`` that each unknown's coordinate is below its value ``(k,)``."""
        columns = self.nodes.lattice.points.T
        return np.array([cdf(u, self.weights, v) for u, v in zip(columns, values, strict=True)])

    def quantile(self, level: float) -> Array:
        """Return the quantile ``(k,)`` of each unknown's coordinate."""
        return np.array([quantile(u, self.weights, level) for u in self.nodes.lattice.points.T])

    def cell_cdf(self, values: Array) -> Array:
        """Return the probability ``(N, n)`` that each cell's state is below its value ``(N, n)``."""
        sd = np.sqrt(np.maximum(np.diagonal(self.covs, axis1=2, axis2=3), np.finfo(float).tiny))
        return np.einsum("g,gin->in", self.weights, ndtr((values - self.cells) / sd))

    def cell_quantile(self, level: float) -> Array:
        """Return the quantile ``(N, n)`` of each cell's state, by bisection."""
        sd = np.sqrt(np.maximum(np.diagonal(self.covs, axis1=2, axis2=3), 0.0))
        low, high = (self.cells - 9 * sd).min(axis=0), (self.cells + 9 * sd).max(axis=0)
        for _ in range(60):
            middle = (low + high) / 2
            below = self.cell_cdf(middle) < level
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return (low + high) / 2
