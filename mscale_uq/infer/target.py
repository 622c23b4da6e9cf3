"""`Target`: what a sampler needs to know of a posterior."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Named, Values
from mscale_uq.stats.prior import Prior


class Target(Protocol):
    """Priors and a log-likelihood; a `Posterior` is one, a filter's likelihood with priors another.

    It must pickle, since every chain is a process of its own.
    """

    @property
    def priors(self) -> Mapping[str, Prior]:
        """Unknown -> prior, parents before children."""

    @property
    def variables(self) -> Mapping[str, tuple[int, ...]]:
        """Unknown -> shape, in the same order; theta ``(n,)`` is their values flattened, in their units."""

    @property
    def names(self) -> tuple[str, ...]:
        """One label per entry of theta."""

    def split(self, theta: ArrayLike) -> Named:
        """Return theta as named arrays."""

    def pack(self, values: Values) -> Array:
        """Return named arrays as theta."""

    def sample_prior(self, rng: np.random.Generator) -> Array:
        """Draw theta from the prior."""

    def log_likelihood(self, theta: ArrayLike) -> float:
        """Return the log-likelihood; raises SolveFailed or Infeasible where there is none."""

    def log_likelihood_gradient(self, theta: ArrayLike) -> tuple[float, Array]:
        """Return the log-likelihood and its gradient ``(n,)``; raises NoGradient where none is exact."""
