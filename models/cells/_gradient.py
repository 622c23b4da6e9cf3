"""A gradient that is made at one end of a half line, spreads and decays, in closed form.

With diffusivity D, degradation k and influx j: c = j/sqrt(D k) exp(-x/L) at rest, L = sqrt(D/k). From an
empty half line the share of it that is there at a time solves the same equation, by Laplace's transform.
"""

import numpy as np
from scipy.special import erfc


def reach(diffusivity, degradation, influx):
    """Length of the gradient at rest, and its height at the source."""
    return np.sqrt(diffusivity / degradation), influx / np.sqrt(diffusivity * degradation)


def at_rest(x, diffusivity=0.1, degradation=2.5e-4, influx=0.03):
    """Concentration at rest on a half line."""
    length, height = reach(diffusivity, degradation, influx)
    return height * np.exp(-x / length)


def share(x, time, diffusivity=0.1, degradation=2.5e-4):
    """Share of the concentration at rest that is reached from an empty half line."""
    length, spread = np.sqrt(diffusivity / degradation), np.sqrt(4 * diffusivity * time)
    late = np.sqrt(degradation * time)
    return (erfc(x / spread - late) - np.exp(2 * x / length) * erfc(x / spread + late)) / 2
