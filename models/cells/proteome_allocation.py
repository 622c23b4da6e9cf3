"""Growth laws of bacteria: drugs and useless protein reveal how a cell divides its proteome.

One share of the proteome, read as RNA per protein, makes protein, another feeds it. Cultures slowed by drug,
at several doses in one medium, tell what feeding costs there; undisturbed cultures in several media tell what
making protein costs. Both together predict how fast a medium lets cells grow undisturbed.

Cell      making: growth = kappa_t (R - r_0); feeding: growth = kappa_n (r_max - R); the cell grows where
          they cross: growth = (r_max - r_0) kappa_t kappa_n / (kappa_t + kappa_n)
Culture   a drug lowers kappa_t and leaves R = r_max - growth / kappa_n; a useless share phi of the proteome
          leaves growth (1 - phi / phi_limit), and none from the limit on
Observed  growth and rna of undisturbed cultures; inhibited_rna(inhibited_growth); burdened_growth(burden)
Errors    both axes of a line are measured: an error of relative size e in the abscissa adds (slope e x)^2 to
          the variance of the ordinate, which is exact for a line and an even prior on the true abscissa
Limit     kappa_t = 10, kappa_n = 5, r_max = 0.45, r_0 = 0.05: R = 0.1833333, growth 1.3333333

Source: M. Scott, C. W. Gunderson, E. M. Mateescu, Z. Zhang, T. Hwa, Interdependence of cell growth and gene
expression: origins and consequences, Science 330 (2010) 1099-1102, doi:10.1126/science.1192588.
"""

from dataclasses import dataclass

import numpy as np

from mscale_uq.cell.allocation import burdened_growth, inhibited_share, optimum, share_after_upshift
from mscale_uq.core.formula import Formula
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.options import takes
from mscale_uq.core.parameter import Array, Parameter, Quantity
from mscale_uq.core.system import Limit, Option, System

UNDISTURBED = (
    Parameter(
        "translational_capacity", "1/h", 4.0, lower=0, meaning="growth per RNA/protein that makes protein"
    ),
    Parameter("nutritional_capacity", "1/h", 2.0, lower=0, meaning="growth per RNA/protein left for feeding"),
    Parameter("rna_offset", "1", 0.07, lower=0, meaning="RNA/protein without growth"),
    Parameter("rna_max", "1", 0.72, lower=0, meaning="RNA/protein if nothing were left for feeding"),
)
BURDEN_LIMIT = Parameter(
    "burden_limit", "1", 0.38, lower=0, meaning="useless share of the proteome that stops growth"
)
INHIBITED = (1.18, 0.89, 0.31, 0.13)
BURDEN = (0.01, 0.1, 0.2)


def undisturbed(translational_capacity, nutritional_capacity, rna_max, rna_offset):
    """Making and feeding cross."""
    return optimum(translational_capacity, nutritional_capacity, rna_max, rna_offset)


@dataclass(frozen=True)
class Inhibited:
    """RNA per protein of slowed cultures, with the variance that the errors of their growth rates leave."""

    growth: Array
    error: float

    def __call__(self, nutritional_capacity, rna_max):
        """Return mean and variance, one entry per culture."""
        rna = inhibited_share(self.growth, nutritional_capacity, rna_max)
        return rna, (self.error * self.growth / nutritional_capacity) ** 2


@dataclass(frozen=True)
class Burdened:
    """Growth of burdened cultures, with the variance that the errors of their burdens leave."""

    burden: Array
    error: float

    def __call__(self, growth, burden_limit):
        """Return mean and variance, one entry per culture."""
        slope = growth / burden_limit
        return burdened_growth(growth, self.burden, burden_limit), (self.error * self.burden * slope) ** 2


OPTIONS = (
    Option(
        "perturbation",
        "drug",
        meaning="what slows the cultures: a drug, or protein without a use",
        choices=("drug", "burden"),
    ),
    Option("growth_error", 0.03, "1", "relative error of the growth rate of a slowed culture", lower=0),
    Option("burden_error", 0.05, "1", "relative error of the useless share", lower=0),
)


@takes(OPTIONS)
def forward(o, inhibited_growth=INHIBITED, burden=BURDEN):
    """Return the model for one medium, in which cultures are slowed by one of two perturbations."""
    line: Inhibited | Burdened
    if o.perturbation == "drug":
        line, slowed, extra = Inhibited(np.asarray(inhibited_growth), o.growth_error), "inhibited_rna", []
    else:
        line, slowed, extra = Burdened(np.asarray(burden), o.burden_error), "burdened_growth", [BURDEN_LIMIT]
    stages = [
        Formula(undisturbed, ("rna", "growth")),
        Formula(line, (slowed, f"{slowed}_var"), name=slowed),
    ]
    return ForwardModel(stages, [*UNDISTURBED, *extra], ["growth", "rna", slowed])


OUTPUTS = (
    Quantity("growth", "1/h", "of the undisturbed culture"),
    Quantity("rna", "1", "RNA per protein of the undisturbed culture", lower=0.0),
    Quantity("inhibited_rna", "1", "RNA per protein of the slowed culture", ("inhibited_growth",), lower=0.0),
    Quantity("burdened_growth", "1/h", "of the culture that makes useless protein", ("burden",)),
)


def _at_rest(capacity):
    """RNA per protein and growth at the published numbers, for one nutritional capacity."""
    model = forward()
    values = {"translational_capacity": 10.0, "rna_max": 0.45, "rna_offset": 0.05}
    known = model.trace(model.theta(**values, nutritional_capacity=capacity))
    return float(known["rna"]), float(known["growth"])


def _crossing():
    """Deviation of the crossing from the published one."""
    rna, growth = _at_rest(5.0)
    return max(abs(rna / 0.1833333 - 1), abs(growth / 1.3333333 - 1))


def _upshift():
    """Deviation from the published course from rest to rest, after food has become four times better."""
    start, target = _at_rest(2.0)[0], _at_rest(8.0)[0]
    share = share_after_upshift(np.array([0.0, 0.5, 1.0, 2.0, 3.0]), start, 10.0, 0.05, target)
    return np.abs(share / [0.11666667, 0.15549438, 0.18870588, 0.21969857, 0.22635869] - 1).max()


def _smothered():
    """Growth at and beyond the limit of useless protein, which must be none."""
    model = forward(burden=[0.38, 0.5], perturbation="burden")
    return np.abs(model.trace(model.theta(burden_limit=0.38))["burdened_growth"]).max()


SYSTEM = System(
    name="cells/proteome_allocation",
    parameters=(*UNDISTURBED, BURDEN_LIMIT),
    outputs=OUTPUTS,
    coordinates=(
        Quantity("inhibited_growth", "1/h", "of the culture slowed by a drug"),
        Quantity("burden", "1", "useless share of the proteome", lower=0.0, upper=1.0),
    ),
    options=OPTIONS,
    effective=(OUTPUTS[0], OUTPUTS[1]),
    smoothness="smooth",
    forward=forward,
    examples=({"perturbation": "burden"},),
    limits=(
        Limit("making and feeding cross at R = 0.1833333 and 1.3333333 per hour", _crossing, 5e-7),
        Limit("an upshift leads from rest to rest along a logistic curve", _upshift, 5e-8),
        Limit("with too much useless protein nothing grows, and nothing shrinks", _smothered, 1e-15),
    ),
)
