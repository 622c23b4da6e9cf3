"""`NodeState`: the law of a state and of unknown parameters, as a weighted sum of normal laws at nodes."""

from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.special import logsumexp, softmax

from mscale_uq.core.lazy import lazy
from mscale_uq.core.observation import Observation
from mscale_uq.core.parameter import Array
from mscale_uq.core.random import generator
from mscale_uq.filters.node_blocks import Blocks
from mscale_uq.filters.records import interval


@final
@dataclass(frozen=True)
class NodeState:
    """sum_g w_g N(x; a_g, C_g) at the nodes u_g, the coordinates of the unknowns.

    Attributes
    ----------
    time
        Of the state.
    points
        ``(G, k)`` nodes u_g.
    log_mass
        ``(G,)`` logarithm of prior times evidence over the density that the node was drawn from, over G; its
        sum is the evidence.
    means, blocks
        a ``(G, n)``, and the covariances C of the state without the unknowns.
    history
        What was taken in, for other nodes.
    """

    time: float
    points: Array
    log_mass: Array
    means: Array
    blocks: Blocks
    history: tuple[Observation, ...] = ()

    @property
    def log_evidence(self) -> float:
        """Log-density of all data."""
        return float(logsumexp(self.log_mass))

    @lazy
    def weights(self) -> Array:
        """``(G,)``, sum one."""
        return np.asarray(softmax(self.log_mass))

    @property
    def effective(self) -> float:
        """How many nodes of equal weight would be as good."""
        return float(1 / (self.weights**2).sum())

    @property
    def nodes(self) -> Array:
        """The state's mean at each node with the unknowns behind it, ``(G, n + k)``."""
        return np.hstack([self.means, self.points])

    @lazy
    def mean(self) -> Array:
        """Mean ``(n + k,)`` of state and unknowns."""
        return np.asarray(self.weights @ self.nodes)

    @lazy
    def cov(self) -> Array:
        """Covariance ``(n + k, n + k)`` of state and unknowns."""
        left, n = self.nodes - self.mean, self.means.shape[1]
        between = np.asarray((left * self.weights[:, None]).T @ left)
        between[:n, :n] += self.blocks.averaged(self.weights)
        return between

    @lazy
    def variances(self) -> Array:
        """Variances ``(n + k,)`` of state and unknowns."""
        between = np.asarray(self.weights @ (self.nodes - self.mean) ** 2)
        between[: self.means.shape[1]] += self.weights @ self.blocks.variances()
        return between

    @lazy
    def draws(self) -> tuple[Array, Array]:
        """Two opposite draws from the law at each node ``(2 G, n + k)``, and their weights.

        They are always the same.
        """
        z = generator(0, interval(self.time)).standard_normal(self.means.shape)
        arms = self.blocks.shaken(z)
        rows = np.concatenate([self.means + arms, self.means - arms])
        return np.hstack([rows, np.tile(self.points, (2, 1))]), np.tile(self.weights / 2, 2)
