"""A solid electrolyte that heats itself: ions hop over barriers, current heats, heat lets them hop faster.

Impedance tells the conductivity and how it rises with temperature; scatter of the barriers shows only as a
bend of that, over a wide range. Attempt rate, jump length and number of carriers are one product. Heated by
a current, a sample tells how it conducts and loses heat. Beyond a critical field it finds no steady state:
thermal runaway, which sets in at a fold, and starts a flash.

Cell      sigma(T) T ~ exp(-E_m/kT - s^2/(2 k^2 T^2)): bonds in series whose barriers scatter normally
Macro     C dT/dt = k lap T + heat in slab, cylinder, sphere; at its surface
          -k dT/dn = h (T - T_0) + eps sigma_B (T^4 - T_0^4); heat = sigma E^2 along the surface, or
          j^2/sigma through a slab between electrodes
Observed  conductivity(temperature); current density, surface and middle at rest or in time, or the field that
          a held current needs, which always finds its rest; critical field or furnace temperature, where the
          branch that begins without heating folds back
Limits    thermistor: int k/sigma dT from T_0 to the middle = V^2/8; Frank-Kamenetskii: 0.878458, 2, 3.321992;
          what heats is lost; a weak field leaves the sample at the furnace's temperature

Source: I. J. Hewitt, A. A. Lacey, R. I. Todd, A mathematical model for flash sintering, arXiv:1512.04307.
"""

from functools import partial

import numpy as np
from mscale_uq.models.electrochemistry._heated import (
    IN_TIME,
    OUTPUTS,
    READ,
    SEEN,
    Readings,
    squared,
    switched_on,
)
from mscale_uq.models.electrochemistry._joule import heated, settings

from mscale_uq.core.formula import Formula
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.known import known, off
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.options import takes
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.core.reads import read_by
from mscale_uq.core.statespace import StateSpace
from mscale_uq.core.system import Limit, Option, Scale, System
from mscale_uq.core.together import Together
from mscale_uq.macro.ode_dynamics import OdeDynamics
from mscale_uq.observe.laws import Gaussian
from mscale_uq.solve.symmetric import SHAPES

EV = 1.602176634e-19  # J
PARAMETERS = (
    Parameter("conductivity_ref", "S/m", 0.03, lower=0, meaning="sigma at the reference temperature"),
    Parameter("migration_energy", "J", 0.35 * EV, lower=0, meaning="E_m, mean barrier of a hop"),
    Parameter("disorder", "J", 0.03 * EV, lower=0, meaning="s, deviation of the barriers"),
    Parameter("thermal_conductivity", "W/(m K)", 1.5, lower=0, meaning="k"),
    Parameter("heat_transfer", "W/(m^2 K)", 20.0, lower=0, meaning="h, to the furnace or the electrodes"),
    Parameter("emissivity", "1", 0.8, lower=0, upper=1, meaning="eps, of the surface"),
    Parameter("heat_capacity", "J/(m^3 K)", 2.5e6, lower=0, meaning="C, per volume"),
)
OPTIONS = (
    Option("seen", "rest", meaning="what is measured", choices=tuple(SEEN)),
    Option("shape", "cylinder", meaning="of the body", choices=SHAPES),
    Option("supply", "along", meaning="field, or across a slab", choices=("along", "across")),
    Option("half_width", 2e-3, "m", "half the thickness, or radius", lower=0),
    Option("nodes", 4, "1", "of the temperature", lower=1),
    Option("coldest", 250.0, "K", "where nothing runs away, and the search for an onset begins", lower=0),
    Option("hottest", 1000.0, "K", "an onset must come before it", lower=0),
    Option("largest_field", 1e4, "V/m", "a critical field must come before it", lower=0),
    Option("applied", 1000.0, "V/m", "field while the body warms", lower=0),
    Option("furnace", 340.0, "K", "T_0 while it warms", lower=0),
    Option("boltzmann", 1.380649e-23, "J/K", "constant", lower=0),
    Option("reference", 300.0, "K", "temperature of conductivity_ref", lower=0),
    Option("stefan_boltzmann", 5.670374419e-8, "W/(m^2 K^4)", "constant", lower=0),
)  # fmt: skip


@takes(OPTIONS)
def forward(
    o, temperature=(250.0, 300.0, 350.0, 400.0), field=(1000.0, 600.0), furnace_temperature=(300.0, 340.0),
    time=(20.0, 60.0, 120.0, 300.0), *, current=(20.0, 60.0),
):  # fmt: skip
    """Return the model of what is seen: impedance, bodies at rest or in time, or where no rest is found."""
    supply = "across" if o.seen == "held current" else o.supply
    body, given = settings(o, supply)
    along = {"temperature": temperature, "field": field, "current": current}
    along["furnace_temperature"] = furnace_temperature
    given = switched_on(o, given) if o.seen == "warming" else given | along
    stages, outputs = SEEN[o.seen](o, Readings(body, supply == "across"), time)
    unknown, fixed = read_by(stages, PARAMETERS, given)
    return ForwardModel(stages, unknown, outputs, fixed)


