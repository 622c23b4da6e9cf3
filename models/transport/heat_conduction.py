"""Heat conduction in a filled polymer: a heater warms a plate, thermocouples and a cold plate see the result.

The filler's and the matrix' conductivities enter only through the effective tensor, so that one specimen
fixes one combination of them; specimens of different filler fraction tell them apart.

Cell      -div(k (e_j + grad chi_j)) = 0, periodic, around a square array of filler rods of area fraction f;
          K_ij = mean of (e_i + grad chi_i) . k (e_j + grad chi_j); heat capacities add up by volume
Macro     (rho c)_eff dT/dt - div(K grad T) = heater, on the cross-section of a plate; T = T_cold on the left,
          h (T_ambient - T) flows in through the other sides; steady, or from a uniform temperature in time
Observed  temperature(x, y) or temperature(time, x, y); in steady state also the heat drawn from the cold side
Limit     K of disks at f = 0.5 and contrast 10: 2.415467 k_m; heat is conserved; equal phases: K = k

Source: W. T. Perrins, D. R. McKenzie, R. C. McPhedran, Transport properties of regular arrays of cylinders,
Proc. R. Soc. Lond. A 369 (1979) 207-225, doi:10.1098/rspa.1979.0160.
"""

from functools import partial

import numpy as np
from skfem import Basis, ElementQuad1

from mscale_uq.cell.conduction import PeriodicConduction
from mscale_uq.cell.inclusions import DiskShare
from mscale_uq.cell.mixture import PhaseMixture
from mscale_uq.core.formula import Formula
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.known import known, off
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.options import takes
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.core.places import Places
from mscale_uq.core.statespace import StateSpace
from mscale_uq.core.system import Limit, Option, Scale, System
from mscale_uq.errors import ParameterError, explain
from mscale_uq.macro.boundary import Dirichlet, Robin, Source
from mscale_uq.macro.coefficient import Coefficient
from mscale_uq.macro.diffusion import DiffusionProblem
from mscale_uq.macro.heater import Heater
from mscale_uq.macro.mesh import aligned_nodes, tensor_mesh
from mscale_uq.macro.steady import SteadyDiffusion
from mscale_uq.macro.transient import TransientDiffusion
from mscale_uq.observe.laws import Gaussian
from mscale_uq.observe.rows import Rows, grid_of
from mscale_uq.observe.sensors import PointSensors

TOUCHING = np.pi / 4  # rods of a square array touch
STEADY = (
    Parameter("matrix_conductivity", "W/(m K)", 0.2, lower=0, meaning="of the polymer"),
    Parameter("filler_conductivity", "W/(m K)", 4.0, lower=0, meaning="of the filler rods"),
    Parameter("filler_fraction", "1", 0.4, lower=0, upper=TOUCHING, meaning="area share of the rods"),
    Parameter("heat_transfer", "W/(m^2 K)", 10.0, lower=0, meaning="from the free sides to the air"),
    Parameter("heater_power", "W/m", 50.0, lower=0, meaning="of the heater, per depth of the plate"),
    Parameter("cold_temperature", "K", 290.0, lower=0, meaning="of the cold plate on the left"),
    Parameter("ambient_temperature", "K", 295.0, lower=0, meaning="of the air around"),
)
IN_TIME = (
    Parameter("matrix_heat_capacity", "J/(m^3 K)", 1.8e6, lower=0, meaning="of the polymer, per volume"),
    Parameter("filler_heat_capacity", "J/(m^3 K)", 2.4e6, lower=0, meaning="of the filler, per volume"),
)
OPTIONS = (
    Option("mode", "steady", meaning="read after a long time, or in time", choices=("steady", "transient")),
    Option("side", 0.04, "m", "of the plate's square cross-section", lower=0),
    Option("cell_elements", 32, "1", "along the side of the periodic cell", lower=3),
    Option("elements", 24, "1", "along the side of the plate", lower=3),
    Option("max_step", 20.0, "s", "longest time step", lower=0),
    Option("accuracy", "reference", meaning="of the cell: exact to round-off, or as much as sampling needs",
           choices=("reference", "sampling")),
)  # fmt: skip
HEATER_X, HEATER_Y = (0.60, 0.85), (0.35, 0.65)  # the heater's place, as shares of the side
# Thermocouples of the default layout, in m.
X = tuple(0.04 * np.repeat([0.15, 0.4, 0.7, 0.95], 3))
Y = tuple(0.04 * np.tile([0.1, 0.5, 0.8], 4))


def mean_capacity(filler_fraction, filler_heat_capacity, matrix_heat_capacity):
    """Volume average, whatever the geometry."""
    return filler_fraction * filler_heat_capacity + (1 - filler_fraction) * matrix_heat_capacity


def drawn(cold_side_inflow):
    """What flows out of the plate is what the cold side draws."""
    return -cold_side_inflow


def cell(elements, accuracy):
    """Return the stages from phases to the effective tensor."""
    shape = (elements, elements)
    return [
        DiskShare(shape, fraction="filler_fraction"),
        PhaseMixture(inclusion="filler_conductivity", matrix="matrix_conductivity"),
        PeriodicConduction(shape, conductivity="k", tensor="K_eff", accuracy=accuracy),
    ]


def at_first(ambient_temperature):
    """The plate starts at the temperature of the air."""
    return 1.0 * ambient_temperature


