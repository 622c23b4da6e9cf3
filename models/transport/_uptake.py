"""What happens to a solute on its way through a column: it binds, is turned over, or diffuses into bodies.

Rates R(c, s, p) of what leaves the water, c dissolved and s bound, with p in the order of the parameters:
k (K c - s) at the grains, V c/(K_m + c) by an enzyme, and what enters slabs or spheres, whose own profile
da/dt = D_s lap a - k a is held by the modes of `Pores`.
"""

from dataclasses import replace

from mscale_uq.core.parameter import Parameter
from mscale_uq.macro.kinetics import Kinetics
from mscale_uq.macro.pores import Pores, slab_rate, sphere_rate
from mscale_uq.macro.radial_mesh import Geometry, RadialMesh

BODIES = (
    Parameter("phase_ratio", "1", 1.0, lower=0, meaning="beta, volume inside bodies per flowing water"),
    Parameter("pore_diffusivity", "m^2/s", 1e-10, lower=0, meaning="D_s, of the solute inside them"),
    Parameter("depth", "m", 1e-3, lower=0, meaning="half the thickness of a slab, the radius of a sphere"),
    Parameter("pore_rate", "1/s", 2e-4, lower=0, closed=True, meaning="k, of the reaction inside, if any"),
)
REACTION = {
    "none": (),
    "sorption": (
        Parameter("partition", "1", 1.0, lower=0, meaning="K, bound per dissolved at equilibrium"),
        Parameter("sorption_rate", "1/s", 1.5e-4, lower=0, meaning="k, at which equilibrium is reached"),
    ),
    "enzyme": (
        Parameter("turnover", "1/s", 5e-5, lower=0, meaning="V, largest rate, relative to the inlet"),
        Parameter("half_saturation", "1", 0.3, lower=0, meaning="K_m, relative to the inlet"),
    ),
    "slabs": BODIES,
    "spheres": BODIES,
}
SHAPES: dict[str, Geometry] = {"slabs": "slab", "spheres": "sphere"}
LATE = {"slabs": slab_rate, "spheres": sphere_rate}  # what bodies take up at rest with the water, per c


def inert(c, s, p):  # noqa: ARG001
    """Nothing happens to a tracer."""
    return 0 * c


def sorption(c, s, p):
    """Linear kinetics towards s = K c; of bodies, each mode has a K and a k of its own."""
    return p[1] * (p[0] * c - s)


def enzyme(c, s, p):  # noqa: ARG001
    """Michaelis-Menten turnover; s is what has been made."""
    return p[0] * c / (p[1] + c)


RATES = {"none": inert, "sorption": sorption, "enzyme": enzyme, "slabs": sorption, "spheres": sorption}


def kinetics_of(name, shells):
    """Return the reaction of that name; bodies are resolved by `shells` finite volumes."""
    reads = tuple(parameter.name for parameter in REACTION[name])
    reaction = Kinetics(RATES[name], reads, linear=name != "enzyme")
    if name not in SHAPES:
        return reaction
    inside = Pores(RadialMesh(SHAPES[name], cells=(shells,), grading=2.0))
    return replace(reaction, sites=inside, count=shells)
