"""Sinoatrial node cell of the rabbit: two coupled clocks, of the membrane and of calcium, make it beat.

The micro-parameters are the strengths of channels, pumps and exchangers, relative to the published cell; an
electrode and a dye see features of the beat. Features belong to the limit cycle, which is found as such:
sodium inside the cell takes a minute to settle, and a beat of a run of seconds is not yet that of the cycle.

Cell      C dV/dt = -(I_f + I_CaL + I_CaT + I_Kr + I_Ks + I_to + I_Na + I_NaK + I_NCX + I_KACh), gates
          dx/dt = (x_inf(V) - x)/tau(V), calcium in four compartments with six buffers, 30 states in all
Macro     the periodic orbit y(T) = y(0), by shooting; events on it: turning points, half repolarisation
Observed  cycle length, lowest and highest potential, duration, steepest upstroke, slope of
          the diastole, lowest and highest calcium; one number each
Limits    published: ivabradine slows the beat by 22 %, caesium and acetylcholine by 20 %, isoprenaline
          speeds it up by 28 %

Source: S. Severi, M. Fantini, L. A. Charawi, D. DiFrancesco, An updated computational model of rabbit
sinoatrial action potential to investigate the mechanisms of heart rate modulation, J. Physiol. 590 (2012)
4483-4499, doi:10.1113/jphysiol.2012.229435.
"""

from functools import partial

from mscale_uq.models.physiology._beat import beat, known_mesh

from mscale_uq.core.formula import Formula
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.options import takes
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.core.system import Limit, Option, System
from mscale_uq.solve.stiff import Tolerances

PARAMETERS = (
    Parameter("g_f", "1", 1.0, lower=0, meaning="funny current, relative to the published cell"),
    Parameter("g_Kr", "1", 1.0, lower=0, meaning="rapid delayed rectifier potassium current, relative"),
    Parameter("P_CaL", "1", 1.0, lower=0, meaning="L-type calcium current, relative"),
    Parameter("K_NaCa", "1", 1.0, lower=0, meaning="sodium-calcium exchanger, relative"),
    Parameter("P_up", "1", 1.0, lower=0, meaning="calcium uptake into the store, relative"),
    Parameter("P_CaT", "1", 1.0, lower=0, meaning="T-type calcium current, relative"),
    Parameter("k_s", "1", 1.0, lower=0, meaning="calcium release from the store, relative"),
    Parameter("g_to", "1", 1.0, lower=0, meaning="transient outward potassium current, relative"),
    Parameter("g_Ks", "1", 1.0, lower=0, meaning="slow delayed rectifier potassium current, relative"),
    Parameter("g_Na", "1", 1.0, lower=0, meaning="sodium current, relative"),
    Parameter("I_NaK", "1", 1.0, lower=0, meaning="sodium-potassium pump, relative"),
)
OUTPUTS = (
    Quantity("cycle_length", "ms", "from beat to beat"),
    Quantity("diastolic_potential", "mV", "lowest membrane potential"),
    Quantity("overshoot", "mV", "highest membrane potential"),
    Quantity("upstroke_velocity", "V/s", "steepest rise of the potential"),
    Quantity("apd50", "ms", "from the steepest rise to half repolarisation (APD50)"),
    Quantity("diastolic_slope", "mV/s", "mean over the 100 ms after the lowest potential (DDR100)"),
    Quantity("calcium_low", "nmol/L", "lowest concentration in the cytosol"),
    Quantity("calcium_high", "nmol/L", "highest concentration in the cytosol"),
)
# Values of `_severi2012.DRUGS`: share of the funny channels left, caesium present or not, acetylcholine in
# mM, isoprenaline present or not.
TREATMENTS = {
    "none": (1.0, 0.0, 0.0, 0.0),
    "ivabradine": (0.34, 0.0, 0.0, 0.0),  # 3 uM
    "caesium": (1.0, 1.0, 0.0, 0.0),  # 5 mM
    "acetylcholine": (1.0, 0.0, 1e-5, 0.0),  # 10 nM
    "isoprenaline": (1.0, 0.0, 0.0, 1.0),  # 1 uM
}


