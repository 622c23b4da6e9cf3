"""What is seen of a tumour: its volume by a caliper, and a section or a biopsy of it; each with its law."""

from collections.abc import Callable

import numpy as np
from mscale_uq.models.physiology._spheroid import viable_fraction

from mscale_uq.observe.counts import poisson
from mscale_uq.observe.lognormal import Lognormal


def volume(log_volume):
    """What a caliper sees."""
    return np.exp(log_volume)


def vessel_density(log_volume, log_capacity):
    """Vessels per volume, relative to what the tumour needs."""
    return np.exp(log_capacity - log_volume)


def marker(effector):
    """What a biopsy shows of the mitogenic pathway."""
    return 1.0 * effector


def mutations(mutations_expected):
    """What sequencing a biopsy shows."""
    return 1.0 * mutations_expected


READINGS: dict[str, Callable] = {
    "volume": volume,
    "vessel_density": vessel_density,
    "viable_fraction": viable_fraction,
    "marker": marker,
    "mutations": mutations,
}
LAWS = {"volume": Lognormal(0.15, 5.0), "vessel_density": Lognormal(0.2), "viable_fraction": Lognormal(0.1),
        "marker": Lognormal(0.1), "mutations": poisson()}  # fmt: skip
