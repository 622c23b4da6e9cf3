"""A lithium-ion cell: two particles that fill and empty, and the salt between them, seen by its voltage.

The micro-parameters are those of the particles of both electrodes; terminals see one voltage. Beside the
curves of the open circuit it tells six numbers at most: what each electrode holds, how long diffusion in its
particles takes, and how fast its surface reacts; and where a curve is flat or a reaction fast, fewer.

Cell      particle: dc/dt = r^-2 d/dr (D r^2 dc/dr), -D dc/dr = j/F at the surface, j = I R/(3 eps_s L A)
Macro     spm: none; spme: eps dc_e/dt = d/dx (eps^b D_e(c_e) dc_e/dx) +- (1 - t+) I/(F A L), across the cell
Observed  voltage(time) = U_p - U_n - (2RT/F)(asinh(j_n/2j0_n) + asinh(j_p/2j0_p)) - R_0 I, where
          j0 = m sqrt(c_e c_s (c_max - c_s)); spme: + 2 (1 - t+)(RT/F)(<ln c_e>_p - <ln c_e>_n) - R_ohmic I;
          or when a discharge reaches the voltage at which the cell is empty, and its charge
Limits    no current: the open circuit; at once: closed form; published discharges; at rest after a pulse: the
          open circuit of the charge that is left; wide pores: spme is spm

Source: S. G. Marquis, V. Sulzer, R. Timms, C. P. Please, S. J. Chapman, An asymptotic derivation of a single
particle model with electrolyte, J. Electrochem. Soc. 166 (2019) A3693-A3706, doi:10.1149/2.0341915jes. What
can be identified: A. M. Bizeray, J.-H. Kim, S. R. Duncan, D. A. Howey, IEEE Trans. Control Syst. Technol. 27
(2019) 1862-1877, doi:10.1109/TCST.2018.2838097.
"""

from functools import partial

import mscale_uq.models.electrochemistry._marquis2019 as marquis
import numpy as np
from mscale_uq.models.electrochemistry._lithium_sets import CELLS, POTENTIALS, given, parameters

from mscale_uq.core.formula import Formula
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.implicit import Implicit
from mscale_uq.core.known import known
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.options import takes
from mscale_uq.core.parameter import Quantity
from mscale_uq.core.statespace import StateSpace
from mscale_uq.core.system import Limit, Option, System
from mscale_uq.core.together import Together
from mscale_uq.macro.radial import Drive
from mscale_uq.macro.radial_dynamics import RadialDynamics
from mscale_uq.observe.laws import Gaussian

OPTIONS = (
    Option("fidelity", "spm", meaning="without or with the salt", choices=("spm", "spme")),
    Option("chemistry", "Chen2020", meaning="the cell, and its curves", choices=tuple(CELLS)),
    Option("seen", "voltage", meaning="voltages, or the end", choices=("voltage", "cut-off")),
    Option("current", 5.0, "A", "drawn, less than zero to charge"),
    Option("duration", 1e12, "s", "how long it flows, by default for ever; rest follows", lower=0),
    Option("cells", 30, "1", "along the radius of a particle, and across the electrolyte", lower=3),
    Option("max_step", 60.0, "s", "longest time step", lower=0),
    *(Option(name, 1.0, unit, "unit of the published cell", lower=0) for name, unit in (
        ("metre", "m"), ("second", "s"), ("mole", "mol"), ("ampere", "A"), ("volt", "V"))),
)  # fmt: skip
TIMES = tuple(np.linspace(0.0, 3300.0, 12))
SURFACES = ("negative_surface_initial", "positive_surface_initial")


def fixed(o):
    """Return what is fixed of a cell."""
    return given(o.fidelity, o.chemistry, o.metre, o.second, o.mole, o.ampere, o.volt)


@takes(OPTIONS)
def forward(o, time=TIMES):
    """Return the model of a cell from which a current is drawn, read at `time`, or until it is empty."""
    unknown, drive = parameters(o.chemistry, o.fidelity), Drive((0.0, o.duration), (o.current, 0.0))
    if o.seen == "voltage":
        stages = marquis.chain(time, o.fidelity, o.chemistry, o.cells, o.max_step, drive)
        here = fixed(o) | {"current": drive.at(time), "horizon": 1.0}
        return ForwardModel(stages, unknown, ["voltage"], here)
    expected, drive = CELLS[o.chemistry].charge * o.ampere * o.second / o.current, Drive((0.0,), (o.current,))
    inner = marquis.chain([1.0], o.fidelity, o.chemistry, o.cells, o.max_step / expected, drive)
    until = [*inner, Formula(marquis.above_empty, "left")]
    stages = [
        Implicit(until, "horizon", "left", 0.9 * expected, "discharge"),
        Formula(marquis.emptied, ("stop_time", "charge_drawn")),
    ]
    return ForwardModel(stages, unknown, ["stop_time", "charge_drawn"], fixed(o) | {"current": o.current})


