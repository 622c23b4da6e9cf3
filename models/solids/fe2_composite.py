"""A composite panel bent in its plane: image correlation sees displacements, two scales explain them (FE2).

At every quadrature point of the panel the strain drives a periodic cell of matrix and inclusions, which
hands back mean stress and tangent; one cell serves all points where both are linear. Stiff inclusions hardly
show how stiff they are once the matrix carries the strain; layers along the span do, since they are
stretched. Share and modulus of the inclusions trade off.

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
from mscale_uq.models.solids._cook import LOADED, WIDTH, X, Y, panel
from skfem import Basis, ElementQuadS2

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
from mscale_uq.core.known import known, off
from mscale_uq.core.options import takes
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.core.system import Limit, Option, Scale, System
from mscale_uq.macro.boundary import Dirichlet, Neumann
from mscale_uq.macro.kinematics import STRAIN
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
OPTIONS = (
    Option("cell", "laminate", meaning="geometry of the cell", choices=("laminate", "inclusion")),
    Option("law", "linear", meaning="of the matrix", choices=("linear", "softening")),
    Option("cell_elements", 8, "1", "along the side of the cell, a multiple of 4", lower=3),
    Option("elements", 6, "1", "along each side of the panel", lower=0),
    Option("width", WIDTH, "m", "of the panel", lower=0),
)  # fmt: skip


def composite(o):
    """Return the cell: its geometry and the names of what it is made of."""
    shape = Laminate() if o.cell == "laminate" else SquareInclusion(o.cell_elements)
    softening = tuple(p.name for p in SOFTENING) if o.law == "softening" else ()
    matrix = ("matrix_modulus", "matrix_poisson", *softening)
    return Composite(shape, matrix, ("inclusion_modulus", "inclusion_poisson"), "inclusion_fraction")


def everywhere(value, x):
    """One number."""
    return np.full(x.shape[1:], value)


@takes(OPTIONS)
def forward(o, x=X, y=Y):
    """Return the model for displacements at (x, y) in m, one point a row."""
    # Two by two points an element: exactly integrated ones lock on layers, stiff along and soft across.
    basis = Basis(panel(o.width, o.elements), ElementQuadS2(), intorder=3)
    made_of, linear = composite(o), o.law == "linear"
    local = PointwiseFormula(hooke, STRESSES) if linear else ElasticCell(made_of)
    held = {"u_x": Dirichlet(0.0), "u_y": Dirichlet(0.0)}
    pulled = {"u_y": Neumann("shear_force", partial(everywhere, 1 / (LOADED * o.width)))}
    balance = TwoScale(
        basis, STRAIN, local, STRAINS, STRESSES, ("u_x", "u_y"), {"left": held, "right": pulled},
        reactions={"holding_force": ("left", "u_y")}, name="balance of forces in the panel",
    )  # fmt: skip
    points = np.stack([x, y], axis=1)
    seen = [PointSensors(basis, points, f"u_{axis}", f"displacement_{axis}") for axis in "xy"]
    before = [EffectiveStiffness(made_of, "C_hom"), *([Formula(entries, ENTRIES)] if linear else [])]
    parameters = (*PHASES, *(() if linear else SOFTENING), LOAD)
    return ForwardModel([*before, balance, *seen], parameters, ["displacement_x", "displacement_y"])


def _stiffness(expected, **values):
    """Largest deviation of the cell's stiffness, relative to its largest entry."""
    return np.abs(known(forward, elements=2, **values)["C_hom"] - expected).max() / np.max(expected)


def _linear_matrix():
    """What remains of the softening where the hardening exponent is one, against the linear law."""
    soft = forward(elements=4, law="softening")
    linear = forward(elements=4)
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
    Limit("what pulls a linear panel holds it", partial(
        off, forward, "holding_force", -3e5, elements=4, law="linear"), 1e-9),
    Limit("what pulls a softening panel holds it", partial(
        off, forward, "holding_force", -3e5, elements=4, law="softening"), 1e-9),
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
    options=OPTIONS,
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
