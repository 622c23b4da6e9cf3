"""A plate of two kinds of layers, heated from one side.

Cell      heat crosses the layers one after the other: 1/k_eff = f/k_fibre + (1 - f)/k_resin
Macro     what the heater gives flows to the cold side: T = T_cold + q (thickness - depth)/k_eff
Observed  temperature(depth)
Limit     layers of one kind conduct as that kind does

Source: S. Torquato, Random Heterogeneous Materials (Springer, 2002), doi:10.1007/978-1-4757-6355-3.
"""

import numpy as np

from mscale_uq.core.formula import Formula, PointwiseFormula
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.core.system import Limit, Option, System

# All one may want to infer: name, unit, default, limits, meaning. The case says which are unknown (a prior).
PARAMETERS = (
    Parameter("resin_conductivity", "W/(m K)", 0.3, lower=0, meaning="of the resin layers"),
    Parameter("fibre_conductivity", "W/(m K)", 1.2, lower=0, meaning="of the fibre layers"),
    Parameter("fibre_share", "1", 0.4, lower=0, upper=1, meaning="share of the thickness that is fibre"),
    Parameter("heat_flux", "W/m^2", 500.0, lower=0, meaning="from the heater on the warm side"),
    Parameter("cold_temperature", "K", 290.0, lower=0, meaning="of the cold side"),
)


# A formula is written once, as in the paper; its arguments are names, and its derivative comes by itself.
def in_series(resin_conductivity, fibre_conductivity, fibre_share):
    """Cell: resistances add up."""
    return 1 / (fibre_share / fibre_conductivity + (1 - fibre_share) / resin_conductivity)


def profile(k_eff, heat_flux, cold_temperature, depth, thickness):
    """Macro: a straight line from the warm side to the cold one; for each depth on its own (pointwise)."""
    return cold_temperature + heat_flux * (thickness - depth) / k_eff


def forward(depth=(0.0, 0.01), thickness=0.02):
    """Return the model for thermometers at `depth` (m) in a plate of `thickness` (m)."""
    stages = [Formula(in_series, "k_eff"), PointwiseFormula(profile, "temperature")]
    return ForwardModel(
        stages, PARAMETERS, ["temperature"], {"depth": np.asarray(depth), "thickness": thickness}
    )


def _one_kind():
    """Relative deviation from the conductivity of both layers, where these are equal."""
    model = forward()
    return abs(model.trace(model.theta(resin_conductivity=1.2))["k_eff"] / 1.2 - 1)


SYSTEM = System(
    name="family_name/system_name",
    parameters=PARAMETERS,
    # Columns of the data are named like these; a reading beyond a limit is refused.
    outputs=(Quantity("temperature", "K", "of the thermometer", ("depth",), lower=0),),
    coordinates=(Quantity("depth", "m", "below the warm side", lower=0),),
    options=(Option("thickness", 0.02, "m", "of the plate"),),
    effective=(Quantity("k_eff", "W/(m K)", "effective conductivity across the layers"),),
    smoothness="smooth",
    forward=forward,
    limits=(Limit("layers of one kind conduct as that kind does", _one_kind, 1e-12),),
)
