"""Proposals: symmetric random walk, and the preconditioned Crank-Nicolson step for fields.

Source: S. L. Cotter, G. O. Roberts, A. M. Stuart, D. White, MCMC Methods for Functions: Modifying Old
Algorithms to Make Them Faster, Statistical Science 28 (2013) 424-446, doi:10.1214/13-STS421.
"""

from abc import ABC, abstractmethod
from typing import ClassVar, final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.infer.tuning import Tuning


class Proposal(ABC):
    """A reversible move.

    Attributes
    ----------
    acceptance
        Mean acceptance probability that tuning aims at.
    """

    acceptance: ClassVar[float]

    @abstractmethod
    def start(self, z: Array) -> Tuning:
        """Return the tuning to begin with."""

    @abstractmethod
    def move(self, z: Array, tuning: Tuning, rng: np.random.Generator) -> Array:
        """Return a point to try next."""

    @abstractmethod
    def log_reference(self, z: Array) -> float:
        """Log of the density, up to a constant, with respect to which `move` is reversible."""


@final
class RandomWalk(Proposal):
    """z + scale L x, x standard normal, L L' the covariance of where the chain has been while tuning."""

    acceptance = 0.3

    def start(self, z: Array) -> Tuning:
        """Begin with the prior's own scale, which is one in sampler coordinates."""
        eye = np.eye(z.size)
        return Tuning(float(np.log(2.38 / np.sqrt(z.size))), np.array(z), eye, eye)

    def move(self, z: Array, tuning: Tuning, rng: np.random.Generator) -> Array:
        """Step in any direction."""
        return z + tuning.scale * (tuning.root @ rng.standard_normal(z.size))

    def log_reference(self, z: Array) -> float:
        """Constant: the walk prefers no place."""
        return 0.0


@final
class CrankNicolson(Proposal):
    """(z + s x) / sqrt(1 + s^2), x standard normal; in the paper's symbols beta = s / sqrt(1 + s^2).

    Leaves the standard normal unchanged, whatever the dimension; a field's prior is that in sampler
    coordinates, so refining the field's mesh does not slow the chain. Unknowns with another prior are
    corrected for exactly, by the acceptance.
    """

    acceptance = 0.25

    def start(self, z: Array) -> Tuning:
        """Begin with half the prior's scale; there is no shape to learn."""
        none = np.zeros((0, 0))
        return Tuning(float(np.log(0.5)), np.zeros(0), none, none)

    def move(self, z: Array, tuning: Tuning, rng: np.random.Generator) -> Array:
        """Shrink a little, step a little."""
        scale = tuning.scale
        moved: Array = (z + scale * rng.standard_normal(z.size)) / np.sqrt(1.0 + scale**2)
        return moved

    def log_reference(self, z: Array) -> float:
        """Log of the standard normal density."""
        return -0.5 * float(z @ z)
