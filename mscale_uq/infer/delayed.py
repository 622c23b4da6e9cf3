"""Delayed acceptance: a chain on a coarse level proposes to a finer one, which corrects it exactly.

A subchain of the coarse kernel, of fixed length, is reversible with respect to the coarse density; with the
coarse density as reference, its end is an ordinary proposal to the fine level. A coarse kernel may itself be
of this kind: that is multilevel delayed acceptance. However wrong a coarse level is, only speed is lost.

Where the coarse density is zero and the fine one is not, such proposals would never arrive. A share of the
steps is therefore proposed to the fine level directly.

Source: J. A. Christen, C. Fox, Markov chain Monte Carlo Using an Approximation, Journal of Computational and
Graphical Statistics 14 (2005) 795-810, doi:10.1198/106186005X76983; M. B. Lykkegaard, T. J. Dodwell, C. Fox,
G. Mingas, R. Scheichl, Multilevel Delayed Acceptance MCMC, SIAM/ASA Journal on Uncertainty Quantification 11
(2023) 1-30, doi:10.1137/22M1476770.
"""

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.infer.kernel import Info, Kernel, LogDensityOfZ, accept, log_ratio


@final
@dataclass(frozen=True)
class Stacked:
    """Where a chain stands on a level and on those below.

    Attributes
    ----------
    value
        Log-density of this level.
    below
        State of the coarser kernel, at the same point.
    """

    value: float
    below: Any

    @property
    def z(self) -> Array:
        """The point ``(n,)``."""
        point: Array = self.below.z
        return point

    @property
    def scale(self) -> float:
        """Size of the coarsest level's proposal."""
        scale: float = self.below.scale
        return scale


@final
@dataclass(frozen=True)
class DelayedAcceptance(Kernel):
    """A finer level over a coarser kernel.

    Attributes
    ----------
    density
        Of this level.
    below
        Kernel of the level below.
    length
        Steps of its subchains.
    direct
        Share of steps proposed to this level directly.
    """

    density: LogDensityOfZ
    below: Kernel
    length: int = 5
    direct: float = 0.05

    def start(self, z: Array) -> Stacked:
        """Return the state of a chain that begins at z."""
        return Stacked(self.density(z), self.below.start(z))

    def step(self, state: Stacked, rng: np.random.Generator) -> tuple[Stacked, Info]:
        """Return the next state, and what happened."""
        if rng.uniform() < self.direct:
            return self._directly(state, rng)
        if state.below.value == -np.inf:  # no subchain would ever come back here
            return state, Info(False, 0.0, state.scale)
        return self._by_subchain(state, rng)

    def tuned(self, state: Stacked) -> Stacked:
        """Return the state with the tuning of the coarsest level ended."""
        return Stacked(state.value, self.below.tuned(state.below))

    def moved(self, state: Stacked, z: Array) -> Stacked:
        """Return the state at another place, on all levels."""
        return Stacked(self.density(z), self.below.moved(state.below, z))

    def taught(self, state: Stacked, acceptance: float) -> Stacked:
        """Return the state after the coarsest level's tuning has learnt."""
        return Stacked(state.value, self.below.taught(state.below, acceptance))

    def back(self, end: Stacked, start: Stacked) -> Stacked:
        """Return where `start` stood, with the tuning learnt until `end`."""
        return Stacked(start.value, self.below.back(end.below, start.below))

    def propose(self, state: Stacked, rng: np.random.Generator) -> Array:
        """Return what the coarsest level would propose."""
        return self.below.propose(state.below, rng)

    def log_reference(self, z: Array) -> float:
        """Return the coarsest level's."""
        return self.below.log_reference(z)

    def _by_subchain(self, state: Stacked, rng: np.random.Generator) -> tuple[Stacked, Info]:
        end, rates = state.below, []
        for _ in range(self.length):
            end, info = self.below.step(end, rng)
            rates.append(info.acceptance_rate)
        stayed = Stacked(state.value, self.below.back(end, state.below))
        coarse = sum(rates) / self.length
        if end.z is state.z:  # nothing to decide, no fine solve
            return stayed, Info(False, 0.0, state.scale, coarse)
        value = self.density(end.z)
        odds = log_ratio(value, state.value) - (end.value - state.below.value)
        accepted, probability = accept(odds, rng)
        return Stacked(value, end) if accepted else stayed, Info(accepted, probability, state.scale, coarse)

    def _directly(self, state: Stacked, rng: np.random.Generator) -> tuple[Stacked, Info]:
        z = self.propose(state, rng)
        value = self.density(z)
        odds = log_ratio(value, state.value) + self.log_reference(state.z) - self.log_reference(z)
        accepted, probability = accept(odds, rng)
        if accepted:
            state = Stacked(value, self.below.moved(state.below, z))
        return self.taught(state, probability), Info(accepted, probability, state.scale)
