"""One beat of a pacemaker cell as a stage: the limit cycle, and the features that electrophysiologists read.

Every feature is an event on the cycle, found to round-off and differentiated as such.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from mscale_uq.models.physiology._severi2012 import (
    SCALES,
    calcium_slope,
    clock,
    curvature,
    potential,
    rate,
    slope,
)

from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Linearization, MatrixLinearization, Named, Stage, Values
from mscale_uq.errors import Infeasible
from mscale_uq.solve.limit_cycle import Cycle, Section, find_cycle, find_on_cycle
from mscale_uq.solve.rate import Level, Rate
from mscale_uq.solve.stiff import Event, Tolerances

FEATURES = (
    "period",
    "lowest",
    "highest",
    "steepest",
    "duration",
    "diastolic",
    "calcium_least",
    "calcium_most",
)
NO_DRUG = (1.0, 0.0, 0.0, 0.0)
SECTION = -20.0  # mV, rising: at the foot of the upstroke, so that all of a beat lies ahead
V, CA = 29, 26
CELL = Rate(rate)
FALLING, RISING = -1, 1
# Error of a derivative along chosen steps, in relative tolerances: at most 1 was seen at 1e-4, 3 at 1e-3.
SLOPE_ERROR = 3.0
# The published cell on the section, after a minute of beating, in the order of `STATES`; and its period in s.
KNOWN_PERIOD = 0.35498010662240426
KNOWN_STATE = np.array([
    0.15536205886008628, 0.8793696351546875, 7.745339410752218e-05, 0.31885688583970095, 0.806824580338655,
    0.9524976128207352, 0.00040778804556699003, 0.4170516483278729, 0.03353282732579579,
    0.054009782298267514, 0.4739717890522952, 0.44034059379252233, 0.009571860500953065,
    0.002610457222364656, 0.7076665185014135, 0.9331676176226747, 1.1028236172866017e-06,
    2.248938803045501e-07, 0.023083619102945534, 0.26283259185349367, 0.651340441575757,
    0.04831386885896887, 0.177318739797772, 0.27828553735614653, 0.30755986652236816, 1.0345704186135571,
    0.00013742707037656314, 7.4863330948917195, 0.0007355649985480748, -20.0,
])  # fmt: skip


@final
@dataclass(frozen=True)
class Found:
    """An event on a cycle: its time and state, with their changes if the changes of the cycle are known."""

    event: Event
    dt: Array
    dy: Array

    @property
    def time(self) -> float:
        """When, since the start of the cycle, in s."""
        return self.event.time


@final
class Beat(Stage):
    """Makes the features of the beat, in the units of the published equations (mV, s, mM).

    Parameters
    ----------
    tolerances
        Of the integration.
    mesh
        Steps as shares of the period; if None they are chosen anew at every call, and the derivative is that
        of the steps taken. Leapfrog steps along it are still volume-preserving and reversible, so NUTS stays
        exact.
    drugs
        Values of `DRUGS`.
    prefix
        Before the features' names.

    Raises
    ------
    Infeasible
        By `value`, if the cell is quiescent, its beat unstable, or its diastole shorter than 100 ms.
    """

    name = "beat"
    inputs = SCALES

    def __init__(
        self,
        tolerances: Tolerances,
        mesh: Array | None = None,
        drugs: tuple[float, ...] = NO_DRUG,
        prefix: str = "",
    ) -> None:
        self.tolerances, self.mesh, self.drugs = tolerances, mesh, drugs
        self.slope_error = 0.0 if mesh is not None else SLOPE_ERROR * tolerances.relative
        self.outputs = tuple(f"{prefix}{feature}" for feature in FEATURES)

    @property
    def size(self) -> int:
        """Number of the equations' parameters: scales, drugs, and the one that levels read."""
        return len(self.inputs) + len(self.drugs) + 1

    def cycle(self, values: Values) -> Cycle:
        """Return the limit cycle of the cell."""
        p = np.array([*(float(values[name]) for name in self.inputs), *self.drugs, SECTION])
        section = Section(Level(potential, RISING), V)
        known = (KNOWN_STATE, KNOWN_PERIOD)
        return find_cycle(CELL, section, *known, p, self.tolerances, self.mesh, name=self.name)

    def value(self, values: Values) -> Named:
        """Return every feature."""
        features = Features(self.cycle(values), np.zeros((self.size, 0)), self.tolerances)
        return {name: np.asarray(made[0]) for name, made in zip(self.outputs, features.all(), strict=True)}

    def linearize(self, values: Values) -> tuple[Named, Linearization]:
        """Return every feature and its derivatives."""
        count = len(self.inputs)
        made = Features(self.cycle(values), np.eye(self.size, count), self.tolerances).all()
        blocks = {
            (output, name): np.asarray(change[column])
            for output, (_, change) in zip(self.outputs, made, strict=True)
            for column, name in enumerate(self.inputs)
        }
        shapes = dict.fromkeys(self.inputs, ()), dict.fromkeys(self.outputs, ())
        named = {name: np.asarray(value) for name, (value, _) in zip(self.outputs, made, strict=True)}
        return named, MatrixLinearization(blocks, *shapes)


