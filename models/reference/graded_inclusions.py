"""Elliptic inclusions whose share varies in space: a benchmark of thirty unknowns and a thousand states.

The share of the inclusions follows a smooth random field, so that the effective tensor differs from element
to element. It is interpolated between cell problems at a few shares; the benchmark asks for 25 modes of the
field, its mean, and what is common to all inclusions. All numbers are dimensionless, and the meshes are part
of the benchmark's definition.

Cell      -div(k (e_j + grad chi_j)) = 0, periodic, around an ellipse of area share v behind an interface of
          width 0.03; at Chebyshev points of v in (0.08, 0.38)
Macro     logit of (v - 0.08)/0.30 = mean + sum xi_k sqrt(lambda_k) phi_k, squared exponential of length 0.25;
          -div(K(v) grad u) = f on the unit square, u = 0 on its boundary, f two Gaussian sources, lumped
Observed  potential(x, y), by bilinear interpolation, at 30 points of a Halton sequence
Limit     an even share gives the even square; equal conductivities: K = k, whatever the field

Source: L. N. Trefethen, Approximation Theory and Approximation Practice, SIAM (2013),
doi:10.1137/1.9781611975949, for the interpolation.
"""

from functools import partial

import numpy as np
from mscale_uq.models.reference._inclusions import (
    ELLIPSE,
    GLOBAL,
    LEAST,
    MOST,
    X,
    Y,
    aspect_of,
    elements_of,
    fraction_of,
    square,
)

from mscale_uq.cell.conduction import PeriodicConduction
from mscale_uq.cell.ellipse import SmoothEllipse
from mscale_uq.cell.graded import Graded, GradedCell, Grades
from mscale_uq.core.formula import Formula, PointwiseFormula
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.options import takes
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.core.stretch import Stretch
from mscale_uq.core.system import Limit, Option, Scale, System
from mscale_uq.macro.random_field import Covariance, KarhunenLoeve

MODES, FIELD = 25, Covariance("squared_exponential", length=0.25)
PARAMETERS = (
    *GLOBAL,
    Parameter("mean_logit", "1", 0.0, meaning="mean of the logit of (v - 0.08)/0.30"),
    Parameter(
        "xi", "1", (0.0,), meaning="of the field's modes, standard normal", shape=(MODES,), dims=("mode",)
    ),
)


def mean_fraction(mean_logit):
    """Share of the inclusions where the field has its mean."""
    return fraction_of(mean_logit)


OPTIONS = (
    Option("cell_elements", 16, "1", "along the side of the periodic cell", lower=3),
    Option("elements", 16, "1", "along the side of the square", lower=3),
    Option("nodes", 9, "1", "cell problems per evaluation, besides the two of the check", lower=1),
    Option(
        "accuracy",
        "reference",
        meaning="of cells and square: exact to round-off, or as much as sampling needs",
        choices=("reference", "sampling"),
    ),
)


@takes(OPTIONS)
def forward(o, x=X, y=Y):
    """Return the model for readings at (x, y)."""
    cell, (centres, areas) = (o.cell_elements, o.cell_elements), elements_of(o.elements)
    tensor = [
        SmoothEllipse(cell, *ELLIPSE),
        PeriodicConduction(cell, tensor="K", accuracy=o.accuracy),
    ]
    grades, even = Grades(LEAST, MOST, o.nodes), [name for name in ELLIPSE if name != "fraction"]
    stages = [
        Formula(aspect_of, "aspect"),
        KarhunenLoeve(centres, areas, FIELD, MODES, "mean_logit", "xi", "fraction_logit"),
        PointwiseFormula(fraction_of, "fraction"),
        Formula(mean_fraction, "mean_fraction"),
        GradedCell(tensor, even, "fraction", grades, "K", "K_graded"),
        Graded("K_graded", "mean_fraction", grades, "K_mean"),
        Graded("K_graded", "fraction", grades, "K_eff"),
        *square(x, y, o.elements, o.accuracy),
    ]
    return ForwardModel(stages, PARAMETERS, ["potential"])


def _even():
    """Largest deviation of the tensors of an even field from the cell problem at its share, relative."""
    model = forward(cell_elements=32, elements=5)
    K = model.trace(model.theta(mean_logit=0.7, xi=np.zeros(MODES)))["K_eff"]
    chain = [SmoothEllipse((32, 32), *ELLIPSE), PeriodicConduction((32, 32), tensor="K")]
    cell = ForwardModel(chain, [Parameter(name, "1", 1.0) for name in ELLIPSE], ["K"])
    exact = cell.value([10.0, 1.0, fraction_of(0.7), np.pi / 6, 1.5]).reshape(2, 2)
    return np.abs(K - exact).max() / exact.max()


def _one_phase(xi):
    """Largest deviation of any tensor from the one conductivity of both phases."""
    model = forward(elements=8)
    K = model.trace(model.theta(inclusion_conductivity=0.7, matrix_conductivity=0.7, xi=xi))["K_eff"]
    return np.abs(K / 0.7 - np.eye(2)).max()


LIMITS = (
    Limit("an even field conducts as its cell does", _even, 1e-5),
    Limit(
        "inclusions like the matrix change nothing, whatever the field",
        partial(_one_phase, np.linspace(-2, 2, MODES)),
        1e-11,
    ),
)

SYSTEM = System(
    name="reference/graded_inclusions",
    parameters=PARAMETERS,
    outputs=(Quantity("potential", "1", "at the sensor", ("x", "y")),),
    coordinates=(Quantity("x", "1", "of the sensor"), Quantity("y", "1", "of the sensor")),
    options=OPTIONS,
    effective=(
        Quantity("K_mean", "1", "effective conductivity where the field has its mean"),
        Quantity("K_eff_error", "1", "of the interpolated tensors, relative, at two other states"),
    ),
    smoothness="smooth",
    forward=forward,
    limits=LIMITS,
    stretches=(
        Stretch(
            "K_graded",
            scaled=("matrix_conductivity", "inclusion_conductivity"),
            periods={"angle": np.pi},
            logit=("aspect_logit",),
            budget=12_000,  # a thousand solves: with half of them, weights are too uneven
        ),
    ),
    scale=Scale("matrix_conductivity", "K_mean", along=("inclusion_conductivity",)),
)
