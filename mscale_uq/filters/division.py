"""Fluorescence of one molecule, from how unequal two daughters of one mother are.

Each molecule goes to either daughter by a fair coin, independently of the others, so that their difference
tells how many there are.

Source: N. Rosenfeld, T. J. Perkins, U. Alon, M. B. Elowitz, P. S. Swain, A fluctuation method to quantify in
vivo fluorescence data, Biophys. J. 91 (2006) 759-766, doi:10.1529/biophysj.105.073098.
"""

import numpy as np
from numpy.typing import ArrayLike

from mscale_uq.errors import InputError, explain


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