@final
@dataclass(frozen=True)
class Features:
    """The features of one cycle, with their changes for k changes dp ``(m, k)`` of the parameters."""

    cycle: Cycle
    dp: Array
    tolerances: Tolerances

    @cached_property
    def moves(self) -> tuple[Array, Array]:
        """Changes of the states at the steps ``(N+1, n, k)`` and of the period ``(k,)``."""
        n, k = self.cycle.path.states.shape[1], self.dp.shape[1]
        if k == 0:
            return np.zeros((len(self.cycle.path.times), n, 0)), np.zeros(0)
        return self.cycle.tangents(self.dp)

    def all(self) -> list[tuple[float, Array]]:
        """Return value and changes of each of `FEATURES`."""
        lowest = self.extreme(slope, RISING, V, low=True)
        highest = self.extreme(slope, FALLING, V)
        upstroke = self.steepest()
        half = self.crossing(highest, lowest)
        later = self.at(lowest.time + 0.1, lowest.dt)
        calcium = [self.extreme(calcium_slope, way, CA, low=way == RISING) for way in (RISING, FALLING)]
        V_low, dV_low = _state(lowest, V)
        V_later, dV_later = _state(later, V)
        return [
            (self.cycle.period, self.moves[1]),
            (V_low, dV_low),
            _state(highest, V),
            self.speed(upstroke),
            (half.time - upstroke.time, half.dt - upstroke.dt),
            ((V_later - V_low) / 0.1, (dV_later - dV_low) / 0.1),
            *(_state(found, CA) for found in calcium),
        ]

    def extreme(self, level, direction: int, variable: int, low: bool = False) -> Found:
        """Return the lowest or highest of the events at which a variable turns."""
        events = self.events(level, direction)
        pick = min if low else max
        return self.found(pick(events, key=lambda event: event.state[variable]))

    def steepest(self) -> Found:
        """Return the event at which the potential rises fastest."""
        events = self.events(curvature, FALLING)
        return self.found(max(events, key=lambda event: slope(0.0, event.state, event.path.parameters)))

    def speed(self, found: Found) -> tuple[float, Array]:
        """Return dV/dt at an event, and its changes."""
        level, p = Level(slope), found.event.path.parameters
        to_state, to_parameters, _ = level.slopes(0.0, found.event.state, p)
        return level.at(0.0, found.event.state, p), to_state @ found.dy + to_parameters @ self.dp

    def crossing(self, highest: Found, lowest: Found) -> Found:
        """Return where the potential has fallen half way from its highest to its lowest value."""
        (high, d_high), (low, d_low) = _state(highest, V), _state(lowest, V)
        events = self.events(potential, FALLING, (high + low) / 2)
        return self.found(events[0], (d_high + d_low) / 2)

    def at(self, time: float, dt: Array) -> Found:
        """Return the cycle at a time, which moves by dt."""
        if time >= self.cycle.period:
            raise Infeasible("beat", {}, "the next upstroke comes within 100 ms of the lowest potential")
        return self.found(self.events(clock, RISING, time)[0], dt)

    def events(self, level, direction: int, value: float = 0.0) -> list[Event]:
        """Return the events of a level, which may read `value` as the last parameter."""
        p = np.append(self.cycle.path.parameters[:-1], value)
        events = find_on_cycle(self.cycle, Level(level, direction), self.tolerances, p)
        if not events:
            raise Infeasible("beat", {}, f"the beat has no event {level.__name__!r}")
        return events

    def found(self, event: Event, d_value: Array | None = None) -> Found:
        """Return the event with its changes, for a change of the last parameter too."""
        states, dT = self.moves
        dp = self.dp.copy()
        dp[-1] = 0.0 if d_value is None else d_value
        step = len(event.path.stages)
        dt = event.path.times[-1] / self.cycle.period * dT
        return Found(event, *event.tangents_from(states[step], dp, dt))


def _state(found: Found, variable: int) -> tuple[float, Array]:
    return float(found.event.state[variable]), found.dy[variable]


def known_mesh(tolerances: Tolerances) -> Array:
    """Return the steps that suit the published cell without drugs, as shares of the period."""
    cycle = Beat(tolerances).cycle(dict.fromkeys(SCALES, np.array(1.0)))
    return cycle.path.times / cycle.period
