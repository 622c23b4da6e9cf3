"""Ordinary differential equations as dynamics, for filters and rollouts."""

from collections.abc import Mapping
from typing import final

import numpy as np

from mscale_uq.core.dynamics import Dynamics
from mscale_uq.core.members import member_table
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import MatrixLinearization, Values
from mscale_uq.macro.ode import Ode


@final
class OdeDynamics(Dynamics):
    """An equation for filters and rollouts: every member is integrated on its own.

    `spread` names, for some state variables, the value that holds the variance their state gains in a unit
    of time (model error, unit^2/time); a filter adds it to the covariance, a rollout does not.
    """

    def __init__(self, ode: Ode, spread: Mapping[str, str] | None = None) -> None:
        self.ode = ode
        self.name = ode.name
        self.state = ode.state
        self._spread = dict(spread or {})
        self.inputs = (*ode.parameters, *dict.fromkeys(self._spread.values()))

    def step(
        self, states: Array, start: float, stop: float, values: Values, rng: np.random.Generator
    ) -> Array:
        """Return the states ``(members, n)`` at `stop`."""
        table = self._table(values, len(states))
        return np.array(
            [self.ode.path(y, p, start, [stop]).at_stops[-1] for y, p in zip(states, table, strict=True)]
        )

    def linearize_step(
        self, state: Array, start: float, stop: float, values: Values
    ) -> tuple[Array, MatrixLinearization]:
        """Return the state ``(n,)`` at `stop` and its derivative to state and parameters."""
        ode, p = self.ode, self.ode.vector(values)
        path = ode.path(state, p, start, [stop])
        path.check_analytic()
        n, m = state.size, p.size - len(ode.constants)
        changes = path.tangents(np.eye(n, n + m), np.eye(p.size, n + m, n))[-1]
        blocks, first = {("state", "state"): changes[:, :n]}, n
        for name in ode.parameters:
            size = int(np.size(values[name]))
            blocks["state", name] = changes[:, first : first + size].reshape(n, *np.shape(values[name]))
            first += size
        shapes = {"state": (n,), **{name: np.shape(values[name]) for name in self.inputs}}
        return path.at_stops[-1], MatrixLinearization(blocks, shapes, {"state": (n,)})

    def noise(self, start: float, stop: float, values: Values) -> Array:
        """Return the diagonal covariance gained from `start` to `stop`."""
        gained = {
            variable.name: np.broadcast_to(
                values[self._spread[variable.name]] if variable.name in self._spread else 0.0, variable.shape
            )
            for variable in self.state
        }
        return np.diag(self.pack(gained)) * (stop - start)

    def _table(self, values: Values, members: int) -> Array:
        """Return p of every member ``(members, m)``."""
        ode = self.ode
        own = member_table(ode.parameters, ode.shapes, values, members)
        return np.hstack([own, np.broadcast_to(ode.constants, (members, len(ode.constants)))])
