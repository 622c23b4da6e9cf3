"""Features of a limit cycle as a stage: period, extremes, durations, slopes, with their exact derivatives."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Linearization, MatrixLinearization, Named, Stage, Values
from mscale_uq.solve.cycle_events import OnCycle, Reading
from mscale_uq.solve.limit_cycle import Cycle, Section, find_cycle
from mscale_uq.solve.rate import Rate
from mscale_uq.solve.stiff import Tolerances


@final
@dataclass(frozen=True)
class Orbit:
    """Where a limit cycle is looked for.

    Attributes
    ----------
    name
        What failures call it.
    rate
        Its equation.
    section
        Where it starts.
    state, period
        A known cycle at nearby parameters: its state ``(n,)`` on the section, and its period.
    """

    name: str
    rate: Rate
    section: Section
    state: Array
    period: float


@final
class CycleFeatures(Stage):
    """Makes features of the limit cycle of an equation, in the equation's units.

    Parameters
    ----------
    orbit
        Where the cycle is looked for.
    inputs, constants
        Parameters of the equation: those that are read, by name, then numbers. The last number is read by
        levels alone, that of the section and those of `features`.
    features
        Name of every output, in the order in which `read` makes them.
    read
        Returns the features of a cycle.
    tolerances
        Of the integration.
    mesh
        Steps as shares of the period; if None they are chosen anew at every call, and the derivative is that
        of the steps taken. Leapfrog steps along it are still volume-preserving and reversible, so NUTS stays
        exact.
    slope_error
        Of the derivatives where steps are chosen, in relative tolerances.

    Raises
    ------
    Infeasible
        By `value`, if there is no cycle, it is not stable, or it lacks an event that `read` asks for.
    SolveFailed
        By `value`, if the cycle is not found.
    """

    def __init__(
        self,
        orbit: Orbit,
        inputs: Sequence[str],
        constants: Sequence[float],
        features: Sequence[str],
        read: Callable[[OnCycle], Sequence[Reading]],
        tolerances: Tolerances,
        mesh: Array | None = None,
        slope_error: float = 0.0,
    ) -> None:
        self.name, self.inputs, self.outputs = orbit.name, tuple(inputs), tuple(features)
        self.orbit, self.constants, self.read = orbit, tuple(constants), read
        self.tolerances, self.mesh = tolerances, mesh
        self.slope_error = 0.0 if mesh is not None else slope_error * tolerances.relative

    def cycle(self, values: Values) -> Cycle:
        """Return the limit cycle."""
        p = np.array([*(float(values[name]) for name in self.inputs), *self.constants])
        orbit, how = self.orbit, (self.tolerances, self.mesh)
        return find_cycle(orbit.rate, orbit.section, orbit.state, orbit.period, p, *how, name=orbit.name)

    def value(self, values: Values) -> Named:
        """Return every feature."""
        return _values(self._read(values, 0))

    def linearize(self, values: Values) -> tuple[Named, Linearization]:
        """Return every feature and its derivatives."""
        made = self._read(values, len(self.inputs))
        blocks = {
            (output, name): np.asarray(reading.change[column])
            for output, reading in made.items()
            for column, name in enumerate(self.inputs)
        }
        shapes = dict.fromkeys(self.inputs, ()), dict.fromkeys(self.outputs, ())
        return _values(made), MatrixLinearization(blocks, *shapes)

    def _read(self, values: Values, moved: int) -> dict[str, Reading]:
        """Return the features, with their changes with the first `moved` parameters."""
        dp = np.eye(len(self.inputs) + len(self.constants), moved)
        made = self.read(OnCycle(self.cycle(values), dp, self.tolerances, self.name))
        return dict(zip(self.outputs, made, strict=True))


def _values(made: Mapping[str, Reading]) -> Named:
    return {name: np.asarray(reading.value) for name, reading in made.items()}
