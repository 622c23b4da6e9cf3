"""Traffic on a road that is blocked for a while: car following says how far the queue grows.

In free flow, counts and speeds show the free speed alone; how close drivers follow is seen where a queue
passes. Detector series jump where a queue arrives, at a time that depends on the parameters, so that the
model is only piecewise smooth and is sampled without gradients.

Cell      spacing s = ell + tau v up to the free speed; drivers that differ share a speed, a road that differs
          shares a flux: rho(q) = <1/ell> - q <tau/ell>, below the least capacity of its stretches
Macro     d rho/dt + d f(rho)/dx = 0, Godunov by demand and supply; an incident limits the exit
Observed  count(time, x) since the last reading, speed(time, x)
Limits    free speed 30 m/s, ell = 7 m, tau = 1.4 s: capacity 2204.08 veh/h at 20.408 veh/km, jam
          142.857 veh/km, wave -18 km/h; no vehicle is lost

Source: M. J. Lighthill, G. B. Whitham, On kinematic waves II. A theory of traffic flow on long crowded
roads, Proc. R. Soc. Lond. A 229 (1955) 317-345, doi:10.1098/rspa.1955.0089.
"""

from functools import partial

import numpy as np

from mscale_uq.cell.car_following import drivers_differ, road_differs
from mscale_uq.core.formula import Formula
from mscale_uq.core.known import off
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.options import takes
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.core.places import Places
from mscale_uq.core.statespace import StateSpace
from mscale_uq.core.system import Limit, Option, System
from mscale_uq.macro.traffic import Incident, TrafficDynamics
from mscale_uq.observe.counts import NegativeBinomial
from mscale_uq.observe.laws import Gaussian
from mscale_uq.observe.rows import Rows, grid_of

PARAMETERS = (
    Parameter("headway", "s", 1.4, lower=0, meaning="tau, time by which a driver follows, mean of all"),
    Parameter("spacing", "m", 7.0, lower=0, meaning="ell, length of a vehicle and the gap behind it at rest"),
    Parameter("free_speed", "m/s", 30.0, lower=0, meaning="on an empty road"),
    Parameter("headway_contrast", "1", 0.0, lower=-1, upper=1, meaning="spread of tau over its mean"),
    Parameter("inflow", "1/s", 0.5, lower=0, meaning="vehicles that want to enter the road"),
    Parameter("exit_capacity", "1/s", 0.25, lower=0, meaning="vehicles that pass the incident at most"),
)
ROAD = ("free_flow_speed", "jam_density", "queue_headway", "road_capacity")
CLOSURES = {"drivers": drivers_differ, "road": road_differs}
OPTIONS = (
    Option("closure", "drivers", meaning="what differs in following", choices=tuple(CLOSURES)),
    Option("length", 3000.0, "m", "of the road", lower=0),
    Option("cells", 60, "1", "along the road", lower=1),
    Option("incident_start", 300.0, "s", "when the exit is narrowed"),
    Option("incident_stop", 1200.0, "s", "when it is free again"),
    Option("fastest", 45.0, "m/s", "no wave is faster; sets the time steps", lower=0),
)  # fmt: skip
TIME, X = (tuple(grid.ravel()) for grid in np.meshgrid(
    np.arange(120.0, 2401.0, 120.0), [500.0, 1500.0, 2500.0], indexing="ij"))  # fmt: skip


def at_first(inflow, free_speed):
    """The road carries the inflow freely."""
    return inflow / free_speed


def counted(passed):
    """A detector counts all who pass."""
    return 1.0 * passed


def gone(pace):
    """... and how fast they go."""
    return 1.0 * pace


@takes(OPTIONS)
def space(o, x=(500.0, 1500.0, 2500.0), *, speed_sd=1.5, suffix=""):
    """Return the road in time, seen by detectors at x in m; `suffix` of the names of what they read."""
    incident = Incident(o.incident_start, o.incident_stop)
    dynamics = TrafficDynamics(o.length, o.cells, x, incident, o.fastest)
    count, speed = f"count{suffix}", f"speed{suffix}"
    sources = {
        "counts": ObservationOperator(count, NegativeBinomial(0.0), Formula(counted, count)),
        "speeds": ObservationOperator(speed, Gaussian(speed_sd), Formula(gone, speed)),
    }
    zero = {f"{name}_initial": 0.0 for name in ("queue", "passed", "pace")}
    centres = (np.arange(o.cells)[:, None] + 0.5) * o.length / o.cells
    seen = np.reshape(x, (-1, 1))
    states = {"density": centres, "queue": np.zeros((1, 1)), "passed": seen, "pace": seen}
    places = Places(states, {"counts": seen, "speeds": seen}, "m")
    stages = [Formula(CLOSURES[o.closure], ROAD), Formula(at_first, "density_initial")]
    return StateSpace(stages, dynamics, sources, PARAMETERS, zero, places=places)


@takes(OPTIONS)
def forward(o, time=TIME, x=X):
    """Return the model of detectors at x in m, read at `time` in s, one reading a row."""
    times, at_time = grid_of({"time": time})
    points, at_point = grid_of({"x": x})
    road = space(points[:, 0], suffix="_series", **vars(o))
    rows = [Rows(at_time, at_point, f"{name}_series", name) for name in ("count", "speed")]
    return road.forward(times[:, 0]).then(rows, ["count", "speed"])


def _nobody_is_lost():
    """Largest imbalance of vehicles in any step of the default run."""
    here = space()
    values = here.prepare({p.name: p.default for p in PARAMETERS})
    state = here.initial(values)[0]
    return max(ledger.defect for ledger in here.dynamics.ledgers(state, 0.0, 2400.0, values))


LIMITS = (
    Limit("capacity is 2204.08 veh/h", partial(off, forward, "road_capacity", 2204.08 / 3600), 3e-6),
    Limit("critical density is 20.408 veh/km, a free speed of 30 m/s below it",
          partial(off, forward, "road_capacity", 0.020408 * 30.0), 3e-5),
    Limit("jam density is 142.857 veh/km", partial(off, forward, "jam_density", 0.142857), 3e-6),
    Limit("jams travel backwards at 18 km/h", partial(off, forward, "queue_headway", 3.6 / 18.0), 1e-12),
    Limit("no vehicle is lost", _nobody_is_lost, 1e-12),
)  # fmt: skip

SYSTEM = System(
    name="transport/traffic_flow",
    parameters=PARAMETERS,
    outputs=(
        Quantity("count", "1", "vehicles since the last reading", ("time", "x")),
        Quantity("speed", "m/s", "of the vehicles at the detector", ("time", "x")),
    ),
    coordinates=(
        Quantity("time", "s", "at the end of the count; counts begin at the reading before"),
        Quantity("x", "m", "of the detector, from the entrance"),
    ),
    options=OPTIONS,
    effective=(
        Quantity("road_capacity", "1/s", "largest flow"),
        Quantity("jam_density", "1/m", "of standing vehicles"),
    ),
    smoothness="piecewise",
    forward=forward,
    space=space,
    limits=LIMITS,
    examples=({"closure": "road"},),
)
