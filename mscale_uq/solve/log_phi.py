"""The logarithm of the normal distribution function: what a reading at a limit says of a normal number."""

import numpy as np
from scipy.special import log_ndtr

LOG_2PI = float(np.log(2 * np.pi))


def log_phi(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return log Phi(z) and its derivative phi(z)/Phi(z), shaped like z; also far out in the lower tail."""
    value = np.asarray(log_ndtr(z))
    return value, np.exp(-0.5 * (LOG_2PI + z**2) - value)


def left_below(z: np.ndarray) -> np.ndarray:
    """Return the information on the mean that is left of a normal reading which is cut off at z.

    Mean and z in standard deviations, z from the mean up: beyond it the reading says only that it is beyond.
    One if nothing is cut off: Phi(z) - z phi(z) + phi(z)^2/Phi(-z), the expected square of the score.
    """
    log_above, hazard = log_phi(-z)
    phi = np.exp(-0.5 * (LOG_2PI + z**2))
    return np.asarray(-np.expm1(log_above) - z * phi + phi * hazard)
