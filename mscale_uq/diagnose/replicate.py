"""A posterior with other data: simulated from its own prior and laws, or none at all."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Values
from mscale_uq.errors import ForwardFailure, ParameterError, explain
from mscale_uq.stats.posterior import Posterior

TRIES = 1000  # prior draws to try for one at which the models have an answer


Data = list[Mapping[str, ArrayLike]]  # per experiment: quantity -> array


@final
@dataclass(frozen=True)
class Replicate:
    """One draw from the joint law of unknowns and data.

    Attributes
    ----------
    theta
        The truth ``(n,)``.
    data
        Simulated at it, per experiment; missing where the real data are.
    refused
        Prior draws passed over because a model had no answer there; such thetas have no posterior mass
        either, so that leaving them out is exact.
    """

    theta: Array
    data: Data
    refused: int


def replicate(posterior: Posterior, rng: np.random.Generator) -> Replicate:
    """Return unknowns drawn from the prior, and data simulated at them.

    Raises
    ------
    ParameterError
        If no prior draw has a prediction.
    """
    reason = ""
    for refused in range(TRIES):
        theta = posterior.sample_prior(rng)
        try:
            return Replicate(theta, simulate(posterior, posterior.split(theta), rng), refused)
        except ForwardFailure as failure:
            reason = str(failure)
    problem = f"none of {TRIES} prior draws has a prediction, the latest: {reason}"
    raise ParameterError(explain(problem, hint="narrow the priors, or check the model at its defaults"))


def simulate(posterior: Posterior, values: Values, rng: np.random.Generator) -> Data:
    """Return data simulated at `values`, missing where the real data are."""
    drawn = [experiment.sample(values, rng) for experiment in posterior.experiments]
    return [
        {quantity: np.where(np.isnan(real), np.nan, data[quantity]) for quantity, real in e.observed.items()}
        for e, data in zip(posterior.experiments, drawn, strict=True)
    ]


def no_data(posterior: Posterior) -> Data:
    """Return data that are all missing."""
    return [{q: np.full(real.shape, np.nan) for q, real in e.observed.items()} for e in posterior.experiments]


def given(posterior: Posterior, data: Data) -> Posterior:
    """Return the posterior given other data."""
    experiments = [
        e.changed(observed=observed) for e, observed in zip(posterior.experiments, data, strict=True)
    ]
    return posterior.changed(experiments)
