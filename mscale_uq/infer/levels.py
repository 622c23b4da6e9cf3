"""`Levels`: a posterior, and coarser models of the same data for a sampler to look ahead with."""

from collections.abc import Mapping, Sequence
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Named, Values
from mscale_uq.errors import ParameterError, explain
from mscale_uq.infer.target import Target
from mscale_uq.stats.prior import Prior


@final
class Levels:
    """A target that is its finest level; the others change how fast it is sampled, and nothing else.

    Parameters
    ----------
    fine
        What is sampled.
    coarse
        Cheaper targets with the same priors, the coarsest first: fewer elements, smaller cells, a surrogate.
    length
        Steps of a subchain on each coarse level for one step on the next.

    Raises
    ------
    ParameterError
        If a level has other unknowns or priors, or there is no coarse one.
    """

    def __init__(self, fine: Target, coarse: Sequence[Target], length: int = 5) -> None:
        self.fine = fine
        self.coarse = tuple(coarse)
        self.lengths = (int(length),) * len(self.coarse)
        if not self.coarse or length < 1:
            raise ParameterError(
                explain(f"{len(self.coarse)} coarse levels, subchains of {length}", "at least one")
            )
        for level in self.coarse:
            if dict(level.priors) != dict(fine.priors) or dict(level.variables) != dict(fine.variables):
                names = f"{', '.join(level.names)} on a coarse level"
                raise ParameterError(explain(names, f"{', '.join(fine.names)}, with the same priors"))

    @property
    def priors(self) -> Mapping[str, Prior]:
        """Of the finest level."""
        return self.fine.priors

    @property
    def variables(self) -> Mapping[str, tuple[int, ...]]:
        """Of the finest level."""
        return self.fine.variables

    @property
    def names(self) -> tuple[str, ...]:
        """One label per entry of theta."""
        return self.fine.names

    def split(self, theta: ArrayLike) -> Named:
        """Return theta as named arrays."""
        return self.fine.split(theta)

    def pack(self, values: Values) -> Array:
        """Return named arrays as theta."""
        return self.fine.pack(values)

    def sample_prior(self, rng: np.random.Generator) -> Array:
        """Draw theta from the prior."""
        return self.fine.sample_prior(rng)

    def log_likelihood(self, theta: ArrayLike) -> float:
        """Return the log-likelihood of the finest level."""
        return self.fine.log_likelihood(theta)

    def log_likelihood_gradient(self, theta: ArrayLike) -> tuple[float, Array]:
        """Return the log-likelihood of the finest level and its gradient."""
        return self.fine.log_likelihood_gradient(theta)
