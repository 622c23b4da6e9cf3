"""Cell division: each molecule goes to one daughter with probability `share`, independently of the others.

Of a mother with numbers N of mean m and covariance P, one daughter gets n of mean p m and covariance
p^2 P + p (1 - p) diag(m), the other N - n; given N they share what there is, so
Cov(n, N - n) = p (1 - p) (P - diag(m)).

Source of the calibration: N. Rosenfeld, T. J. Perkins, U. Alon, M. B. Elowitz, P. S. Swain, A fluctuation
method to quantify in vivo fluorescence data, Biophys. J. 91 (2006) 759-766, doi:10.1529/biophysj.105.073098.
"""

import numpy as np
from numpy.typing import ArrayLike

from mscale_uq.core.parameter import Array
from mscale_uq.errors import InputError, explain


def divide(mean: ArrayLike, cov: ArrayLike, share: float = 0.5) -> tuple[Array, Array]:
    """Return mean ``(2 n,)`` and covariance ``(2 n, 2 n)`` of both daughters of a mother of n numbers.

    The first daughter's numbers come first. `share` is the probability of going there, such as its part of
    the volume.

    Raises
    ------
    InputError
        If the share is not inside (0, 1).
    """
    if not 0 < share < 1:
        raise InputError(explain(f"share = {share}", "inside (0, 1)", "a half for equal daughters"))
    m, P, rest = np.asarray(mean, dtype=float), np.asarray(cov, dtype=float), 1 - share
    binomial = share * rest * np.diag(m)
    between = share * rest * P - binomial
    one, other = share**2 * P + binomial, rest**2 * P + binomial
    return np.concatenate([share * m, rest * m]), np.block([[one, between], [between.T, other]])


def partition_gain(one: ArrayLike, other: ArrayLike, noise_var: float = 0.0) -> tuple[float, float]:
    """Return fluorescence per molecule, with its standard error, from pairs of new daughters.

    E (I1 - I2)^2 = gain (I1 + I2) + 2 noise_var for equal daughters, where `noise_var` is the variance of one
    reading. Without it, its noise is taken for that of partition, and the gain comes out too large.

    Parameters
    ----------
    one, other
        ``(pairs,)`` intensities above the background.

    Raises
    ------
    InputError
        If there are fewer than two pairs, or no light.
    """
    first, second = np.asarray(one, dtype=float), np.asarray(other, dtype=float)
    if first.ndim != 1 or first.shape != second.shape or first.size < 2 or not (first + second).sum() > 0:
        given = f"daughters of shapes {first.shape} and {second.shape}"
        raise InputError(explain(given, "at least two pairs, with light above the background"))
    light = (first + second).sum()
    excess = (first - second) ** 2 - 2 * noise_var
    gain = excess.sum() / light
    left = excess - gain * (first + second)
    return float(gain), float(np.sqrt((left**2).sum()) / light)
