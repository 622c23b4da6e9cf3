"""Chain: a layered film's diffusivity, a reaction in the film, oxygen readings at two depths."""

import numpy as np

from mscale_uq.core.formula import Formula
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.parameter import Parameter

PARAMETERS = (
    Parameter("D_cluster", "m^2/s", 2e-10, lower=0, meaning="diffusivity in cell clusters"),
    Parameter("D_matrix", "m^2/s", 1.2e-9, lower=0, meaning="diffusivity between clusters"),
    Parameter("rate", "1/s", 0.01, lower=0, meaning="first-order uptake"),
)
CLUSTER_FRACTION = 0.6


def across_layers(D_cluster, D_matrix):
    return 1 / (CLUSTER_FRACTION / D_cluster + (1 - CLUSTER_FRACTION) / D_matrix)


def profile(D_eff, rate, depth, thickness):
    """Exact steady concentration under a closed bottom, relative to the surface."""
    modulus = np.sqrt(rate / D_eff)
    return np.cosh(modulus * (thickness - depth)) / np.cosh(modulus * thickness)


def forward(depth=(50e-6, 150e-6)):
    return ForwardModel(
        [Formula(across_layers, "D_eff"), Formula(profile, "oxygen")],
        PARAMETERS,
        outputs=["oxygen"],
        constants={"depth": depth, "thickness": 200e-6},
    )
