"""The log-density of a target in sampler coordinates, in NumPy: nothing to compile, nothing to wait for."""

from typing import final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Named
from mscale_uq.infer.coordinates import COORDINATES
from mscale_uq.infer.likelihood import Likelihood
from mscale_uq.infer.target import Target


@final
class PlainDensity:
    """z ``(n,)`` -> log-density of z; -inf where a model has no answer, never NaN.

    Parameters
    ----------
    target
        Priors and log-likelihood.
    likelihood
        Where its failures are caught and counted.
    """

    def __init__(self, target: Target, likelihood: Likelihood) -> None:
        self._target = target
        self._likelihood = likelihood

    def __call__(self, z: Array) -> float:
        """Return prior, times volume of theta per volume of z, times likelihood, as a logarithm."""
        theta, prior = prior_of_z(self._target, z)
        if not (np.isfinite(prior) and np.all(np.isfinite(theta))):
            return -np.inf
        return prior + self._likelihood(theta)[0]


def prior_of_z(target: Target, z: Array) -> tuple[Array, float]:
    """Return theta ``(n,)`` and the log prior density of z there; not finite where numbers end."""
    values: Named = {}
    standard, total = target.split(z), 0.0
    with np.errstate(all="ignore"):
        for name, prior in target.priors.items():
            coordinate, derive = COORDINATES[type(prior)]
            a, b = derive(np, *prior.resolve(values).values())
            values[name] = np.asarray(coordinate.backward(np, standard[name], a, b))
            slope = float(np.sum(coordinate.log_slope(np, standard[name], a, b)))
            total += prior.logpdf(values[name], values) + slope
    return target.pack(values), total
