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
from mscale_uq.models.electrochemistry._lithium_sets import CELLS, POTENTIALS, SALT, given, parameters

from mscale_uq.core.formula import Formula, PointwiseFormula
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.implicit import Implicit
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.parameter import Quantity
from mscale_uq.core.requirement import Requirement
from mscale_uq.core.statespace import StateSpace
from mscale_uq.core.system import Limit, Option, System
from mscale_uq.core.together import Together
from mscale_uq.macro.radial import Drive, Radial, Transport
from mscale_uq.macro.radial_dynamics import RadialDynamics
from mscale_uq.macro.radial_mesh import RadialMesh
from mscale_uq.macro.radial_path import Mean, RadialPath
from mscale_uq.observe.laws import Gaussian

TIMES = tuple(np.linspace(0.0, 3300.0, 12))
MEANS = (
    Mean("negative_salt", 0),
    Mean("positive_salt", 2),
    Mean("negative_log_salt", 0, np.log),
    Mean("positive_log_salt", 2, np.log),
)
RATES = ("negative_diffusion_rate", "positive_diffusion_rate", "negative_charge", "positive_charge",
         "negative_filling", "positive_filling")  # fmt: skip


def bodies(fidelity, chemistry, cells, max_step, drive):
    """Return what diffuses: the particles of both electrodes, and perhaps the salt."""
    sphere = RadialMesh("sphere", (0.0, 1.0), (cells,), 1.6)
    made = [
        Radial(name, Transport(marquis.even, marquis.filled, (f"{name}_filling",)), sphere, max_step, drive,
               capacity="pace", transport=f"{name}_diffusion_rate")
        for name in ("negative", "positive")
    ]  # fmt: skip
    if fidelity == "spme":
        half = (cells + 1) // 2
        layers = RadialMesh("slab", (0.0, 0.4, 0.6, 1.0), (half, (half + 1) // 2, half))
        law = Transport(SALT[chemistry], marquis.closed)
        made.append(Radial("salt", law, layers, max_step, drive, "salt_held", "salt_transport", "salt_freed"))
    return made


def rates(fidelity):
    """Return the stages from micro-parameters to what the bodies and the electrolyte read."""
    made = [Formula(marquis.particles, RATES), Formula(marquis.pace, "pace")]
    if fidelity == "spme":
        made += [Formula(marquis.salt, ("salt_held", "salt_transport", "salt_freed")),
                 Formula(marquis.ohmic, "ohmic_resistance")]  # fmt: skip
    return made


def terminals(fidelity, chemistry, made_by):
    """Return the stages from surfaces and salt to the voltage."""
    across = [made_by(marquis.across, "electrolyte_voltage")] if fidelity == "spme" else []
    return [
        made_by(marquis.room, ("negative_room", "positive_room")),
        Requirement("negative_room", "the negative electrode is full or exhausted", "stoichiometry"),
        Requirement("positive_room", "the positive electrode is full or exhausted", "stoichiometry"),
        *across,
        made_by(marquis.currents, ("j_n", "j_p", "j0_n", "j0_p")),
        made_by(marquis.Terminals(chemistry), "voltage"),
    ]


def chain(times, fidelity, chemistry, cells, max_step, drive):
    """Return the stages from micro-parameters to the voltage at given times."""
    paths = [
        RadialPath(body, times, MEANS if body.name == "salt" else ())
        for body in bodies(fidelity, chemistry, cells, max_step, drive)
    ]
    return [*rates(fidelity), *paths, *terminals(fidelity, chemistry, PointwiseFormula)]


def forward(
    time=TIMES, fidelity="spm", chemistry="Chen2020", seen="voltage", current=5.0, duration=1e12, cells=30,
    max_step=60.0, metre=1.0, second=1.0, mole=1.0, ampere=1.0, volt=1.0,
):  # fmt: skip
    """Return the model of a cell from which a current is drawn, read at `time`, or until it is empty."""
    known = given(fidelity, chemistry, metre, second, mole, ampere, volt)
    unknown = parameters(chemistry, fidelity)
    if seen == "voltage":
        drive = Drive((0.0, duration), (current, 0.0))
        stages = chain(time, fidelity, chemistry, cells, max_step, drive)
        return ForwardModel(stages, unknown, ["voltage"], known | {"current": drive.at(time), "horizon": 1.0})
    expected = CELLS[chemistry].charge * ampere * second / current
    inner = chain([1.0], fidelity, chemistry, cells, max_step / expected, Drive((0.0,), (current,)))
    until = [*inner, Formula(marquis.above_empty, "left")]
    stages = [
        Implicit(until, "horizon", "left", 0.9 * expected, "discharge"),
        Formula(marquis.emptied, ("stop_time", "charge_drawn")),
    ]
    return ForwardModel(stages, unknown, ["stop_time", "charge_drawn"], known | {"current": current})


def space(
    fidelity="spm", chemistry="Chen2020", current=5.0, duration=1e12, cells=30, max_step=60.0,
    metre=1.0, second=1.0, mole=1.0, ampere=1.0, volt=1.0, reading_sd=3e-3,
):  # fmt: skip
    """Return the cell in time, its voltage read."""
    drive = Drive((0.0, duration), (current, 0.0))
    inside = bodies(fidelity, chemistry, cells, max_step, drive)
    known = given(fidelity, chemistry, metre, second, mole, ampere, volt)
    known |= {"horizon": 1.0, "current_initial": float(drive.at(0.0)), "salt_surface_initial": 1.0}
    seen = terminals(fidelity, chemistry, Formula)
    if fidelity == "spme":
        averages = marquis.SaltMeans(*(mean.weights(inside[2]) for mean in MEANS[:2]))
        seen.insert(0, Formula(averages, tuple(mean.output for mean in MEANS)))
    voltage = Together(seen, ["voltage"], "voltage")
    before = [*rates(fidelity), Formula(marquis.even_surfaces, ("negative_surface_initial",
                                                                "positive_surface_initial"))]  # fmt: skip
    return StateSpace(before, RadialDynamics(inside, "current", "A"),
                      {"terminals": ObservationOperator("voltage", Gaussian(reading_sd), voltage)},
                      parameters(chemistry, fidelity), known)  # fmt: skip


IDEAL = {"contact_resistance": 1e-12}


def _off(expected, where, **options):
    """Largest deviation of the voltage from known ones, in V."""
    model = forward(where, **options)
    return np.abs(model.value(model.theta(**IDEAL)) - expected).max()


def _at_rest():
    """Deviation, long after a pulse of 20 min, from the open circuit at the charge that is left."""
    model = forward([2e5], duration=1200.0)
    known = model.trace(model.theta(**IDEAL))
    x = known["negative_initial"] - 6000.0 / known["negative_charge"]
    y = known["positive_initial"] + 6000.0 / known["positive_charge"]
    U_n, U_p = POTENTIALS["Chen2020"]
    return abs(known["voltage"][0] - (U_p(y) - U_n(x)))


def _free_electrolyte():
    """Deviation of the model with wide pores and a resistance of the solid alone from that without salt."""
    models = [forward(fidelity=name, chemistry="Marquis2019", current=0.7) for name in ("spm", "spme")]
    plain, wide = (model.value(model.theta(**IDEAL, **more)) for model, more in zip(
        models, ({}, {"porosity": 1e4}), strict=True))  # fmt: skip
    solid = sum(1e-4 / (s * 0.7**1.5) for s in (100, 10)) / 3 / (0.137 * 0.207)
    return np.abs(plain - 0.7 * solid - wide).max()


def _emptied():
    """Deviation of the end of a discharge at 1C from the published, in s."""
    model = forward(chemistry="Marquis2019", seen="cut-off", current=0.680616)
    return abs(model.value(model.theta(**IDEAL))[0] - 3622.77)


M1C = {"chemistry": "Marquis2019", "current": 0.680616}
LIMITS = (
    Limit("without current it has the voltage of the open circuit",
          partial(_off, 3.8518207, [0.0, 1e3], chemistry="Marquis2019", current=0.0), 1e-7),
    Limit("at once, the voltage is that of the closed form", partial(_off, 3.7800807, [0.0], **M1C), 1e-7),
    Limit("... also through the electrolyte", partial(_off, 3.770572, [0.0], fidelity="spme", **M1C), 1e-6),
    Limit("a discharge at 1C goes as an independent program says", partial(
        _off, (3.71035, 3.67497, 3.63105, 3.61031), [600.0, 1200.0, 1800.0, 2400.0], **M1C), 1e-4),
    Limit("... and ends when it says", _emptied, 0.2),
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
    options=(
        Option("fidelity", "spm", meaning="without or with the salt", choices=("spm", "spme")),
        Option("chemistry", "Chen2020", meaning="the cell, and its curves", choices=tuple(CELLS)),
        Option("seen", "voltage", meaning="voltages, or the end", choices=("voltage", "cut-off")),
        Option("current", 5.0, "A", "drawn, less than zero to charge"),
        Option("duration", 1e12, "s", "how long it flows; rest follows", lower=0),
        Option("cells", 30, "1", "along the radius of a particle, and across the electrolyte", lower=3),
        Option("max_step", 60.0, "s", "longest time step", lower=0),
        *(Option(name, 1.0, unit, "unit of the published cell", lower=0) for name, unit in (
            ("metre", "m"), ("second", "s"), ("mole", "mol"), ("ampere", "A"), ("volt", "V"))),
    ),
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
