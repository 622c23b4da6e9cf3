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
from mscale_uq.models.electrochemistry._joule import (
    HOPPING,
    Readings,
    balance,
    conductivity,
    heated,
    root,
    settings,
    squared,
    squared_current,
)

from mscale_uq.core.each import Each
from mscale_uq.core.formula import Formula, PointwiseFormula
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.core.statespace import StateSpace
from mscale_uq.core.system import Limit, Option, System
from mscale_uq.core.together import Together
from mscale_uq.macro.ode import OdePath
from mscale_uq.macro.ode_dynamics import OdeDynamics
from mscale_uq.observe.laws import Gaussian
from mscale_uq.solve.symmetric import SHAPES

EV = 1.602176634e-19  # J
MATERIAL = (
    Parameter("conductivity_ref", "S/m", 0.03, lower=0, meaning="sigma at the reference temperature"),
    Parameter("migration_energy", "J", 0.35 * EV, lower=0, meaning="E_m, mean barrier of a hop"),
    Parameter("disorder", "J", 0.03 * EV, lower=0, meaning="s, deviation of the barriers"),
)
THERMAL = (
    Parameter("thermal_conductivity", "W/(m K)", 1.5, lower=0, meaning="k"),
    Parameter("heat_transfer", "W/(m^2 K)", 20.0, lower=0, meaning="h, to the furnace or the electrodes"),
    Parameter("emissivity", "1", 0.8, lower=0, upper=1, meaning="eps, of the surface"),
)
CAPACITY = Parameter("heat_capacity", "J/(m^3 K)", 2.5e6, lower=0, meaning="C, per volume")
SEEN = ("conductivity", "rest", "held current", "warming", "critical field", "onset")
READ = ("current_density", "surface_temperature", "middle_temperature")
HELD = ("mean_field", "held_surface_temperature", "held_middle_temperature")
IN_TIME = tuple(f"{name}_in_time" for name in READ)
TEMPERATURE, TIME = (250.0, 300.0, 350.0, 400.0), (20.0, 60.0, 120.0, 300.0)
FIELD, CURRENT, FURNACE = (1000.0, 600.0), (20.0, 60.0), (300.0, 340.0)


def forward(
    temperature=TEMPERATURE, field=FIELD, furnace_temperature=FURNACE, time=TIME, seen="rest",
    shape="cylinder", supply="along", half_width=2e-3, nodes=4, coldest=250.0, hottest=1000.0,
    largest_field=1e4, applied=1000.0, furnace=340.0, boltzmann=1.380649e-23,
    reference=300.0, stefan_boltzmann=5.670374419e-8, current=CURRENT,
):  # fmt: skip
    """Return the model of what is seen: impedance, bodies at rest or in time, or where no rest is found."""
    supply = "across" if seen == "held current" else supply
    body, given = settings(shape, supply, nodes, half_width, (boltzmann, reference, stefan_boltzmann))
    thermal = THERMAL if supply == "along" else THERMAL[:2]
    drive = PointwiseFormula(squared, "drive")
    seen_of = Readings(body, supply == "across")
    if seen == "conductivity":
        law, given = Formula(conductivity, "conductivity"), {name: given[name] for name in HOPPING[3:]}
        return ForwardModel([law], MATERIAL, ["conductivity"], given | {"temperature": temperature})
    if seen == "rest":
        rest = Each(balance(supply, nodes, "drive", 0.0), ("drive", "furnace_temperature"))
        stages = [drive, rest, PointwiseFormula(seen_of, READ)]
        given |= {"field": field, "furnace_temperature": furnace_temperature}
        return ForwardModel(stages, (*MATERIAL, *thermal), READ, given)
    if seen == "held current":
        rest = Each(balance("driven", nodes, "drive", 0.0), ("drive", "furnace_temperature"))
        stages = [PointwiseFormula(squared_current, "drive"), rest, PointwiseFormula(seen_of.held, HELD)]
        given |= {"current": current, "furnace_temperature": furnace_temperature}
        return ForwardModel(stages, (*MATERIAL, *thermal), HELD, given)
    if seen == "warming":
        given |= {"field": applied, "furnace_temperature": furnace, "overheating_initial": 0.0}
        del given["heat_capacity"]
        path = OdePath(heated(supply, nodes), time)
        stages = [Formula(squared, "drive"), path, PointwiseFormula(seen_of, IN_TIME)]
        return ForwardModel(stages, (*MATERIAL, *thermal, CAPACITY), IN_TIME, given)
    if seen == "onset":
        fold = balance(supply, nodes, "furnace_temperature", coldest, hottest, "onset_temperature")
        stages, given = [drive, Each(fold, ("drive",))], given | {"field": field}
        return ForwardModel(stages, (*MATERIAL, *thermal), ["onset_temperature"], given)
    fold = balance(supply, nodes, "drive", 0.0, largest_field**2, "critical_drive")
    stages = [Each(fold, ("furnace_temperature",)), PointwiseFormula(root, "critical_field")]
    given |= {"furnace_temperature": furnace_temperature}
    return ForwardModel(stages, (*MATERIAL, *thermal), ["critical_field"], given)