def plate(basis, side, storage=None):
    """Return the heat equation on the plate's cross-section."""
    air = Robin("heat_transfer", "ambient_temperature")
    return DiffusionProblem(
        basis,
        conductivity=Coefficient("K_eff", "tensor"),
        storage=storage,
        sources=Source("heater_power", Heater(*(side * np.array([HEATER_X, HEATER_Y]).T))),
        boundaries={"left": Dirichlet("cold_temperature"), "right": air, "bottom": air, "top": air},
        fluxes={"cold_side_inflow": "left"},
        name="heat in the plate",
    )


def mesh_of(side, elements):
    """Return the basis of bilinear elements, with edges along the heater's."""
    x, y = (aligned_nodes([0.0, a * side, b * side, side], elements) for a, b in (HEATER_X, HEATER_Y))
    return Basis(tensor_mesh(x, y), ElementQuad1())


@takes(OPTIONS)
def space(o, x=X, y=Y, *, thermocouple_sd=0.2, reading="temperature"):
    """Return the plate in time, its `reading` seen by thermocouples at the points (x, y) in m."""
    basis, points = mesh_of(o.side, o.elements), np.stack([x, y], axis=1)
    sensors = PointSensors(basis, points, field="T", output=reading)
    heat = plate(basis, o.side, storage="heat_capacity")
    return StateSpace(
        [
            *cell(o.cell_elements, o.accuracy),
            Formula(mean_capacity, "heat_capacity"),
            Formula(at_first, "T_initial"),
        ],
        TransientDiffusion(heat, o.max_step, field="T", unit="K"),
        {"thermocouples": ObservationOperator(reading, Gaussian(thermocouple_sd), sensors)},
        (*STEADY, *IN_TIME),
        places=Places({"T": basis.doflocs.T}, {"thermocouples": points}, "m"),
    )


def steady(o, x, y):
    """Return the plate after a long time, and the heat drawn from its cold side."""
    basis = mesh_of(o.side, o.elements)
    sensors = PointSensors(basis, np.stack([x, y], axis=1), field="T", output="temperature")
    stages = [*cell(o.cell_elements, o.accuracy), SteadyDiffusion(plate(basis, o.side), field="T"), sensors]
    return ForwardModel([*stages, Formula(drawn, "cooling_power")], STEADY, ["temperature", "cooling_power"])


@takes(OPTIONS)
def forward(o, x=X, y=Y, time=None):
    """Return the model for thermocouples at (x, y) in m, one reading a row; with `time` in s if in time."""
    columns = {"x": x, "y": y} | ({} if time is None else {"time": time})
    if len({len(column) for column in columns.values()}) > 1:
        given = ", ".join(f"{len(column)} of {name}" for name, column in columns.items())
        raise ParameterError(explain(f"heat_conduction: {given}", "one x, y (and time) for each reading"))
    if (o.mode == "steady") != (time is None):
        given = "readings with a time" if o.mode == "steady" else "readings without a time"
        allowed = "mode 'steady' for readings of x and y, mode 'transient' for readings of time, x and y"
        raise ParameterError(explain(f"heat_conduction: {given} in mode {o.mode!r}", allowed))
    if o.mode == "steady":
        return steady(o, x, y)
    times, at_time = grid_of({"time": time})
    points, at_point = grid_of({"x": x, "y": y})
    path = space(*points.T, reading="thermocouples", **vars(o)).forward(times[:, 0])
    return path.then([Rows(at_time, at_point, "thermocouples", "temperature")], ["temperature"])


def _one_phase():
    """Largest deviation of the tensor from the one conductivity of both phases."""
    return np.abs(known(forward, filler_conductivity=0.2)["K_eff"] - 0.2 * np.eye(2)).max() / 0.2


def _published(fraction, exact):
    """Deviation from the published conductivity of a square array at contrast 10."""
    made = known(forward, cell_elements=64, matrix_conductivity=0.4, filler_fraction=fraction)
    return abs(made["K_eff"][0, 0] / 0.4 / exact - 1)


LIMITS = (
    Limit("without loss to the air, the cold side draws all the heater's power",
          partial(off, forward, "cooling_power", 50.0, heat_transfer=1e-9), 1e-9),
    Limit("a filler like the matrix changes nothing", _one_phase, 1e-12),
    *(Limit(f"rods at f = {f:g} and contrast 10 conduct {exact:.6f} times as well",
            partial(_published, f, exact), 3e-3) for f, exact in ((0.5, 2.415467), (0.3, 1.652036))),
)  # fmt: skip

SYSTEM = System(
    name="transport/heat_conduction",
    parameters=(*STEADY, *IN_TIME),
    outputs=(
        Quantity("temperature", "K", "of the thermocouple", ("x", "y", "time"), lower=0.0),
        Quantity("cooling_power", "W/m", "heat drawn from the cold side, per depth"),
    ),
    coordinates=(
        Quantity("x", "m", "from the cold side"),
        Quantity("y", "m", "from the bottom"),
        Quantity("time", "s", "since the heater was switched on; in steady state not needed"),
    ),
    options=OPTIONS,
    effective=(Quantity("K_eff", "W/(m K)", "effective conductivity of the filled polymer"),),
    smoothness="smooth",
    forward=forward,
    space=space,
    limits=LIMITS,
    examples=({"mode": "transient", "time": (60.0,) * 6 + (600.0,) * 6},),
    scale=Scale("matrix_conductivity", "K_eff", along=("filler_conductivity",)),
)
