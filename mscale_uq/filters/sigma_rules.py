"""Sigma-point rules: a few weighted points that carry the moments of a standard normal law."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import product
from typing import final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.errors import ParameterError, explain


class SigmaRule(ABC):
    """Gives points ``(k, n)`` of the standard normal law with weights for means and for covariances."""

    @abstractmethod
    def points(self, n: int) -> tuple[Array, Array, Array]:
        """Return points ``(k, n)``, mean weights ``(k,)`` and covariance weights ``(k,)``."""


@final
@dataclass(frozen=True)
class Cubature(SigmaRule):
    """2 n points of equal weight, exact for polynomials of degree 3.

    Source: I. Arasaratnam, S. Haykin, IEEE Trans. Autom. Control 54 (2009) 1254-1269,
    doi:10.1109/TAC.2009.2019800.
    """

    def points(self, n: int) -> tuple[Array, Array, Array]:
        """Return plus and minus sqrt(n) along each axis."""
        weights = np.full(2 * n, 1 / (2 * n))
        return np.sqrt(n) * np.vstack([np.eye(n), -np.eye(n)]), weights, weights


@final
@dataclass(frozen=True)
class Unscented(SigmaRule):
    """2 n + 1 points: the scaled unscented transform with its `alpha`, `beta` and `kappa`.

    With the defaults all weights are positive; a small `alpha` makes the central one large and negative, and
    a covariance may then stop being positive, which is reported.

    Source: S. J. Julier, J. K. Uhlmann, Proc. IEEE 92 (2004) 401-422, doi:10.1109/JPROC.2003.823141.
    """

    alpha: float = 1.0
    beta: float = 0.0
    kappa: float = 1.0

    def points(self, n: int) -> tuple[Array, Array, Array]:
        """Return the centre and plus and minus sqrt(n + lambda) along each axis."""
        scale = self.alpha**2 * (n + self.kappa)
        if not scale > 0:
            raise ParameterError(explain(f"Unscented: alpha^2 (n + kappa) = {scale:g}", "a positive number"))
        mean = np.full(2 * n + 1, 0.5 / scale)
        mean[0] = 1 - n / scale
        cov = mean.copy()
        cov[0] += 1 - self.alpha**2 + self.beta
        return np.sqrt(scale) * np.vstack([np.zeros((1, n)), np.eye(n), -np.eye(n)]), mean, cov


@final
@dataclass(frozen=True)
class GaussHermite(SigmaRule):
    """The product rule with `order` points along each axis, exact for degree 2 order - 1 in each.

    Raises
    ------
    ParameterError
        If there would be more than 100 000 points.
    """

    order: int = 5

    def points(self, n: int) -> tuple[Array, Array, Array]:
        """Return the ``order**n`` points of the product rule."""
        if self.order < 1 or self.order**n > 100_000:
            raise ParameterError(
                explain(f"GaussHermite: {self.order}^{n} points", "1 to 100000", "use Cubature or Unscented")
            )
        nodes, weights = np.polynomial.hermite_e.hermegauss(self.order)
        grid = np.array(list(product(nodes, repeat=n))).reshape(-1, n)
        shares = np.array(list(product(weights / weights.sum(), repeat=n))).reshape(-1, n).prod(axis=1)
        return grid, shares, shares