def space(
    temperature=(), field=(), furnace_temperature=(),  # noqa: ARG001  (of the other modes)
    shape="cylinder", supply="along", half_width=2e-3, nodes=4, applied=1000.0, furnace=340.0,
    boltzmann=1.380649e-23, reference=300.0, stefan_boltzmann=5.670374419e-8, reading_sd=1.0,
    current=(),  # noqa: ARG001
):  # fmt: skip
    """Return the body in time, after the field `applied` was switched on."""
    body, given = settings(shape, supply, nodes, half_width, (boltzmann, reference, stefan_boltzmann))
    given |= {"field": applied, "furnace_temperature": furnace, "overheating_initial": 0.0}
    del given["heat_capacity"]
    thermal = THERMAL if supply == "along" else THERMAL[:2]
    readings = Formula(Readings(body, supply == "across"), IN_TIME)
    sources = {
        name: ObservationOperator(name, Gaussian(reading_sd), Together([readings], [name], name))
        for name in IN_TIME
    }
    dynamics, parameters = OdeDynamics(heated(supply, nodes)), (*MATERIAL, *thermal, CAPACITY)
    return StateSpace([Formula(squared, "drive")], dynamics, sources, parameters, given)


def _thermistor(voltage, rise):
    """Overheating of the middle between electrodes at 1100 K, relative to that of the thermistor theorem."""
    model = forward(field=[voltage / 0.01], furnace_temperature=[1100.0], shape="slab", supply="across",
                    half_width=5e-3, nodes=12, reference=1100.0)  # fmt: skip
    at_1100 = 3.6e6 / 1100 * np.exp(-0.9 * EV / (1.380649e-23 * 1100))
    theta = model.theta(conductivity_ref=at_1100, migration_energy=0.9 * EV, disorder=1e-30,
                        thermal_conductivity=2.0, heat_transfer=1e9)  # fmt: skip
    return abs((model.value(theta)[2] - 1100) / rise - 1)


def _frank_kamenetskii(shape, expected):
    """The critical delta of a body with a cold surface and a barrier of 1e6 kT, relative to the known one."""
    kT = 1.380649e-23 * 300
    model = forward(
        seen="critical field", furnace_temperature=[300.0], shape=shape, nodes=9, largest_field=200.0
    )
    theta = model.theta(migration_energy=1e6 * kT, disorder=1e-30, heat_transfer=1e9)
    E = model.value(theta)[0]
    return abs(1e6 / 300 * 0.03 * E**2 * 2e-3**2 / 1.5 / expected - 1)


