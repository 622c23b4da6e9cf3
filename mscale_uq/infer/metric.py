"""The metric of NUTS: it begins as the Gaussian around a mode, and learns only what draws tell apart from it.

The covariance of N draws of n unknowns is wrong even where the guess is right: relative to the guess, its
eigenvalues spread over ((1 - r)^2, (1 + r)^2) with r^2 = n/N, and a metric with such errors makes trees
longer by the root of the ratio of the largest to the least. So the sample covariance is taken relative to
the guess; eigenvalues inside that interval are noise, and become one; those outside it are directions in
which the posterior is wider or narrower than the Gaussian, and lose the bias they have.

Source: D. L. Donoho, M. Gavish, I. M. Johnstone, Optimal shrinkage of eigenvalues in the spiked covariance
model, Annals of Statistics 46 (2018) 1742-1778, doi:10.1214/17-AOS1601; the loss is the operator norm.
"""

import warnings
from typing import Any, final

import numpy as np
from pymc.step_methods.hmc.quadpotential import QuadPotentialFullAdapt

from mscale_uq.core.parameter import Array

GUESS_WEIGHT = 10  # tuning draws that the first guess of the metric counts for
REFRESH = 10  # tuning draws between two factorisations
CORRELATED = 2.0  # draws of a chain that count for one that is independent


@final
class NearGaussian(QuadPotentialFullAdapt):  # type: ignore[misc]  # PyMC has no types
    """A dense metric that is the covariance of a Gaussian but for directions that draws show to differ.

    Parameters
    ----------
    mean, covariance
        Of the Gaussian, ``(n,)`` and ``(n, n)``.
    rng
        For momenta.
    """

    def __init__(self, mean: Array, covariance: Array, rng: np.random.Generator) -> None:
        with warnings.catch_warnings():
            # PyMC calls its dense metric experimental; ours is held to exact posteriors in the tests.
            warnings.filterwarnings("ignore", "QuadPotentialFullAdapt is an experimental feature")
            super().__init__(mean.size, mean, covariance, GUESS_WEIGHT, update_window=REFRESH, rng=rng)
        self._root: Array = np.linalg.cholesky(covariance).astype(float)

    def _update_from_weightvar(self, weightvar: Any) -> None:
        found = weightvar.current_covariance()
        if np.isfinite(found).all():
            self._cov[:] = told_apart(found, self._root, weightvar.n_samples / CORRELATED)
            self._chol = np.linalg.cholesky(self._cov)


def told_apart(sample: Array, root: Array, draws: float) -> Array:
    """Return the covariance ``(n, n)`` that a `sample` one of so many independent draws speaks for.

    `root` is a Cholesky factor of the covariance where the sample's differs by no more than chance has it.
    """
    whitened = np.linalg.solve(root, np.linalg.solve(root, sample).T)
    values, vectors = np.linalg.eigh(0.5 * (whitened + whitened.T))
    shaped = root @ vectors
    covariance: Array = (shaped * spikes(values, len(root) / draws)) @ shaped.T
    return covariance


def spikes(values: Array, ratio: float) -> Array:
    """Return the eigenvalues of a covariance from those of a sample's; `ratio` is unknowns per draw.

    An eigenvalue l of the covariance, all others being one, appears in the sample's as l + ratio l/(l - 1);
    those nearer to one than its root do not appear. Without as many draws as unknowns no small one does.
    """
    edge = np.sqrt(ratio)
    sign = np.where(values > (1.0 + edge) ** 2, 1.0, np.where(values < (1.0 - edge) ** 2, -1.0, 0.0))
    if ratio >= 1.0:
        sign = np.maximum(sign, 0.0)
    middle = 0.5 * (1.0 + values - ratio)
    found = middle + sign * np.sqrt(np.maximum(middle**2 - values, 0.0))
    return np.where(sign != 0.0, found, 1.0)
