"""`Kernel`: one step of a Markov chain that leaves a density unchanged; pure, so that it can be tested alone.

A kernel holds the density and its settings, a state is what the next step needs, an info is worth knowing.
States are plain dataclasses of arrays and numbers: a checkpoint takes them as they are.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from mscale_uq.core.parameter import Array

# z ``(n,)`` -> log-density in sampler coordinates; -inf where there is none, never NaN
LogDensityOfZ = Callable[[Array], float]


@final
@dataclass(frozen=True)
class Info:
    """What one step did.

    Attributes
    ----------
    accepted
        Whether the chain moved to the proposal.
    acceptance_rate
        Probability with which it would have.
    scale
        Of the proposal.
    coarse_acceptance_rate
        Mean over the steps of a subchain on the level below; NaN where there is none.
    """

    accepted: bool
    acceptance_rate: float
    scale: float
    coarse_acceptance_rate: float = np.nan


class Kernel(ABC):
    """A Markov kernel for a density.

    States have at least ``z``, where the chain stands, ``value``, the log-density there, and ``scale``, the
    size of the proposal.
    """

    density: LogDensityOfZ

    @abstractmethod
    def start(self, z: Array) -> Any:
        """Return the state of a chain that begins at z and still tunes itself."""

    @abstractmethod
    def step(self, state: Any, rng: np.random.Generator) -> tuple[Any, Info]:
        """Return the next state, and what happened."""

    @abstractmethod
    def tuned(self, state: Any) -> Any:
        """Return the state with its tuning ended: from here on the density is exactly invariant."""

    @abstractmethod
    def moved(self, state: Any, z: Array) -> Any:
        """Return the state, tuning kept, at another place."""

    @abstractmethod
    def taught(self, state: Any, acceptance: float) -> Any:
        """Return the state after a proposal of its own was accepted with this probability, somewhere else."""

    @abstractmethod
    def back(self, end: Any, start: Any) -> Any:
        """Return where `start` stood, with the tuning learnt until `end`."""

    @abstractmethod
    def propose(self, state: Any, rng: np.random.Generator) -> Array:
        """Return a point to try next."""

    @abstractmethod
    def log_reference(self, z: Array) -> float:
        """Log of the density, up to a constant, with respect to which `propose` is reversible."""


def log_ratio(new: float, old: float) -> float:
    """Return new - old for log-densities that may be -inf; nothing is gained by going where nothing is."""
    if new == -np.inf:
        return -np.inf
    return new - old


def accept(log_odds: float, rng: np.random.Generator) -> tuple[bool, float]:
    """Return whether to accept, and the probability min(1, exp(log_odds)) with which that was decided."""
    probability = float(np.exp(min(log_odds, 0.0)))
    return bool(rng.uniform() < probability), probability
