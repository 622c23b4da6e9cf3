"""Elliptic inclusions in a conducting square: a benchmark of calibration through a cell problem.

Thirty readings of the field depend on five microscopic numbers only through the effective tensor, so that
the posterior is a thin curved ridge: eigenvalues of its precision differ by three orders of magnitude. All
numbers are dimensionless, and the meshes are part of the benchmark's definition.

Cell      -div(k (e_j + grad chi_j)) = 0, periodic, around an ellipse of area share v behind an interface of
          width 0.03; logit of (v - 0.08)/0.30 and of (aspect ratio - 1) are the unknowns of its shape
Macro     -div(K grad u) = f on the unit square, u = 0 on its boundary, f two Gaussian sources, lumped
Observed  potential(x, y), by bilinear interpolation, at 30 points of a Halton sequence
Limit     equal conductivities: K = k; K and 1/u scale with both conductivities; a circle conducts evenly

Source: J. C. Maxwell Garnett, Colours in metal glasses and in metallic films, Phil. Trans. R. Soc. Lond. A
203 (1904) 385-420, doi:10.1098/rsta.1904.0024, for the limit of few inclusions.
"""

import numpy as np
from mscale_uq.models.reference._inclusions import ELLIPSE, GLOBAL, X, Y, aspect_of, fraction_of, square

from mscale_uq.cell.conduction import PeriodicConduction
from mscale_uq.cell.ellipse import SmoothEllipse
from mscale_uq.core.formula import Formula
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.options import takes
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.core.stretch import Stretch
from mscale_uq.core.system import Limit, Option, Scale, System

PARAMETERS = (
    *GLOBAL[:2],
    Parameter(
        "fraction_logit", "1", 0.0, meaning="logit of (v - 0.08)/0.30, v the area share of the ellipses"
    ),
    *GLOBAL[2:],
)


OPTIONS = (
    Option("cell_elements", 32, "1", "along the side of the periodic cell", lower=3),
    Option("elements", 32, "1", "along the side of the square", lower=3),
    Option(
        "accuracy",
        "reference",
        meaning="of cell and square: exact to round-off, or as much as sampling needs",
        choices=("reference", "sampling"),
    ),
)


@takes(OPTIONS)
def forward(o, x=X, y=Y):
    """Return the model for readings at (x, y)."""
    cell = (o.cell_elements, o.cell_elements)
    stages = [
        Formula(fraction_of, "fraction"),
        Formula(aspect_of, "aspect"),
        SmoothEllipse(cell, *ELLIPSE),
        PeriodicConduction(cell, tensor="K_eff", accuracy=o.accuracy),
        *square(x, y, o.elements, o.accuracy),
    ]
    return ForwardModel(stages, PARAMETERS, ["potential"])


def _one_phase():
    """Largest deviation of the tensor from the one conductivity of both phases."""
    known = forward().trace(forward().theta(inclusion_conductivity=0.7, matrix_conductivity=0.7))
    return np.abs(known["K_eff"] / 0.7 - np.eye(2)).max()


def _scaled():
    """Relative deviation from readings that are halved when both conductivities double."""
    model = forward()
    once = model.value(model.theta(inclusion_conductivity=4.0, matrix_conductivity=0.5))
    twice = model.value(model.theta(inclusion_conductivity=8.0, matrix_conductivity=1.0))
    return np.abs(2 * twice / once - 1).max()


def _circle():
    """Relative difference of a circle's conductivities, and its off-diagonal entry."""
    K = forward().trace(forward().theta(aspect_logit=-40.0))["K_eff"]
    return max(abs(K[0, 0] / K[1, 1] - 1), abs(K[0, 1] / K[0, 0]))


LIMITS = (
    Limit("inclusions like the matrix change nothing", _one_phase, 1e-12),
    Limit("twice the conductivities, half the potential", _scaled, 1e-8),
    Limit("circles conduct evenly", _circle, 1e-10),
)

# An ellipse that is turned by half a turn is the same ellipse.
STRETCHES = (
    Stretch(
        "K_eff",
        scaled=("matrix_conductivity", "inclusion_conductivity"),
        periods={"angle": np.pi},
        logit=("fraction_logit", "aspect_logit"),
    ),
    Stretch("potential", scaled=("K_eff",), degree=-1),
)

SYSTEM = System(
    name="reference/inclusions",
    parameters=PARAMETERS,
    outputs=(Quantity("potential", "1", "at the sensor", ("x", "y")),),
    coordinates=(Quantity("x", "1", "of the sensor"), Quantity("y", "1", "of the sensor")),
    options=OPTIONS,
    effective=(Quantity("K_eff", "1", "effective conductivity"),),
    smoothness="smooth",
    forward=forward,
    limits=LIMITS,
    stretches=STRETCHES,
    scale=Scale("matrix_conductivity", "K_eff", along=("inclusion_conductivity",)),
)
