"""`RadialDynamics`: several bodies under one drive, as dynamics for filters and rollouts."""

from collections.abc import Sequence
from typing import final

import numpy as np

from mscale_uq.core.dynamics import Dynamics
from mscale_uq.core.members import member_values
from mscale_uq.core.parameter import Array, Quantity
from mscale_uq.core.stage import Linearization, MatrixLinearization, Values
from mscale_uq.macro.radial import Moves, Radial


@final
class RadialDynamics(Dynamics):
    """The state is, for each body, ``<name>`` ``(cells,)`` and ``<name>_surface``, then the drive.

    What the surface and the drive were before a step does not matter: the step makes them, so that a reading
    finds them in the state. The surface is that of the drive up to the end of the step, the drive is that
    from there on.

    Parameters
    ----------
    bodies
        What diffuses; all under the same drive.
    drive, unit
        Name and unit of the drive in the state.
    units
        Of what diffuses in each body; ``"1"`` if not given.
    """

    random = False

    def __init__(
        self, bodies: Sequence[Radial], drive: str, unit: str, units: Sequence[str] | None = None
    ) -> None:
        self.bodies = tuple(bodies)
        self.name = " and ".join(body.name for body in self.bodies)
        self.inputs = tuple(dict.fromkeys(name for body in self.bodies for name in body.inputs))
        state: list[Quantity] = []
        for body, own in zip(self.bodies, units or ["1"] * len(self.bodies), strict=True):
            state.append(Quantity(body.name, own, "in the cells", shape=(sum(body.mesh.cells),)))
            state.append(Quantity(f"{body.name}_surface", own, "at the surface"))
        self.state = (*state, Quantity(drive, unit, "from now on"))

    def step(
        self, states: Array, start: float, stop: float, values: Values, rng: np.random.Generator
    ) -> Array:
        """Return the states ``(members, n)`` at `stop`."""
        each = member_values(self._axes, values, len(states))
        return np.array([self._moved(y, start, stop, own)[0] for y, own in zip(states, each, strict=True)])

    def linearize_step(
        self, state: Array, start: float, stop: float, values: Values
    ) -> tuple[Array, Linearization]:
        """Return the state ``(n,)`` at `stop` and its derivative to state and values."""
        made, by_state, blocks = self._moved(state, start, stop, values, derivative=True)
        shapes = {"state": state.shape, **{name: np.shape(values[name]) for name in self.inputs}}
        return made, MatrixLinearization(
            {("state", "state"): by_state, **blocks}, shapes, {"state": made.shape}
        )

    def _moved(
        self, state: Array, start: float, stop: float, values: Values, *, derivative: bool = False
    ) -> tuple[Array, Array, dict[tuple[str, str], Array]]:
        made, by_state, first = np.empty_like(state), np.zeros((state.size, state.size)), 0
        blocks = {("state", name): np.zeros((state.size, *np.shape(values[name]))) for name in self.inputs}
        for body in self.bodies:
            last = first + sum(body.mesh.cells)
            c, slopes = _stepped(body, state[first:last], start, stop, values, derivative)
            made[first : last + 1] = c
            if derivative:
                by_state[first : last + 1, first:last] = slopes[: last - first].T
                row = last - first
                for name in body.inputs:
                    shape = np.shape(values[name])
                    size = int(np.prod(shape))
                    block = slopes[row : row + size].T.reshape(-1, *shape)
                    blocks["state", name][first : last + 1] += block
                    row += size
            first = last + 1
        made[-1] = self.bodies[0].drive.at(stop)
        return made, by_state, blocks

    @property
    def _axes(self) -> dict[str, int]:
        """How many axes each value has: what differs from layer to layer has one."""
        axes = {name: 0 for body in self.bodies for name in body.law.names}
        for body in self.bodies:
            layered = int(len(body.mesh.cells) > 1)
            axes |= dict.fromkeys((body.capacity, body.transport, body.source), layered)
        return {name: axes[name] for name in self.inputs}


def _stepped(
    body: Radial, c: Array, start: float, stop: float, values: Values, derivative: bool
) -> tuple[Array, Array]:
    """Return cells and surface ``(cells + 1,)``, and their slopes to the cells before and to the inputs."""
    physics, own = body.physics(values), c.size if derivative else 0
    rest = len(physics.moved[0]) if derivative else 0
    moved: Moves = tuple(np.vstack([np.zeros((own, part.shape[1])), part[:rest]]) for part in physics.moved)
    run = body.run(c, body.legs(start, [stop]), physics, np.eye(own + rest, c.size), moved)
    return np.append(run.c[-1], run.surface[-1]), np.column_stack([run.dc[-1], run.d_surface[-1]])
