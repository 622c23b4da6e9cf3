"""A composite panel bent in its plane: image correlation sees displacements, two scales explain them (FE2).

At every quadrature point of the panel the strain drives a periodic cell of matrix and inclusions, which
hands back mean stress and tangent. Stiff inclusions hardly show how stiff they are once the matrix carries
the strain; layers along the span do, since they are stretched. Share and modulus of the inclusions trade off.

Cell      div sigma = 0, periodic fluctuation around the strain E: sigma = kappa tr(eps) I + 2 mu(e) dev(eps),
          mu(e) = mu_0 (1 + (e/e_0)^2)^((m-1)/2) in a softening matrix; layers with their normal along y, or a
          square inclusion; up: S = <sigma>, dS/dE
Macro     div S(eps(u)) = 0 in plane strain on Cook's panel, held on the left, sheared on the right
Observed  displacement_x(x, y), displacement_y(x, y)
Limits    layers of E = 10 and 1, nu = 0.3, f = 0.3: C_hom = [[4.404636, 0.790306], [0.790306, 1.844046]],
          0.526870 in shear; equal shear moduli: k* = 3.230769, mu* = 1 whatever the geometry (Hill)

Source: F. Feyel, A multilevel finite element method (FE2) to describe the response of highly non-linear
structures using generalized continua, Comput. Methods Appl. Mech. Eng. 192 (2003) 3233-3244,
doi:10.1016/S0045-7825(03)00348-7.
"""

from functools import partial

import numpy as np
from skfem import Basis, ElementTriP2, MeshTri

from mscale_uq.cell.elastic import (
    ENTRIES,
    STRAINS,
    STRESSES,
    Composite,
    EffectiveStiffness,
    ElasticCell,
    Laminate,
    SquareInclusion,
    entries,
    hooke,
)
from mscale_uq.core.formula import Formula, PointwiseFormula
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.core.system import Limit, Option, Scale, System
from mscale_uq.macro.boundary import Dirichlet, Neumann
from mscale_uq.macro.kinematics import STRAIN
from mscale_uq.macro.mesh import tensor_mesh
from mscale_uq.macro.two_scale import TwoScale
from mscale_uq.observe.sensors import PointSensors

PHASES = (
    Parameter("matrix_modulus", "Pa", 3e9, lower=0, meaning="Young's modulus of the matrix, at small strain"),
    Parameter("inclusion_modulus", "Pa", 70e9, lower=0, meaning="Young's modulus of the inclusions"),
    Parameter("matrix_poisson", "1", 0.33, lower=-1, upper=0.5, meaning="Poisson's ratio of the matrix"),
    Parameter("inclusion_poisson", "1", 0.33, lower=-1, upper=0.5, meaning="of the inclusions"),
    Parameter("inclusion_fraction", "1", 0.3, lower=0, upper=1, meaning="area share of the inclusions"),
)
SOFTENING = (
    Parameter("reference_strain", "1", 0.01, lower=0, meaning="e_0, where the matrix begins to soften"),
    Parameter("hardening_exponent", "1", 0.4, lower=0, meaning="m, 1 for a linear matrix"),
)
LOAD = Parameter("shear_force", "N/m", 3e5, meaning="on the right side, upwards, per depth of the panel")
# Cook's panel in units of its width: heights of the held side, of the loaded side, and where that begins.
HELD, LOADED, RISE = 44 / 48, 16 / 48, 44 / 48
# Points of the default layout, in m: shares of the width, and of the height there.
_ACROSS, _UP = np.tile([0.25, 0.5, 0.75, 0.95], 3), np.repeat([0.2, 0.5, 0.8], 4)
X = tuple(0.048 * _ACROSS)
Y = tuple(0.048 * (RISE * _ACROSS + _UP * (HELD + (LOADED - HELD) * _ACROSS)))


def panel(width, elements, grading=2.0):
    """Return Cook's panel with its corner at the origin, finer towards the held corners."""
    t = np.linspace(-1, 1, elements + 1)
    up = (1 + np.sign(t) * (1 - (1 - np.abs(t)) ** grading)) / 2
    mesh = tensor_mesh(np.linspace(0, 1, elements + 1) ** grading, up, triangles=True)
    x, y = mesh.p
    places = np.array([x, RISE * x + y * (HELD + (LOADED - HELD) * x)])
    return MeshTri(width * places, mesh.t).with_boundaries(mesh.boundaries)


def composite(cell, cell_elements, law):
    """Return the cell: its geometry and the names of what it is made of."""
    shape = Laminate() if cell == "laminate" else SquareInclusion(cell_elements)
    softening = tuple(p.name for p in SOFTENING) if law == "softening" else ()
    matrix = ("matrix_modulus", "matrix_poisson", *softening)
    return Composite(shape, matrix, ("inclusion_modulus", "inclusion_poisson"), "inclusion_fraction")


