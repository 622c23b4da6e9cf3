"""What a saturated reading tells: that the light was at least so strong, not how strong."""

from typing import NamedTuple

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.solve.log_phi import log_phi


class Bound(NamedTuple):
    """Of readings at a limit, given normal noise of variance R: log Phi(z), z = (expected - limit) / sqrt(R).

    With its slope to the expectation, and the information on that; all shaped alike.
    """

    density: Array
    score: Array
    information: Array


def at_least(above: Array, R: Array, slope: Array | float) -> Bound:
    """Return what readings at a limit say that are expected so far `above` it.

    `slope` is that of the variance R to the expectation.
    """
    density, ratio = log_phi(above / np.sqrt(R))
    pull = ratio / np.sqrt(R)
    return Bound(density, pull * (1 - 0.5 * above * slope / R), information(pull, above / R))


def information(pull: Array, above_by_R: Array) -> Array:
    """Return what is known of the expectation: log Phi(z) has the curvature -l (l + z) / R.

    `pull` is its slope l / sqrt(R), and `above_by_R` is z / sqrt(R).
    """
    return np.maximum(pull * (pull + above_by_R), np.finfo(float).tiny)
