"""Ions in the pores of an electrode: impedance of coatings of different porosity tells how pores obstruct.

One coating fixes one effective diffusivity: the bulk diffusivity and the exponent of its porosity cannot be
told apart. Coatings of different porosity, with exponents that scatter about a common one, tell them apart.

Cell      bruggeman: D_eff = D eps^(1 + b), a closure. square, hexagonal: the pores between insulating
          elliptic particles in a regular array, div(D (e_j + grad chi_j)) = 0, no flux into the particles
Macro     none: impedance of a symmetric cell reads D_eff through the plane of the coating
Observed  effective_diffusivity(disc) and density_porosity(disc), for discs punched from one coating
Limit     D_eff = D/5 at eps = 0.35: tortuosity factor 1.75, exponent 1.5330577; cylinders as published

Source: J. Landesfeind et al., Tortuosity of battery electrodes: validation of impedance-derived values and
critical comparison with 3D tomography, J. Electrochem. Soc. 165 (2018), doi:10.1149/2.0231803jes.
"""

from functools import partial

import numpy as np

from mscale_uq.cell.particles import ParticleArray
from mscale_uq.cell.porous import bruggeman_exponent, bruggeman_ratio, tortuosity_factor
from mscale_uq.core.formula import Formula
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.core.stage import Stage
from mscale_uq.core.system import Limit, Option, Scale, System
from mscale_uq.errors import Infeasible
from mscale_uq.observe.repeats import Repeats

COATING = (
    Parameter("bulk_diffusivity", "m^2/s", 3e-10, lower=0, meaning="of the salt, in what fills the pores"),
    Parameter("porosity", "1", 0.4, lower=0, upper=1, meaning="share of the coating that is pores"),
)
EXPONENT = Parameter(
    "tortuosity_exponent", "1", 0.5, lower=0, meaning="b of tau = eps^-b; 0.5 is Bruggeman's for spheres"
)
ASPECT = Parameter(
    "aspect_ratio", "1", 1.5, lower=0, meaning="of the particles, width in the plane over height across it"
)
CLOSED = 1e-12  # of D_eff/D: below, the pores are closed for all that impedance can tell
DISCS = (1.0, 2.0, 3.0, 4.0)


def closure(porosity, tortuosity_exponent):
    """A power of the porosity, as long as anything gets through."""
    ratio = bruggeman_ratio(porosity, 1 + tortuosity_exponent)
    if ratio < CLOSED:
        raise Infeasible(
            "closure", {"porosity": porosity}, f"less than {CLOSED:g} of the diffusivity is left"
        )
    return ratio


def solid(porosity):
    """What is not pore is particle."""
    return 1 - porosity


def across(K):
    """Through the plane of the coating, the short axis of the particles."""
    return K[1, 1]


def scaled(bulk_diffusivity, ratio):
    """The cell problem is linear in the diffusivity of the pores."""
    return bulk_diffusivity * ratio


def compared(porosity, ratio):
    """The names under which obstruction is reported."""
    return tortuosity_factor(porosity, ratio), bruggeman_exponent(porosity, ratio)


def forward(disc=DISCS, microstructure="bruggeman", elements=4):
    """Return the model for discs of one coating, whose pores are a closure or those between particles."""
    if microstructure == "bruggeman":
        cell: list[Stage] = [Formula(closure, "ratio")]
        shape = EXPONENT
    else:
        array = ParticleArray(microstructure, "fraction", "aspect_ratio", "K", elements)
        cell = [Formula(solid, "fraction"), array, Formula(across, "ratio")]
        shape = ASPECT
    stages = [
        *cell,
        Formula(scaled, "D_eff"),
        Formula(compared, ("tortuosity", "exponent")),
        Repeats(len(disc), "D_eff", "effective_diffusivity"),
        Repeats(len(disc), "porosity", "density_porosity"),
    ]
    return ForwardModel(stages, [*COATING, shape], ["effective_diffusivity", "density_porosity"])


def _published_coating():
    """Deviation of tortuosity factor and exponent where D_eff = D/5 at a porosity of 0.35."""
    exponent = -np.log(5) / np.log(0.35)
    known = forward().trace(forward().theta(porosity=0.35, tortuosity_exponent=exponent - 1))
    return max(abs(known["tortuosity"] / 1.75 - 1), abs(known["exponent"] / 1.5330577 - 1))


def _cylinders(array, porosity, published):
    """Deviation from the published D_eff/D of insulating cylinders."""
    model = forward(microstructure=array)
    known = model.trace(model.theta(porosity=porosity, aspect_ratio=1.0))
    return abs(known["ratio"] / published - 1)


LIMITS = (
    Limit("D/5 at a porosity of 0.35 is a tortuosity factor of 1.75", _published_coating, 5e-8),
    Limit("square cylinders at f = 0.5 leave 0.324654", partial(_cylinders, "square", 0.5, 0.324654), 5e-5),
    Limit("hexagonal ones leave 0.332809", partial(_cylinders, "hexagonal", 0.5, 0.332809), 5e-5),
    Limit("and at f = 0.65 leave 0.209379", partial(_cylinders, "hexagonal", 0.35, 0.209379), 5e-5),
)

SYSTEM = System(
    name="transport/porous_medium",
    parameters=(*COATING, EXPONENT, ASPECT),
    outputs=(
        Quantity("effective_diffusivity", "m^2/s", "through the coating, by impedance", ("disc",)),
        Quantity("density_porosity", "1", "from mass and thickness", ("disc",), lower=0.0, upper=1.0),
    ),
    coordinates=(Quantity("disc", "1", "number of the disc punched from the coating"),),
    options=(
        Option(
            "microstructure",
            "bruggeman",
            meaning="a power of the porosity, or particles in a regular array",
            choices=("bruggeman", "square", "hexagonal"),
        ),
        Option("elements", 4, "1", "between a particle and the side of its cell", lower=0),
    ),
    effective=(
        Quantity("D_eff", "m^2/s", "effective diffusivity through the coating"),
        Quantity("ratio", "1", "D_eff/D, the inverse of the MacMullin number"),
        Quantity("tortuosity", "1", "tortuosity factor"),
        Quantity("exponent", "1", "Bruggeman exponent"),
    ),
    smoothness="smooth",
    forward=forward,
    limits=LIMITS,
    examples=({"microstructure": "square"}, {"microstructure": "hexagonal"}),
    scale=Scale("bulk_diffusivity", "D_eff"),
)