@takes(OPTIONS)
def space(o, *, reading_sd=3e-3):
    """Return the cell in time, its voltage read."""
    drive = Drive((0.0, o.duration), (o.current, 0.0))
    inside = marquis.bodies(o.fidelity, o.chemistry, o.cells, o.max_step, drive)
    here = {"horizon": 1.0, "current_initial": float(drive.at(0.0)), "salt_surface_initial": 1.0}
    seen = marquis.terminals(o.fidelity, o.chemistry, Formula)
    if o.fidelity == "spme":
        seen.insert(0, marquis.salt_means(inside[2]))
    sources = {
        "terminals": ObservationOperator(
            "voltage", Gaussian(reading_sd), Together(seen, ["voltage"], "voltage")
        )
    }
    before = [*marquis.rates(o.fidelity), Formula(marquis.even_surfaces, SURFACES)]
    dynamics, unknown = RadialDynamics(inside, "current", "A"), parameters(o.chemistry, o.fidelity)
    return StateSpace(before, dynamics, sources, unknown, fixed(o) | here)


IDEAL = {"contact_resistance": 1e-12}
M1C = {"chemistry": "Marquis2019", "current": 0.680616, **IDEAL}


def _off(name, expected, **given):
    """Largest deviation from what is known, in V or s."""
    return np.abs(known(forward, **given)[name] - expected).max()


def _at_rest():
    """Deviation, long after a pulse of 20 min, from the open circuit at the charge that is left."""
    made = known(forward, time=[2e5], duration=1200.0, **IDEAL)
    x = made["negative_initial"] - 6000.0 / made["negative_charge"]
    y = made["positive_initial"] + 6000.0 / made["positive_charge"]
    U_n, U_p = POTENTIALS["Chen2020"]
    return abs(made["voltage"][0] - (U_p(y) - U_n(x)))


def _free_electrolyte():
    """Deviation of the model with wide pores and a resistance of the solid alone from that without salt."""
    cell = {"chemistry": "Marquis2019", "current": 0.7, **IDEAL}
    solid = sum(1e-4 / (s * 0.7**1.5) for s in (100, 10)) / 3 / (0.137 * 0.207)
    plain = known(forward, **cell)["voltage"] - 0.7 * solid
    return _off("voltage", plain, fidelity="spme", porosity=1e4, **cell)


LIMITS = (
    Limit("without current it has the voltage of the open circuit", partial(
        _off, "voltage", 3.8518207, time=[0.0, 1e3], chemistry="Marquis2019", current=0.0, **IDEAL), 1e-7),
    Limit("at once, the voltage is that of the closed form", partial(
        _off, "voltage", 3.7800807, time=[0.0], **M1C), 1e-7),
    Limit("... also through the electrolyte", partial(
        _off, "voltage", 3.770572, time=[0.0], fidelity="spme", **M1C), 1e-6),
    Limit("a discharge at 1C goes as an independent program says", partial(
        _off, "voltage", (3.71035, 3.67497, 3.63105, 3.61031), time=[600.0, 1200.0, 1800.0, 2400.0],
        **M1C), 1e-4),
    Limit("... and ends when it says", partial(_off, "stop_time", 3622.77, seen="cut-off", **M1C), 0.2),
    Limit("long after a pulse, it has the open circuit of the charge that is left", _at_rest, 1e-6),
    Limit("wide pores take the electrolyte away", _free_electrolyte, 1e-5),
)  # fmt: skip

SYSTEM = System(
    name="electrochemistry/lithium_cell",
    parameters=parameters("Chen2020", "spme"),
    outputs=(
        Quantity("voltage", "V", "between the terminals", ("time",)),
        Quantity("stop_time", "s", "when a discharge ends"),
        Quantity("charge_drawn", "A*s", "until then"),
    ),
    coordinates=(Quantity("time", "s", "since the current was switched on"),),
    options=OPTIONS,
    effective=(
        Quantity("negative_diffusion_rate", "1/s", "D/R^2"),
        Quantity("positive_diffusion_rate", "1/s", "D/R^2"),
        Quantity("negative_charge", "A*s", "that fills the electrode"),
        Quantity("positive_charge", "A*s", "that fills the electrode"),
        Quantity("ohmic_resistance", "ohm", "of electrolyte and solid"),
    ),
    smoothness="smooth",
    forward=forward,
    space=space,
    limits=LIMITS,
    examples=({"fidelity": "spme"},),
)  # fmt: skip
