"""The ensemble smoother with multiple data assimilation: one Bayesian update, taken in several small ones."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike

from mscale_uq.core.forward import ForwardModel
from mscale_uq.errors import InputError, explain
from mscale_uq.filters.analysis import Analysis
from mscale_uq.filters.inversion import Inversion, invert, problem
from mscale_uq.filters.stochastic import Stochastic


@final
@dataclass(frozen=True)
class ESMDA:
    """Assimilates the same data once per alpha, with alpha times their noise.

    For linear models and normal priors (in free coordinates) the result is the posterior, whatever the
    alphas; for others more and larger alphas follow the curvature better.

    Attributes
    ----------
    alphas
        Positive; scaled so that the sum of 1/alpha is one, so only their proportions count.
    analysis
        The update; `ETKF` gives the sample posterior of a linear model without sampling noise.

    Raises
    ------
    InputError
        If there is no alpha, or one is not positive.

    Source: A. A. Emerick and A. C. Reynolds, Comput. Geosci. 55 (2013) 3-15,
    doi:10.1016/j.cageo.2012.03.011.
    """

    alphas: tuple[float, ...] = (4.0, 4.0, 4.0, 4.0)
    analysis: Analysis = field(default_factory=Stochastic)

    def __post_init__(self) -> None:
        if not self.alphas or not all(0 < alpha < np.inf for alpha in self.alphas):
            raise InputError(explain(f"esmda: alphas = {self.alphas}", "at least one positive number"))

    @property
    def scaled_alphas(self) -> tuple[float, ...]:
        """The alphas in use; their inverses sum to one."""
        total = sum(1 / alpha for alpha in self.alphas)
        return tuple(alpha * total for alpha in self.alphas)

    def invert(
        self,
        model: ForwardModel,
        thetas: ArrayLike,
        data: ArrayLike,
        noise: ArrayLike,
        key: int = 0,
        map: Callable[..., Iterable[Any]] = map,
    ) -> Inversion:
        """Return the posterior members of prior members ``(N, p)``.

        `data` is ``(n_data,)`` in the order of `model.value`, NaN missing; `noise` its variances or
        covariance. The model is run N times per alpha, and N times at the end; any ``executor.map`` will do.

        Raises
        ------
        SolveFailed
            If the model succeeds for fewer than two members.
        DataError, ParameterError
            If shapes do not fit, or a member lies outside the limits.
        """
        task = problem(model, data, noise, self.analysis, map, key)
        return invert(task, thetas, self.scaled_alphas, _never)


def _never(_: float) -> bool:
    return False
