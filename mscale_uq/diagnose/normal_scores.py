"""Normal scores: coordinates in which every prior is a standard normal, so that "learned" has one meaning.

    z = Phi^-1( F(x) ),   F the prior's distribution function, given its parents in a hierarchy

In z every unknown has mean 0 and standard deviation 1 before the data, whatever its unit and its family.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Named, Values
from mscale_uq.stats.posterior import Posterior
from mscale_uq.stats.prior import Prior

STEP = 1e-6  # of the central difference to a parent, relative; families give no quantile slopes


def to_normal(posterior: Posterior, theta: ArrayLike) -> Array:
    """Return the normal scores z ``(n,)`` of theta ``(n,)``."""
    return posterior.pack(scores(posterior, posterior.split(theta)))


def scores(posterior: Posterior, values: Values) -> Named:
    """Return the normal scores of named values, shaped like them; all may lead with the axes of draws."""
    found = {}
    for name, prior in posterior.priors.items():
        axes = np.ndim(values[name])
        arguments = {key: _beside(given, axes) for key, given in prior.resolve(values).items()}
        law = prior.frozen(**arguments)
        below, above = law.cdf(values[name]), law.sf(values[name])
        # Each tail from its own side: 1 - F loses the upper one to rounding.
        found[name] = np.where(below < above, ndtri(below), -ndtri(above))
    return found


def _beside(parent: Any, axes: int) -> Any:
    """Return a parent's values as they stand beside a child with so many axes: one for all of its entries."""
    if np.ndim(parent) == 0:
        return parent
    return np.reshape(parent, (*np.shape(parent), *[1] * (axes - np.ndim(parent))))


def from_normal(posterior: Posterior, z: ArrayLike) -> Array:
    """Return theta ``(n,)`` at normal scores z ``(n,)``; z = 0 is the prior median."""
    scores = posterior.split(z)
    values: Named = {}
    for name, prior in posterior.priors.items():
        values[name] = np.asarray(_quantile(prior.frozen(**prior.resolve(values)), scores[name]))
    return posterior.pack(values)


def slopes(posterior: Posterior, theta: ArrayLike) -> Array:
    """Return dtheta/dz ``(n, n)``: diagonal, and what a child moves with its parents."""
    values, n = posterior.split(theta), posterior.size
    scores = posterior.split(to_normal(posterior, theta))
    rows: dict[str, Array] = {}
    start = 0
    for name, prior in posterior.priors.items():
        size = values[name].size
        block = np.zeros((size, n))
        law = prior.frozen(**prior.resolve(values))
        density = np.exp(-0.5 * scores[name] ** 2) / np.sqrt(2 * np.pi)
        block[np.arange(size), start + np.arange(size)] = np.ravel(density / law.pdf(values[name]))
        for argument, parent in prior.arguments.items():
            if isinstance(parent, str):
                moved = _argument_slope(prior, argument, scores[name], values)
                block += np.ravel(moved)[:, None] * rows[parent]
        rows[name] = block
        start += size
    return np.concatenate([np.zeros((0, n)), *rows.values()])


def _argument_slope(prior: Prior, argument: str, score: Array, values: Named) -> Array:
    arguments = prior.resolve(values)
    step = STEP * max(abs(float(arguments[argument])), STEP)
    ends = [
        _quantile(prior.frozen(**{**arguments, argument: arguments[argument] + side * step}), score)
        for side in (1, -1)
    ]
    return np.asarray((ends[0] - ends[1]) / (2 * step))


def _quantile(law: Any, z: Array) -> Any:
    return np.where(z < 0, law.ppf(ndtr(z)), law.isf(ndtr(-z)))
