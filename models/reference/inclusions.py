"""Elliptic inclusions in a conducting square: a benchmark of calibration through a cell problem.

Thirty readings of the field depend on five microscopic numbers only through the effective tensor, so that the
posterior is a thin curved ridge: eigenvalues of its precision differ by three orders of magnitude. All numbers
are dimensionless, and the meshes are part of the benchmark's definition.

Cell      -div(k (e_j + grad chi_j)) = 0, periodic, around an ellipse of area share v behind an interface of
          width 0.03; logit of (v - 0.08)/0.30 and of (aspect ratio - 1) are the unknowns of its shape
Macro     -div(K grad u) = f on the unit square, u = 0 on its boundary, f two Gaussian sources, lumped
Observed  potential(x, y), by bilinear interpolation, at 30 points of a Halton sequence
Limit     equal conductivities: K = k; K and 1/u scale with both conductivities; a circle conducts evenly

Source: J. C. Maxwell Garnett, Colours in metal glasses and in metallic films, Phil. Trans. R. Soc. Lond. A 203
(1904) 385-420, doi:10.1098/rsta.1904.0024, for the limit of few inclusions.
"""

import numpy as np

from mscale_uq.cell.conduction import PeriodicConduction
from mscale_uq.cell.ellipse import SmoothEllipse
from mscale_uq.core.formula import Formula
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.core.system import Limit, Option, System
from mscale_uq.macro.rectangle import RectangleDiffusion
from mscale_uq.observe.grid_sensors import GridSensors

PARAMETERS = (
    Parameter("inclusion_conductivity", "1", 10.0, lower=0, meaning="inside the ellipses"),
    Parameter("matrix_conductivity", "1", 1.0, lower=0, meaning="around them"),
    Parameter("fraction_logit", "1", 0.0, meaning="logit of (v - 0.08)/0.30, v the area share of the ellipses"),
    Parameter("angle", "1", np.pi / 6, meaning="of the long axis to x, in rad"),
    Parameter("aspect_logit", "1", 0.0, meaning="logit of the ratio of the axes, less one"),
)


def halton(count, base):
    """Return the first `count` numbers of the radical inverse in a base."""
    numbers = []
    for index in range(1, count + 1):
        number, weight = 0.0, 1.0 / base
        while index:
            index, digit = divmod(index, base)
            number, weight = number + digit * weight, weight / base
        numbers.append(number)
    return np.array(numbers)


X, Y = (tuple(0.05 + 0.9 * halton(30, base)) for base in (2, 3))


def shape_of(fraction_logit, aspect_logit):
    """Area share and ratio of the axes, inside what the cell can hold."""
    return 0.08 + 0.30 / (1 + np.exp(-fraction_logit)), 1 + 1 / (1 + np.exp(-aspect_logit))


def sources(elements):
    """Return the two sources at the nodes, times the area of an element."""
    x = np.linspace(0.0, 1.0, elements + 1)
    x, y = np.meshgrid(x, x, indexing="ij")
    upper = 60 * np.exp(-((x - 0.3) ** 2 + (y - 0.7) ** 2) / 0.02)
    return (upper + 90 * np.exp(-((x - 0.65) ** 2 + (y - 0.3) ** 2) / 0.04)) / elements**2


def forward(x=X, y=Y, cell_elements=32, elements=32, accuracy="reference"):
    """Return the model for readings at (x, y)."""
    cell, square = (cell_elements, cell_elements), (elements, elements)
    ellipse = SmoothEllipse(cell, "inclusion_conductivity", "matrix_conductivity", "fraction", "angle", "aspect")
    stages = [
        Formula(shape_of, ("fraction", "aspect")),
        ellipse,
        PeriodicConduction(cell, tensor="K_eff", accuracy=accuracy),
        RectangleDiffusion(square, sources(elements), conductivity="K_eff"),
        GridSensors(square, (1.0, 1.0), np.stack([x, y], axis=1), output="potential"),
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

SYSTEM = System(
    name="reference/inclusions",
    parameters=PARAMETERS,
    outputs=(Quantity("potential", "1", "at the sensor", ("x", "y")),),
    coordinates=(Quantity("x", "1", "of the sensor"), Quantity("y", "1", "of the sensor")),
    options=(
        Option("cell_elements", 32, "1", "along the side of the periodic cell", lower=3),
        Option("elements", 32, "1", "along the side of the square", lower=3),
        Option(
            "accuracy",
            "reference",
            meaning="of the cell problem: exact to round-off, or as much as sampling needs",
            choices=("reference", "sampling"),
        ),
    ),
    effective=(Quantity("K_eff", "1", "effective conductivity"),),
    smoothness="smooth",
    forward=forward,
    limits=LIMITS,
    scale=("matrix_conductivity", "K_eff"),
)
