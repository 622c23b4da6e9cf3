"""How well unknowns fit the data, by two ways that share no code: the law's density, and its moments."""

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Values
from mscale_uq.stats.posterior import Posterior

NAMES = ("log-likelihood", "misfit by moments")


def data_fit(posterior: Posterior, theta: Array) -> tuple[float, float]:
    """Return the log-likelihood of the data, and what it would be were all laws normal with their moments.

    Raises
    ------
    SolveFailed, Infeasible
        If a model gives no prediction here.
    """
    values, density, misfit = posterior.split(theta), 0.0, 0.0
    for experiment in posterior.experiments:
        known = experiment.trace(values)
        for quantity, operator in experiment.operators.items():
            data = experiment.observed[quantity]
            density += operator.logpdf(data, known).total
            misfit += _normal(operator, data, known)
    return density, misfit


def _normal(operator: ObservationOperator, data: Array, known: Values) -> float:
    """Log-density of what is seen of the data under a normal law of the same mean and covariance."""
    seen = np.flatnonzero(~np.isnan(np.ravel(data)))
    error = np.ravel(data - operator.mean(known))[seen]
    factor = cho_factor(operator.cov(known)[np.ix_(seen, seen)], lower=True)
    spread = 2.0 * np.sum(np.log(np.diag(factor[0]))) + seen.size * np.log(2 * np.pi)
    return float(-0.5 * (error @ cho_solve(factor, error) + spread))
