"""`ApproximationError`: the difference between a good model and the one that is used, as a normal law.

Source: J. Kaipio, E. Somersalo, Statistical inverse problems: discretization, model reduction and inverse
crimes, J. Comput. Appl. Math. 198 (2007) 493-504, doi:10.1016/j.cam.2005.09.027.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Values
from mscale_uq.errors import InputError, explain
from mscale_uq.observe.correlated import ModelError


@final
@dataclass(frozen=True, eq=False)
class ApproximationError(ModelError):
    """Normal error with a known mean and covariance.

    Attributes
    ----------
    mean
        ``(n,)``, in the unit of the prediction.
    covariance
        ``(n, n)``, symmetric, not negative.
    draws
        Number of differences it was estimated from; 0 if it was stated.
    """

    mean: Array
    covariance: Array
    draws: int = 0

    def __post_init__(self) -> None:
        for name in ("mean", "covariance"):
            array = np.array(getattr(self, name), dtype=float)
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        n = self.mean.size
        if self.mean.shape != (n,) or self.covariance.shape != (n, n):
            given = f"mean of shape {self.mean.shape}, covariance of shape {self.covariance.shape}"
            raise InputError(explain(f"approximation error: {given}", "(n,) and (n, n)"))

    @property
    def reads(self) -> tuple[str, ...]:
        """Nothing: it is known."""
        return ()

    @property
    def bias(self) -> Array:
        """The mean."""
        return self.mean

    def cov(self, values: Values) -> Array:
        """Return the covariance."""
        return self.covariance

    def cov_slopes(self, values: Values) -> Sequence[tuple[str, Array]]:
        """Return nothing: it is known."""
        return ()


def from_differences(differences: ArrayLike) -> ApproximationError:
    """Return the law of the next difference, given differences ``(draws, n)`` of good and used model.

    The covariance is the sample's, widened by 1 + 1/draws because the mean is estimated from it too.

    Raises
    ------
    InputError
        If there are fewer than two draws, or one is not finite.
    """
    rows = np.asarray(differences, dtype=float)
    if rows.ndim != 2 or len(rows) < 2 or not np.all(np.isfinite(rows)):
        given = f"differences of shape {rows.shape}" if rows.ndim != 2 or len(rows) < 2 else "not finite"
        raise InputError(explain(f"approximation error: {given}", "(draws, n) with at least two draws"))
    centred = rows - rows.mean(axis=0)
    covariance = centred.T @ centred / (len(rows) - 1) * (1 + 1 / len(rows))
    return ApproximationError(rows.mean(axis=0), covariance, len(rows))