def forward(x=X, y=Y, cell="laminate", law="linear", cell_elements=8, elements=6, width=0.048):
    """Return the model for displacements at (x, y) in m, one point a row."""
    basis = Basis(panel(width, elements), ElementTriP2(), intorder=2)
    made_of, linear = composite(cell, cell_elements, law), law == "linear"
    local = PointwiseFormula(hooke, STRESSES) if linear else ElasticCell(made_of)
    held = {"u_x": Dirichlet(0.0), "u_y": Dirichlet(0.0)}
    pulled = {"u_y": Neumann("shear_force", partial(_shared, 1 / (LOADED * width)))}
    balance = TwoScale(
        basis,
        STRAIN,
        local,
        STRAINS,
        STRESSES,
        ("u_x", "u_y"),
        {"left": held, "right": pulled},
        reactions={"holding_force": ("left", "u_y")},
        name="balance of forces in the panel",
    )
    points = np.stack([x, y], axis=1)
    seen = [PointSensors(basis, points, f"u_{axis}", f"displacement_{axis}") for axis in "xy"]
    before = [EffectiveStiffness(made_of, "C_hom"), *([Formula(entries, ENTRIES)] if linear else [])]
    parameters = (*PHASES, *(() if linear else SOFTENING), LOAD)
    return ForwardModel([*before, balance, *seen], parameters, ["displacement_x", "displacement_y"])


def _shared(value, x):
    """One number everywhere."""
    return np.full(x.shape[1:], value)


def _stiffness(expected, **values):
    """Largest deviation of the cell's stiffness, relative to its largest entry."""
    model = forward(elements=2)
    found = model.trace(model.theta(**values))["C_hom"]
    return np.abs(found - expected).max() / np.max(expected)


def _balance(law):
    """The force that holds the panel, against the one that pulls."""
    model = forward(elements=4, law=law)
    return abs(model.trace(model.theta(shear_force=3e5))["holding_force"] / 3e5 + 1)


def _linear_matrix():
    """What remains of the softening where the hardening exponent is one, against the linear law."""
    soft, linear = (forward(elements=4, law=law) for law in ("softening", "linear"))
    expected = linear.value(linear.theta())
    return np.abs(soft.value(soft.theta(hardening_exponent=1.0)) - expected).max() / np.abs(expected).max()


LAYERS = np.array([[4.404636, 0.790306, 0.0], [0.790306, 1.844046, 0.0], [0.0, 0.0, 0.526870]])
HILL = np.array([[4.2307692, 2.2307692, 0.0], [2.2307692, 4.2307692, 0.0], [0.0, 0.0, 1.0]])
LIMITS = (
    Limit("layers of E = 10 and 1 have the known stiffness", partial(_stiffness, LAYERS, matrix_modulus=1.0,
          inclusion_modulus=10.0, matrix_poisson=0.3, inclusion_poisson=0.3), 2e-7),
    Limit("phases of equal shear modulus 1 and bulk moduli 2 and 10 have k* = 3.2307692 (Hill)",
          partial(_stiffness, HILL, matrix_modulus=2.5, matrix_poisson=0.25, inclusion_modulus=2.9,
                  inclusion_poisson=0.45, inclusion_fraction=0.4), 2e-8),
    Limit("what pulls a linear panel holds it", partial(_balance, "linear"), 1e-9),
    Limit("what pulls a softening panel holds it", partial(_balance, "softening"), 1e-9),
    Limit("a matrix with hardening exponent 1 is linear", _linear_matrix, 1e-9),
)  # fmt: skip

SYSTEM = System(
    name="solids/fe2_composite",
    parameters=(*PHASES, *SOFTENING, LOAD),
    outputs=(
        Quantity("displacement_x", "m", "along the span", ("x", "y")),
        Quantity("displacement_y", "m", "upwards", ("x", "y")),
    ),
    coordinates=(
        Quantity("x", "m", "from the held side"),
        Quantity("y", "m", "from the lowest corner"),
    ),
    options=(
        Option("cell", "laminate", meaning="geometry of the cell", choices=("laminate", "inclusion")),
        Option("law", "linear", meaning="of the matrix", choices=("linear", "softening")),
        Option("cell_elements", 8, "1", "along the side of the cell, a multiple of 4", lower=3),
        Option("elements", 6, "1", "along each side of the panel", lower=1),
        Option("width", 0.048, "m", "of the panel", lower=0),
    ),
    effective=(Quantity("C_hom", "Pa", "stiffness of the composite at small strain: xx, yy, xy"),),
    smoothness="smooth",
    forward=forward,
    timeless="the panel rests under its load, and its law keeps no memory",
    limits=LIMITS,
    examples=(
        {"law": "softening", "elements": 2},
        {"cell": "inclusion", "cell_elements": 4, "elements": 2},
        {"law": "softening", "cell": "inclusion", "cell_elements": 4, "elements": 1},
    ),
    scale=Scale("matrix_modulus", "C_hom", along=("inclusion_modulus",)),
)
