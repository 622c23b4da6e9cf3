"""`TrafficDynamics`: a road as a conservation law of vehicles, seen by detectors that count."""

from dataclasses import dataclass
from itertools import pairwise
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from mscale_uq.core.dynamics import Dynamics
from mscale_uq.core.members import member_table
from mscale_uq.core.parameter import Array, Quantity
from mscale_uq.core.stage import Values
from mscale_uq.errors import InputError, SolveFailed, explain
from mscale_uq.solve.equal_steps import equal_steps
from mscale_uq.solve.godunov import FluxLaw, march
from mscale_uq.solve.ledger import Ledger

ALONE = 1e-9  # of the jam density: a car that meets nobody
FREE_SPEED, JAM_DENSITY, HEADWAY, CAPACITY = range(4)  # places of a road's numbers


def demand(density, road):
    """What a cell can send: free flow, up to the capacity."""
    return min(road[FREE_SPEED] * density, road[CAPACITY])


def supply(density, road):
    """What a cell can take: the capacity, down to the congested branch."""
    return min(road[CAPACITY], max((road[JAM_DENSITY] - density) / road[HEADWAY], 0.0))


ROAD = FluxLaw(demand, supply)


@final
@dataclass(frozen=True)
class Incident:
    """From `start` to `stop`, in s, no more than the value ``exit_capacity`` may leave the road."""

    start: float
    stop: float


@final
class TrafficDynamics(Dynamics):
    """Moves the density of vehicles along a road; counts at detectors since the step began.

    Reads ``free_flow_speed``, ``jam_density``, ``queue_headway`` and ``road_capacity``, which a closure
    makes, and ``inflow`` and ``exit_capacity``. The state is ``density`` ``(cells,)``, ``queue`` of those who
    wait at the entrance, and ``passed`` and ``pace`` ``(detectors,)``: vehicles since the last step began,
    that is since the last reading, and the speed that goes with the density. Time steps are as long as
    `fastest` allows, so that they do not change with the parameters.

    Raises
    ------
    InputError
        When made, if a detector lies outside the road.
    SolveFailed
        When run, if a wave is faster than `fastest`, or a step does not conserve.
    """

    random = False

    def __init__(
        self, length: float, cells: int, detectors: ArrayLike, incident: Incident, fastest: float
    ) -> None:
        places = np.atleast_1d(np.asarray(detectors, dtype=float))
        if not ((places >= 0) & (places <= length)).all():
            raise InputError(explain(f"detectors at {places} m", f"places on the road, 0 to {length:g} m"))
        self.name = "traffic"
        self.dx, self.cells, self.fastest, self.incident = length / cells, cells, fastest, incident
        self._faces = places / self.dx
        self._cells = np.clip(self._faces.astype(int), 0, cells - 1)
        self.inputs = ("free_flow_speed", "jam_density", "queue_headway", "road_capacity",
                       "inflow", "exit_capacity")  # fmt: skip
        self.state = (
            Quantity("density", "1/m", "vehicles per length", shape=(cells,)),
            Quantity("queue", "1", "vehicles waiting at the entrance"),
            Quantity("passed", "1", "vehicles since the last reading", shape=places.shape),
            Quantity("pace", "m/s", "speed at the detectors", shape=places.shape),
        )

    def step(
        self, states: Array, start: float, stop: float, values: Values, rng: np.random.Generator
    ) -> Array:
        """Return the states ``(members, n)`` at `stop`."""
        table = member_table(self.inputs, {}, values, len(states))
        return np.array([self._moved(y, start, stop, p)[0] for y, p in zip(states, table, strict=True)])

    def ledgers(self, state: Array, start: float, stop: float, values: Values) -> list[Ledger]:
        """Return the budgets of a step, between the times at which the exit changes."""
        return self._moved(state, start, stop, np.array([float(values[name]) for name in self.inputs]))[1]

    def _moved(self, y: Array, start: float, stop: float, p: Array) -> tuple[Array, list[Ledger]]:
        *road, entering, exit_capacity = p
        if not max(road[FREE_SPEED], 1 / road[HEADWAY]) <= self.fastest:
            reason = f"a wave is faster than {self.fastest:g} m/s, for which the time steps are made"
            raise SolveFailed(self.name, dict(zip(self.inputs, p, strict=True)), reason)
        # A filter may hand back a little less than nothing, or more than fits.
        density, queue = np.clip(y[: self.cells], 0.0, road[JAM_DENSITY]), max(y[self.cells], 0.0)
        passed, ledgers = np.zeros(self.cells + 1), []
        times = [start, *(t for t in (self.incident.start, self.incident.stop) if start < t < stop), stop]
        for begin, end in pairwise(times):
            steps = equal_steps(end - begin, self.dx / self.fastest)
            blocked = self.incident.start <= (begin + end) / 2 < self.incident.stop
            leaving = exit_capacity if blocked else np.inf
            made = march(ROAD, density, np.tile(road, (self.cells, 1)), self.dx, (end - begin) / steps, steps,
                         entering, leaving, queue)  # fmt: skip
            made.ledger.check(self.name)
            density, queue, passed = made.density, made.queue, passed + made.passed
            ledgers.append(made.ledger)
        count = np.interp(self._faces, np.arange(self.cells + 1), passed)
        return np.concatenate([density, [queue], count, self._speeds(density, np.array(road))]), ledgers

    def _speeds(self, density: Array, road: Array) -> Array:
        """Return the speed that goes with the density of each detector's cell."""
        here = np.maximum(density[self._cells], ALONE * road[JAM_DENSITY])
        return np.array([min(demand(rho, road), supply(rho, road)) / rho for rho in here])
