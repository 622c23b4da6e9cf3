"""The Metropolis-Hastings kernel for a reversible proposal."""

from dataclasses import dataclass, replace
from typing import final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.infer.kernel import Info, Kernel, LogDensityOfZ, accept, log_ratio
from mscale_uq.infer.proposal import Proposal
from mscale_uq.infer.tuning import Tuning


@final
@dataclass(frozen=True)
class Walker:
    """Where a chain stands.

    Attributes
    ----------
    z, value
        The point ``(n,)`` and the log-density there.
    tuning
        Of the proposal.
    """

    z: Array
    value: float
    tuning: Tuning

    @property
    def scale(self) -> float:
        """Size of the proposal."""
        return self.tuning.scale


@final
@dataclass(frozen=True)
class Metropolis(Kernel):
    """Propose, and accept with probability min(1, ratio of density to the proposal's reference)."""

    density: LogDensityOfZ
    proposal: Proposal

    def start(self, z: Array) -> Walker:
        """Return the state of a chain that begins at z."""
        return Walker(z, self.density(z), self.proposal.start(z))

    def step(self, state: Walker, rng: np.random.Generator) -> tuple[Walker, Info]:
        """Return the next state, and what happened."""
        z = self.propose(state, rng)
        value = self.density(z)
        odds = log_ratio(value, state.value) + self.log_reference(state.z) - self.log_reference(z)
        accepted, probability = accept(odds, rng)
        if accepted:
            state = Walker(z, value, state.tuning)
        return self.taught(state, probability), Info(accepted, probability, state.scale)

    def tuned(self, state: Walker) -> Walker:
        """Return the state with its tuning ended."""
        return replace(state, tuning=replace(state.tuning, active=False))

    def moved(self, state: Walker, z: Array) -> Walker:
        """Return the state at another place."""
        return Walker(z, self.density(z), state.tuning)

    def taught(self, state: Walker, acceptance: float) -> Walker:
        """Return the state after its tuning has learnt."""
        tuning = state.tuning.learn(state.z, acceptance, self.proposal.acceptance)
        return state if tuning is state.tuning else Walker(state.z, state.value, tuning)

    def back(self, end: Walker, start: Walker) -> Walker:
        """Return where `start` stood, with the tuning learnt until `end`."""
        return Walker(start.z, start.value, end.tuning)

    def propose(self, state: Walker, rng: np.random.Generator) -> Array:
        """Return a point to try next."""
        return self.proposal.move(state.z, state.tuning, rng)

    def log_reference(self, z: Array) -> float:
        """Return the proposal's."""
        return self.proposal.log_reference(z)