def potentials(lowest, highest, steepest, diastolic, millivolt, second):
    """From the units of the published equations, with the upstroke in V/s."""
    per_second = millivolt / second
    return lowest * millivolt, highest * millivolt, 1e-3 * steepest * per_second, diastolic * per_second


def durations(period, duration, second):
    """In milliseconds."""
    return 1e3 * period * second, 1e3 * duration * second


def calcium(calcium_least, calcium_most, millimolar):
    """In nmol/L."""
    return 1e6 * calcium_least * millimolar, 1e6 * calcium_most * millimolar


def predicted(predicted_period, second):
    """In milliseconds."""
    return 1e3 * predicted_period * second


WORDS = tuple(TREATMENTS)
OPTIONS = (
    Option("treatment", "none", meaning="drug in the bath", choices=WORDS),
    Option("predict", "none", meaning="drug whose effect is predicted beside", choices=WORDS),
    Option(
        "steps",
        "kept",
        meaning="time steps of the published cell, near which they suit, or chosen for each cell",
        choices=("kept", "chosen"),
    ),
    Option("tolerance", 1e-4, "1", "relative, of each time step", lower=0),
    Option("millivolt", 1.0, "mV", "unit of potential in the published equations", lower=0),
    Option("second", 1.0, "s", "unit of time in the published equations", lower=0),
    Option("millimolar", 1.0, "mmol/L", "unit of concentration in the published equations", lower=0),
)


@takes(OPTIONS)
def forward(o):
    """Return the model of one cell under a treatment; `predict` adds the cycle length under another one."""
    tolerances = Tolerances(o.tolerance, 1e-3 * o.tolerance, 1e-6)
    mesh = known_mesh(tolerances) if o.steps == "kept" else None
    stages = [
        beat(tolerances, mesh, TREATMENTS[o.treatment]),
        Formula(durations, ("cycle_length", "apd50")),
        Formula(potentials, ("diastolic_potential", "overshoot", "upstroke_velocity", "diastolic_slope")),
        Formula(calcium, ("calcium_low", "calcium_high")),
    ]
    if o.predict != "none":
        drugged = beat(tolerances, mesh, TREATMENTS[o.predict], "predicted_")
        stages += [drugged, Formula(predicted, "predicted_cycle_length")]
    units = {"millivolt": o.millivolt, "second": o.second, "millimolar": o.millimolar}
    return ForwardModel(stages, PARAMETERS, [output.name for output in OUTPUTS], units)


def _change(treatment, published):
    """Change of the beat's frequency under a treatment, minus the published one."""
    model = forward(predict=treatment, steps="chosen")
    known = model.trace(model.theta())
    return abs(known["cycle_length"] / known["predicted_cycle_length"] - 1 - published)


def _features():
    """Largest deviation from the published features of the cell, relative."""
    model = forward(steps="chosen")
    known = model.trace(model.theta())
    published = {"cycle_length": 352, "diastolic_potential": -58, "apd50": 108, "upstroke_velocity": 7.1}
    return max(abs(known[name] / value - 1) for name, value in published.items())


LIMITS = (
    Limit("the beat has the published length, depth, duration and upstroke", _features, 0.02),
    Limit("ivabradine slows it by 22 %", partial(_change, "ivabradine", -0.22), 0.005),
    Limit("caesium slows it by 20 %", partial(_change, "caesium", -0.20), 0.005),
    Limit("acetylcholine slows it by 20 %", partial(_change, "acetylcholine", -0.20), 0.005),
    Limit("isoprenaline speeds it up by 28 %, within 3", partial(_change, "isoprenaline", 0.28), 0.03),
)
SYSTEM = System(
    name="physiology/sinoatrial_cell",
    parameters=PARAMETERS,
    outputs=OUTPUTS,
    converts=True,
    options=OPTIONS,
    effective=(
        Quantity("predicted_cycle_length", "ms", "from beat to beat under the treatment that is predicted"),
    ),
    smoothness="smooth",
    forward=forward,
    timeless="what is read are features of a whole beat, and none of them belongs to a time",
    limits=LIMITS,
    examples=({"steps": "chosen"},),
)