@takes(OPTIONS)
def space(o, temperature=(), field=(), furnace_temperature=(), *, current=(), reading_sd=1.0):  # noqa: ARG001
    """Return the body in time, after the field `applied` was switched on; the rest is of the other modes."""
    body, given = settings(o, o.supply)
    reading = Formula(Readings(body, o.supply == "across"), IN_TIME)
    sources = {
        name: ObservationOperator(name, Gaussian(reading_sd), Together([reading], [name], name))
        for name in IN_TIME
    }
    before, dynamics = [Formula(squared, "drive")], OdeDynamics(heated(o.supply, o.nodes))
    fixed = switched_on(o, given)
    unknown, _ = read_by([*before, dynamics, reading], PARAMETERS, fixed)
    return StateSpace(before, dynamics, sources, unknown, fixed)


K = 1.380649e-23  # J/K, Boltzmann's constant


def _thermistor(voltage, rise, length=0.01):
    """Overheating of the middle between electrodes at 1100 K, relative to that of the thermistor theorem."""
    made = known(
        forward, field=[voltage / length], furnace_temperature=[1100.0], shape="slab", supply="across",
        half_width=length / 2, nodes=12, reference=1100.0, thermal_conductivity=2.0, heat_transfer=1e9,
        conductivity_ref=3.6e6 / 1100 * np.exp(-0.9 * EV / (K * 1100)), migration_energy=0.9 * EV,
        disorder=1e-30)  # fmt: skip
    return abs((made["middle_temperature"][0] - 1100) / rise - 1)


def _frank_kamenetskii(shape, expected):
    """The critical delta of a body with a cold surface and a barrier of 1e6 kT, relative to the known one."""
    made = known(forward, seen="critical field", furnace_temperature=[300.0], shape=shape, nodes=9,
                 largest_field=200.0, migration_energy=1e6 * K * 300, disorder=1e-30,
                 heat_transfer=1e9)  # fmt: skip
    return abs(1e6 / 300 * 0.03 * made["critical_field"][0] ** 2 * 2e-3**2 / 1.5 / expected - 1)


def _what_heats_is_lost(supply, shape):
    """Joule's power over what leaves through the surface, per volume, less one."""
    made = known(forward, field=[1000.0], furnace_temperature=[340.0], shape=shape, supply=supply,
                 heat_transfer=50.0)  # fmt: skip
    T = made["surface_temperature"][0]
    radiated = 0.8 * 5.670374419e-8 * (T**4 - 340.0**4) if supply == "along" else 0.0
    lost = made["surface"] * (50.0 * (T - 340) + radiated)
    return abs(made["current_density"][0] * 1000.0 * 2e-3 / lost - 1)


def _weak_field():
    """Deviation from what is not heated, under a hundredth of the critical field."""
    unheated = zip(READ, (0.6, 300.0, 300.0), strict=True)
    return max(off(forward, *one, field=[20.0], furnace_temperature=[300.0]) for one in unheated)


LIMITS = (
    *(Limit(f"thermistor: {V:g} V heat the middle by {rise:g} K", partial(_thermistor, V, rise), 1e-5)
      for V, rise in ((25.0066, 10.0), (52.0502, 50.0), (67.9209, 100.0))),
    *(Limit(f"... independent of length: by 50 K in {1e3 * length:g} mm, too",
            partial(_thermistor, 52.0502, 50.0, length), 1e-5) for length in (0.004, 0.1)),
    *(Limit(f"Frank-Kamenetskii: a {shape} runs away at delta = {delta:g}",
            partial(_frank_kamenetskii, shape, delta), 3e-6)
      for shape, delta in zip(SHAPES, (0.878458, 2.0, 3.321992), strict=True)),
    Limit("at rest, what heats a rod is lost", partial(_what_heats_is_lost, "along", "cylinder"), 1e-9),
    Limit("... and between electrodes", partial(_what_heats_is_lost, "across", "slab"), 1e-9),
    Limit("a weak field leaves the sample as it is", _weak_field, 1e-4),
)  # fmt: skip

SYSTEM = System(
    name="electrochemistry/solid_electrolyte",
    parameters=PARAMETERS,
    outputs=OUTPUTS,
    coordinates=(
        Quantity("temperature", "K", "of the whole sample"),
        Quantity("field", "V/m", "voltage over distance"),
        Quantity("current", "A/m^2", "density that a source holds between electrodes"),
        Quantity("furnace_temperature", "K", "T_0, of furnace or electrodes"),
        Quantity("time", "s", "since the field was switched on"),
    ),
    options=OPTIONS,
    effective=(Quantity("apparent_energy", "J", "slope of an Arrhenius plot through the readings"),),
    smoothness="smooth",
    forward=forward,
    space=space,
    limits=LIMITS,
    # Little tells how barriers scatter, so that their mean is known by this sum only: a bent ridge.
    scale=Scale("migration_energy", "apparent_energy", summed=True),
    examples=({"seen": "conductivity"}, {"seen": "warming"}, {"seen": "held current", "shape": "slab"},
              {"seen": "onset", "field": (700.0,), "nodes": 3, "coldest": 360.0},
              {"supply": "across", "shape": "slab", "field": (500.0,), "furnace_temperature": (300.0,)}),
)  # fmt: skip
