"""64 coefficients of a Poisson equation from 169 point values: a published benchmark of Bayesian inversion.

A membrane of unit size carries an even load; its stiffness is constant on each of 8 x 8 squares. All numbers
are dimensionless, and the mesh is part of the benchmark's definition.

Cell      none: the coefficients are those of the equation
Macro     -div(a grad u) = 10 on the unit square, u = 0 on its boundary; 32 x 32 bilinear elements
Observed  displacement(x, y) at the 13 x 13 inner points of a lattice of spacing 1/14, sd 0.05
Limit     a = 1: the middle sinks by 0.736713533 (mesh: second order); a -> c a: u -> u / c; swapping x and y
Prior     density proportional to prod exp(-(ln a)^2 / 8) with respect to a: ln a is normal, mean 4, sd 2
Numbering coefficient [row, column] belongs to the square that is row along y and column along x
Field     in place of 64 free numbers: ln a = mean + sum xi_k sqrt(lambda_k) phi_k at the centres of squares

Source: D. Aristoff, W. Bangerth, A benchmark for the Bayesian inversion of coefficients in partial
differential equations, SIAM Review 65 (2023) 1074-1105, doi:10.1137/21M1399464, arXiv 2102.07263.
"""

import numpy as np

from mscale_uq.core.formula import PointwiseFormula
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.options import takes
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.core.system import Limit, Option, System
from mscale_uq.macro.patches import Patches
from mscale_uq.macro.random_field import KINDS, Covariance, KarhunenLoeve
from mscale_uq.macro.rectangle import RectangleDiffusion
from mscale_uq.observe.grid_sensors import GridSensors

SQUARES, MOST = (8, 8), 64
LOAD = 10.0
INNER = np.arange(1, 14) / 14
X, Y = tuple(np.repeat(INNER, 13)), tuple(np.tile(INNER, 13))

COEFFICIENT = Parameter(
    "coefficient", "1", (1.0,), lower=0, meaning="stiffness", shape=SQUARES, dims=("row", "column")
)
MEAN = Parameter("mean_log", "1", 0.0, meaning="mean of the field ln a")


def coefficients(modes):
    """Return the parameter that holds the coefficients of the field's modes."""
    meaning = "of the field's modes, standard normal"
    return Parameter("xi", "1", (0.0,), meaning=meaning, shape=(modes,), dims=("mode",))


def stiffness(log_stiffness):
    """Stiffness of every square."""
    return np.exp(log_stiffness)


def random_field(covariance, length, sd, modes):
    """Return the stages from the modes' coefficients to the stiffness of the squares, row by row."""
    y, x = (np.indices(SQUARES).reshape(2, -1) + 0.5) / SQUARES[0]
    field = Covariance(covariance, length, sd)
    centres, areas = np.stack([x, y], axis=1), np.full(x.size, 1 / x.size)
    modes_of = KarhunenLoeve(centres, areas, field, modes, "mean_log", "xi", "log_stiffness")
    return [modes_of, PointwiseFormula(stiffness, "stiffness")]


OPTIONS = (
    Option("elements", 32, "1", "along each side; the benchmark is defined with 32", lower=1),
    Option(
        "field",
        "patches",
        meaning="what is unknown: 64 free coefficients, or the modes of a random field",
        choices=("patches", "karhunen_loeve"),
    ),
    Option("covariance", "matern_3_2", meaning="of the random field ln a", choices=KINDS),
    Option("length", 0.3, "1", "over which the random field changes", lower=0),
    Option("sd", 1.0, "1", "of the random field at a point", lower=0),
    Option("modes", 20, "1", "of the random field that are kept", lower=0, upper=MOST + 1),
)


@takes(OPTIONS)
def forward(o, x=X, y=Y):
    """Return the model for point values at (x, y), on `elements` x `elements` o.elements."""
    column, row = np.indices((o.elements, o.elements)).reshape(2, -1) * SQUARES[0] // o.elements
    square, load = row * SQUARES[1] + column, np.full((o.elements + 1, o.elements + 1), LOAD / o.elements**2)
    if o.field == "patches":
        parameters = [COEFFICIENT]
        squares = [Patches(square, SQUARES, "coefficient", "a")]
    else:
        parameters = [MEAN, coefficients(o.modes)]
        squares = random_field(o.covariance, o.length, o.sd, o.modes)
        squares.append(Patches(square, (MOST,), "stiffness", "a"))
    stages = [
        *squares,
        RectangleDiffusion((o.elements, o.elements), load, conductivity="a"),
        GridSensors((o.elements, o.elements), (1.0, 1.0), np.stack([x, y], axis=1), output="displacement"),
    ]
    return ForwardModel(stages, parameters, ["displacement"])


def _some():
    """Coefficients over four decades, without symmetry."""
    return 10.0 ** np.linspace(-2, 2, 64)[np.arange(64) * 37 % 64]


def _even_membrane():
    """Deviation of the middle of an even membrane from the series solution, on a fine mesh."""
    model = forward(x=[0.5], y=[0.5], elements=128)
    return abs(model.value(model.theta())[0] / 0.736713532706 - 1)


def _stiffer():
    """Deviation from displacements halved when all coefficients are doubled."""
    model = forward()
    return np.abs(2 * model.value(2 * _some()) / model.value(_some()) - 1).max()


def _swapped():
    """Deviation from the swapped displacements when the squares' rows and columns are swapped."""
    model = forward()
    there = model.value(_some().reshape(SQUARES).T.ravel()).reshape(13, 13).T
    here = model.value(_some()).reshape(13, 13)
    return np.abs(there / here - 1).max()


def _even_field():
    """Deviation of a field without variation from one stiffness everywhere."""
    field, even = forward(field="karhunen_loeve"), forward()
    u = field.value(field.theta(mean_log=np.log(3.0)))
    return np.abs(u / even.value(np.full(MOST, 3.0)) - 1).max()


SYSTEM = System(
    name="reference/laplace64",
    parameters=(COEFFICIENT, MEAN, coefficients(20)),
    outputs=(Quantity("displacement", "1", "of the membrane", ("x", "y")),),
    coordinates=(Quantity("x", "1", "of the point"), Quantity("y", "1", "of the point")),
    options=OPTIONS,
    effective=(Quantity("stiffness", "1", "of the squares, row by row, if a random field is unknown"),),
    examples=({"field": "karhunen_loeve"},),
    smoothness="smooth",
    forward=forward,
    limits=(
        Limit("the middle of an even membrane sinks by 0.736713533", _even_membrane, 1e-4),
        Limit("a membrane twice as stiff everywhere sinks half as far", _stiffer, 1e-12),
        Limit("swapping the axes of the coefficients swaps those of the displacement", _swapped, 1e-9),
        Limit("a field whose modes are all zero is an even membrane", _even_field, 1e-12),
    ),
)
