"""Ions in the pores of an electrode: impedance of coatings of different porosity tells how pores obstruct.

One coating fixes one effective diffusivity: the bulk diffusivity and the exponent of its porosity cannot be
told apart. Coatings of different porosity, with exponents that scatter about a common one, tell them apart.

Cell      bruggeman: D_eff = D eps^(1 + b), a closure. square, hexagonal: the pores between insulating
          elliptic particles in a regular array, div(D (e_j + grad chi_j)) = 0, no flux into the particles.
          image: the same in the pores of an image, held at its first and last row, closed at its sides
Macro     none: impedance of a symmetric cell reads D_eff through the plane of the coating
Observed  effective_diffusivity(disc) and density_porosity(disc), for discs punched from one coating
Limit     D_eff = D/5 at eps = 0.35: tortuosity factor 1.75, exponent 1.5330577; cylinders as published

Source: J. Landesfeind et al., Tortuosity of battery electrodes: validation of impedance-derived values and
critical comparison with 3D tomography, J. Electrochem. Soc. 165 (2018), doi:10.1149/2.0231803jes.
"""

from functools import partial

import numpy as np

from mscale_uq.cell.particles import ParticleArray
from mscale_uq.cell.pore_image import through_plane
from mscale_uq.cell.porous import bruggeman_exponent, bruggeman_ratio, tortuosity_factor
from mscale_uq.core.formula import Formula
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.known import known, off
from mscale_uq.core.options import takes
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.core.reads import read_by
from mscale_uq.core.system import Limit, Option, Scale, System
from mscale_uq.errors import Infeasible, ParameterError, explain
from mscale_uq.observe.repeats import Repeats

PARAMETERS = (
    Parameter("bulk_diffusivity", "m^2/s", 3e-10, lower=0, meaning="of the salt, in what fills the pores"),
    Parameter("porosity", "1", 0.4, lower=0, upper=1, meaning="share of the coating that is pores"),
    Parameter("tortuosity_exponent", "1", 0.5, lower=0,
              meaning="b of tau = eps^-b; 0.5 is Bruggeman's for spheres"),
    Parameter("aspect_ratio", "1", 1.5, lower=0,
              meaning="of the particles, width in the plane over height across it"),
)  # fmt: skip
OPTIONS = (
    Option("microstructure", "bruggeman", choices=("bruggeman", "square", "hexagonal", "image"),
           meaning="a power of the porosity, particles in a regular array, or an image"),
    Option("elements", 4, "1", "between a particle and the side of its cell", lower=0),
    Option("image", "", meaning="file (PNG, CSV, NPY) of a section across the coating", image=True),
)  # fmt: skip
CLOSED = 1e-12  # of D_eff/D: below, the pores are closed for all that impedance can tell
SECTION = np.tile([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0], [1.0, 1.0, 1.0]], (2, 2))  # of the example, 1 is pore


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


def seen(image):
    """Return porosity and D_eff/D of an image of the coating, pores being 1; rows lie in its plane."""
    if isinstance(image, str):
        allowed = "microstructure 'image' with the file of one: image = \"pores.png\""
        raise ParameterError(explain("porous_medium: an image with another microstructure, or none", allowed))
    ratio = through_plane(image, axis=0)
    if ratio == 0:
        given = "porous_medium: the image does not percolate: no pore leads from its first row to its last"
        pores = f"pores are white, or 1: {np.mean(image):.0%} of this image"
        raise ParameterError(explain(given, "pores that lead through the coating", pores))
    return {"porosity": float(np.mean(image)), "ratio": ratio}


def cell(o):
    """Return the stages from the porosity to D_eff/D, and what an image fixes."""
    if o.microstructure == "image" or not isinstance(o.image, str):
        return [], seen(o.image if o.microstructure == "image" else "")  # which refuses the latter
    if o.microstructure == "bruggeman":
        return [Formula(closure, "ratio")], {}
    array = ParticleArray(o.microstructure, "fraction", "aspect_ratio", "K", o.elements)
    return [Formula(solid, "fraction"), array, Formula(across, "ratio")], {}


@takes(OPTIONS)
def forward(o, disc=(1.0, 2.0, 3.0, 4.0)):
    """Return the model for discs of one coating: a closure, pores between particles, or those of an image."""
    before, given = cell(o)
    stages = [
        *before,
        Formula(scaled, "D_eff"),
        Formula(compared, ("tortuosity", "exponent")),
        Repeats(len(disc), "D_eff", "effective_diffusivity"),
        Repeats(len(disc), "porosity", "density_porosity"),
    ]
    unknown, given = read_by(stages, PARAMETERS, given)
    return ForwardModel(stages, unknown, ["effective_diffusivity", "density_porosity"], given)


def _published_coating():
    """Deviation of tortuosity factor and exponent where D_eff = D/5 at a porosity of 0.35."""
    given = {"porosity": 0.35, "tortuosity_exponent": -np.log(5) / np.log(0.35) - 1}
    return max(off(forward, "tortuosity", 1.75, **given), off(forward, "exponent", 1.5330577, **given))


def _channels():
    """Deviation from the share of straight channels in an image, which do not obstruct at all."""
    made = known(forward, microstructure="image", image=np.tile([1.0, 0.0, 0.0, 0.0], (6, 3)))
    return max(abs(made["ratio"] / 0.25 - 1), abs(made["tortuosity"] - 1))


def _cylinders(array, porosity, published):
    """Deviation from the published D_eff/D of insulating cylinders."""
    return off(forward, "ratio", published, microstructure=array, porosity=porosity, aspect_ratio=1.0)


LIMITS = (
    Limit("straight channels in an image have a tortuosity factor of one", _channels, 1e-10),
    Limit("D/5 at a porosity of 0.35 is a tortuosity factor of 1.75", _published_coating, 5e-8),
    Limit("square cylinders at f = 0.5 leave 0.324654", partial(_cylinders, "square", 0.5, 0.324654), 5e-5),
    Limit("hexagonal ones leave 0.332809", partial(_cylinders, "hexagonal", 0.5, 0.332809), 5e-5),
    Limit("and at f = 0.65 leave 0.209379", partial(_cylinders, "hexagonal", 0.35, 0.209379), 5e-5),
)

SYSTEM = System(
    name="transport/porous_medium",
    parameters=PARAMETERS,
    outputs=(
        Quantity("effective_diffusivity", "m^2/s", "through the coating, by impedance", ("disc",)),
        Quantity("density_porosity", "1", "from mass and thickness", ("disc",), lower=0.0, upper=1.0),
    ),
    coordinates=(Quantity("disc", "1", "number of the disc punched from the coating"),),
    options=OPTIONS,
    effective=(
        Quantity("D_eff", "m^2/s", "effective diffusivity through the coating"),
        Quantity("ratio", "1", "D_eff/D, the inverse of the MacMullin number"),
        Quantity("tortuosity", "1", "tortuosity factor"),
        Quantity("exponent", "1", "Bruggeman exponent"),
    ),
    smoothness="smooth",
    forward=forward,
    limits=LIMITS,
    examples=(
        {"microstructure": "square"},
        {"microstructure": "hexagonal"},
        {"microstructure": "image", "image": SECTION},
    ),
    scale=Scale("bulk_diffusivity", "D_eff"),
)
