"""Media whose conductivity tests of cells know, and independent programs for the others."""

import numpy as np

from mscale_uq.cell.conduction import PeriodicConduction


def normal(*shape, seed=3):
    return np.random.default_rng(seed).normal(size=shape)


def random_image(n1, n2):
    return np.exp(normal(n1, n2))


def checkerboard(n, k1, k2):
    i, j = np.indices((n, n))
    return np.where((i < n // 2) == (j < n // 2), k1, k2)


def linearized(k, lengths=(1.0, 1.0)):
    made, derivative = PeriodicConduction(k.shape, lengths).linearize({"k": k})
    return made["K"], derivative
