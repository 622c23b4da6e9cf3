"""Layered biofilm: oxygen diffuses into a stack of cell clusters and matrix, and is taken up on the way.

Which of the layers is how permeable cannot be seen from outside; a micro-electrode sees the concentration
at some depths, and a chamber the uptake through the surface.

Cell      (D(y) (1 + chi'))' = 0, periodic over one pair of layers: 1/D_eff = f/D_cluster + (1 - f)/D_matrix
Macro     -bias D_eff u'' + k u = 0 over the thickness, u = u_surface on top, no flux through the bottom
Observed  concentration(depth); uptake = -D u' at the surface, per area
Limit     u(L)/u_surface = 1/cosh(m), uptake = u_surface D m/L tanh(m), with m = L sqrt(k/D)

Source: P. S. Stewart, Diffusion in biofilms, J. Bacteriol. 185 (2003) 1485-1491,
doi:10.1128/JB.185.5.1485-1491.2003.
"""

from functools import partial

import numpy as np
from skfem import Basis, ElementLineP2

from mscale_uq.cell.layered import LayeredCell
from mscale_uq.core.formula import Formula
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.core.system import Limit, Option, Scale, System
from mscale_uq.macro.boundary import Dirichlet
from mscale_uq.macro.diffusion import DiffusionProblem
from mscale_uq.macro.layered import layered_profile
from mscale_uq.macro.mesh import aligned_nodes, interval_mesh
from mscale_uq.macro.steady import SteadyDiffusion
from mscale_uq.observe.sensors import PointSensors

PARAMETERS = (
    Parameter("cluster_diffusivity", "m^2/s", 2e-10, lower=0, meaning="diffusivity inside cell clusters"),
    Parameter("matrix_diffusivity", "m^2/s", 1.2e-9, lower=0, meaning="diffusivity in the matrix between"),
    Parameter(
        "cluster_fraction", "1", 0.6, lower=0, upper=1, meaning="share of the thickness that is clusters"
    ),
    Parameter("uptake_rate", "1/s", 0.01, lower=0, meaning="first-order uptake, mean over the layers"),
    Parameter("surface_concentration", "mol/m^3", 0.25, lower=0, meaning="dissolved oxygen at the surface"),
    Parameter(
        "diffusivity_bias", "1", 1.0, lower=0, meaning="what the layer picture misses, a factor on D_eff"
    ),
)
OUTPUTS = (
    Quantity("concentration", "mol/m^3", "oxygen at the electrode's tip", ("depth",)),
    Quantity("uptake", "mol/(m^2 s)", "oxygen taken up through the surface"),
)
DEPTHS = tuple(np.linspace(10e-6, 200e-6, 20))


def biased(D_across, diffusivity_bias):
    """The diffusivity of the whole film."""
    return D_across * diffusivity_bias


def forward(depth=DEPTHS, thickness=200e-6, elements=64):
    """Return the model for an electrode at `depth` (m) in a film of `thickness` (m)."""
    mesh = interval_mesh(aligned_nodes([0.0, thickness], elements))
    basis = Basis(mesh, ElementLineP2())
    film = DiffusionProblem(
        basis,
        conductivity="D_eff",
        reaction="uptake_rate",
        boundaries={"left": Dirichlet("surface_concentration")},
        fluxes={"uptake": "left"},
        name="oxygen in the film",
    )
    stages = [
        LayeredCell(["cluster_fraction"], ["cluster_diffusivity", "matrix_diffusivity"]),
        Formula(biased, "D_eff"),
        SteadyDiffusion(film, field="u"),
        PointSensors(basis, depth, field="u", output="concentration"),
    ]
    return ForwardModel(stages, PARAMETERS, ["concentration", "uptake"])


def resolved(theta, depth=DEPTHS, thickness=200e-6, periods=50, cluster_first=True):
    """Return the exact solution with every layer in its place, `periods` pairs of them."""
    f, k = theta["cluster_fraction"], theta["uptake_rate"]
    layers = [(f, theta["cluster_diffusivity"]), (1 - f, theta["matrix_diffusivity"])]
    stack = (layers if cluster_first else layers[::-1]) * periods
    heights = np.array([share for share, _ in stack]) * thickness / periods
    diffusivities = np.array([D for _, D in stack]) * theta["diffusivity_bias"]
    profile, flux = layered_profile(depth, heights, diffusivities, k)
    return {
        "concentration": theta["surface_concentration"] * profile,
        "uptake": theta["surface_concentration"] * flux,
    }


def _deviation(rate):
    """Relative deviation from the hyperbolic cosine, in the bottom concentration and the uptake."""
    L, D, u0 = 200e-6, 3e-10, 0.25
    model = forward(depth=[L])
    bottom, uptake = model.value(model.theta(uptake_rate=rate))
    m = L * np.sqrt(rate / D)
    return max(abs(bottom * np.cosh(m) / u0 - 1), abs(uptake / (u0 * D * m / L * np.tanh(m)) - 1))


LIMITS = (
    Limit("a homogeneous film follows the hyperbolic cosine", partial(_deviation, 0.01), 1e-7),
    Limit("with hardly any uptake the film is flat, and takes up k L", partial(_deviation, 1e-6), 1e-7),
)

SYSTEM = System(
    name="transport/biofilm_layers",
    parameters=PARAMETERS,
    outputs=OUTPUTS,
    coordinates=(Quantity("depth", "m", "below the surface"),),
    options=(
        Option("thickness", 200e-6, "m", "of the film", lower=0),
        Option("elements", 64, "1", "quadratic elements over the thickness", lower=0),
    ),
    effective=(Quantity("D_eff", "m^2/s", "effective diffusivity across the film"),),
    smoothness="smooth",
    forward=forward,
    resolved=resolved,
    limits=LIMITS,
    scale=Scale("cluster_diffusivity", "D_eff", along=("matrix_diffusivity",)),
)
