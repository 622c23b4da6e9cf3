"""The time at which an ordinary differential equation reaches something, as a stage."""

from collections.abc import Collection
from copy import copy
from typing import final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Linearization, MatrixLinearization, Named, Stage, Values
from mscale_uq.errors import InputError, explain
from mscale_uq.macro.ode import Ode
from mscale_uq.solve.rate import Level
from mscale_uq.solve.stiff import Event, find_event


@final
class OdeEvent(Stage):
    """Integrates until a level passes zero: makes ``<event>`` (the time) and ``<variable>_at_<event>``.

    For systems that read when something first happens: a substrate that is used up, a culture that is grown.
    No shipped system does. Events on a limit cycle, such as those of a heart beat, come again and again and
    move with the period: `solve.limit_cycle` finds them by the same search.

    Parameters
    ----------
    ode
        The equation.
    event
        Name of the event's time.
    level
        When the event is; see `Level`.
    latest
        The event must come before this time.

    Raises
    ------
    Infeasible
        By `value`, if the event has not come by `latest`.
    """

    def __init__(self, ode: Ode, event: str, level: Level, latest: float, start: float = 0.0) -> None:
        if not latest > start:
            raise InputError(explain(f"{event}: latest = {latest:g}", f"a time after {start:g}"))
        if ode.doses.times:
            raise InputError(explain(f"{event}: an equation with doses", "an equation without"))
        self.ode, self.level = ode, level
        self.start, self.latest = float(start), float(latest)
        self.name = f"{event} of {ode.name}"
        self.inputs = ode.inputs
        self.outputs = (event, *(f"{variable.name}_at_{event}" for variable in ode.state))
        self._moved = self.inputs

    def moved_by(self, names: Collection[str]) -> "OdeEvent":
        """Return the event with the derivatives to these inputs alone; each of their numbers is a column."""
        here = copy(self)
        here._moved = tuple(name for name in self.inputs if name in names)
        return here

    def value(self, values: Values) -> Named:
        """Return the event's time and the state there."""
        found = self._find(values)
        return self._named(found.time, found.state)

    def linearize(self, values: Values) -> tuple[Named, Linearization]:
        """Return time and state of the event and their derivatives."""
        found, ode = self._find(values), self.ode
        found.path.check_analytic()
        dt, dy = found.tangents(*ode.seeds(values, self._moved))
        made = self._named(found.time, found.state)
        time = self.outputs[0]
        blocks, first = {}, 0
        for name in self._moved:
            size = int(np.size(values[name]))
            blocks[time, name] = dt[first : first + size].reshape(np.shape(values[name]))
            first += size
        for (variable, name), block in ode.blocks(dy, values, self._moved).items():
            blocks[f"{variable}_at_{time}", name] = block
        shapes = {name: np.shape(values[name]) for name in self._moved}
        outputs = {name: np.shape(array) for name, array in made.items()}
        return made, MatrixLinearization(blocks, shapes, outputs)

    def _find(self, values: Values) -> Event:
        ode = self.ode
        return find_event(
            ode.rate,
            self.level,
            ode.start(values),
            ode.vector(values),
            self.start,
            self.latest,
            ode.tolerances,
            ode.name,
        )

    def _named(self, time: float, state: Array) -> Named:
        named = self.ode.split(state).values()
        return dict(zip(self.outputs, [np.asarray(time), *named], strict=True))