def _what_heats_is_lost(supply):
    """Joule's power over what leaves through the surface, per volume, less one."""
    shape = "cylinder" if supply == "along" else "slab"
    model = forward(field=[1000.0], furnace_temperature=[340.0], shape=shape, supply=supply)
    known = model.trace(model.theta(heat_transfer=50.0))
    T, E = known["surface_temperature"][0], 1000.0
    lost = 50.0 * (T - 340)
    if supply == "along":
        lost += 0.8 * 5.670374419e-8 * (T**4 - 340.0**4)
    return abs(known["current_density"][0] * E * 2e-3 / (known["surface"] * lost) - 1)


def _weak_field():
    """Overheating under a hundredth of the critical field, in shares of the temperature."""
    model = forward(field=[20.0], furnace_temperature=[300.0])
    current, *temperatures = model.value(model.theta())
    return max(abs(current / (0.03 * 20.0) - 1), *(abs(T / 300 - 1) for T in temperatures))


LIMITS = (
    *(Limit(f"thermistor: {V:g} V heat the middle by {rise:g} K", partial(_thermistor, V, rise), 1e-5)
      for V, rise in ((25.0066, 10.0), (52.0502, 50.0), (67.9209, 100.0))),
    *(Limit(f"Frank-Kamenetskii: a {shape} runs away at delta = {delta:g}",
            partial(_frank_kamenetskii, shape, delta), 3e-6)
      for shape, delta in zip(SHAPES, (0.878458, 2.0, 3.321992), strict=True)),
    Limit("at rest, what heats a rod is lost", partial(_what_heats_is_lost, "along"), 1e-9),
    Limit("... and between electrodes", partial(_what_heats_is_lost, "across"), 1e-9),
    Limit("a weak field leaves the sample as it is", _weak_field, 1e-4),
)  # fmt: skip

SYSTEM = System(
    name="electrochemistry/solid_electrolyte",
    parameters=(*MATERIAL, *THERMAL, CAPACITY),
    outputs=(
        Quantity("conductivity", "S/m", "by impedance", ("temperature",)),
        *(Quantity(name, unit, meaning, ("field", "furnace_temperature")) for name, unit, meaning in (
            ("current_density", "A/m^2", "mean, at rest"),
            ("surface_temperature", "K", "by a pyrometer, at rest"),
            ("middle_temperature", "K", "by a thermocouple inside, at rest"))),
        *(Quantity(name, unit, meaning, ("current", "furnace_temperature")) for name, unit, meaning in (
            ("mean_field", "V/m", "between electrodes, at a current that is held, at rest"),
            ("held_surface_temperature", "K", "of the surface under them"),
            ("held_middle_temperature", "K", "of the middle between them"))),
        *(Quantity(name, unit, meaning, ("time",)) for name, unit, meaning in (
            ("current_density_in_time", "A/m^2", "mean, while the body warms"),
            ("surface_temperature_in_time", "K", "by a pyrometer, while it warms"),
            ("middle_temperature_in_time", "K", "by a thermocouple inside, while it warms"))),
        Quantity("onset_temperature", "K", "of the furnace, where the sample runs away", ("field",)),
        Quantity("critical_field", "V/m", "at which the sample runs away", ("furnace_temperature",)),
    ),
    coordinates=(
        Quantity("temperature", "K", "of the whole sample"),
        Quantity("field", "V/m", "voltage over distance"),
        Quantity("current", "A/m^2", "density that a source holds between electrodes"),
        Quantity("furnace_temperature", "K", "T_0, of furnace or electrodes"),
        Quantity("time", "s", "since the field was switched on"),
    ),
    options=(
        Option("seen", "rest", meaning="what is measured", choices=SEEN),
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
    ),
    smoothness="smooth",
    forward=forward,
    space=space,
    limits=LIMITS,
    examples=({"seen": "conductivity"}, {"seen": "warming"}, {"seen": "held current", "shape": "slab"},
              {"seen": "onset", "field": (700.0,), "nodes": 3, "coldest": 360.0},
              {"supply": "across", "shape": "slab", "field": (500.0,), "furnace_temperature": (300.0,)}),
)  # fmt: skip
