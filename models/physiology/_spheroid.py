"""A spheroid without vessels: how far oxygen reaches into it, and the share of its cells that it reaches.

Cells that consume at a constant rate q, at pressure p_0 around them, use up what diffuses in. Where the
radius r_o exceeds r_l = sqrt(6 D p_0/q), a core of radius r_n is left without:
r_o^2 - 3 r_n^2 + 2 r_n^3/r_o = r_l^2. Of a large spheroid a rim of sqrt(2 D p_0/q) lives.

Source: D. R. Grimes et al., The role of oxygen in avascular tumor growth, PLoS ONE 11 (2016) e0153692,
doi:10.1371/journal.pone.0153692.
"""

import numpy as np

from mscale_uq.core.parameter import Parameter
from mscale_uq.solve.kernel import kernel

OXYGEN = (
    Parameter("oxygen_diffusivity", "mm^2/day", 172.8, lower=0, meaning="D, in the spheroid"),
    Parameter(
        "oxygen_demand", "1/day", 19096.0, lower=0, meaning="q/p_0, used up of what is around, per time"
    ),
)


def oxygen_reach(log_volume, oxygen_diffusivity, oxygen_demand):
    """r_l^2/r_o^2, at least 1 where oxygen reaches the middle."""
    radius = (3 * np.exp(log_volume) / (4 * np.pi)) ** (1 / 3)
    return 6 * oxygen_diffusivity / oxygen_demand / radius**2


def around_a_core(reach):
    """Share of the volume that oxygen reaches where it ends before the middle: the cubic's root by Vieta."""
    return 1 - (0.5 + np.cos((np.arccos(2 * reach - 1) + 4 * np.pi) / 3)) ** 3


REACH, AROUND = kernel(oxygen_reach), kernel(around_a_core)


@kernel
def living_share(log_volume, diffusivity, demand):
    """Share of the volume that oxygen reaches, in the rates."""
    reach = REACH(log_volume, diffusivity, demand)
    if reach.real >= 1:
        return 1.0 + 0 * reach
    return AROUND(reach)


def viable_fraction(log_volume, oxygen_diffusivity, oxygen_demand):
    """The same share as a formula: what a section shows."""
    reach = oxygen_reach(log_volume, oxygen_diffusivity, oxygen_demand)
    reached = reach >= 1
    return np.where(reached, 1.0, around_a_core(np.where(reached, 0.5, reach)))
