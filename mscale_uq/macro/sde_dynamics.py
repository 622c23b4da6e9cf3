"""Ordinary differential equations that chance drives with the state, as dynamics for filters."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import final

import numpy as np

from mscale_uq.core.dynamics import WITHOUT_CHANCE, Dynamics
from mscale_uq.core.members import member_table
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Linearization, MatrixLinearization, Values
from mscale_uq.errors import InputError, explain
from mscale_uq.macro.ode import Ode
from mscale_uq.macro.ode_dynamics import OdeDynamics
from mscale_uq.solve.equal_steps import equal_steps
from mscale_uq.solve.rate import Rate


@final
@dataclass(frozen=True)
class Chance:
    """How strongly chance drives each state variable, as the state says.

    Attributes
    ----------
    function
        Fills g ``(n,)``, as ``function(t, y, p, g)`` written like a right-hand side, see `Rate`; g is in the
        unit of the state over the root of time.
    parameters
        Names of the scalars that p is made of.
    longest
        Of the pieces into which a step is cut. Their error falls with its square if what g reads is not
        driven by chance itself, else with its first power.
    """

    function: Callable[..., None]
    parameters: tuple[str, ...]
    longest: float

    def __post_init__(self) -> None:
        if not self.longest > 0:
            raise InputError(explain(f"pieces of {self.longest:g}", "a time above zero"))


@final
class SdeDynamics(Dynamics):
    """dy = f(t, y) dt + diag(g(t, y)) dW, W independent Wiener processes.

    Ensembles and particles step with random numbers: half of a piece's noise, its path, the other half. The
    filters that know mean and covariance take the mean path and, from `noise_at`, the covariance that the
    linearised equation gains along it. There is no `noise`, which would not depend on the state.

    Source of the splitting: A. Alamo, J. M. Sanz-Serna, Word combinatorics for stochastic differential
    equations: splitting integrators, arXiv:1804.09974.
    """

    def __init__(self, ode: Ode, chance: Chance) -> None:
        self.ode, self.chance = ode, chance
        self.name, self.state = ode.name, ode.state
        self.inputs = (*ode.parameters, *(n for n in chance.parameters if n not in ode.parameters))
        self._path = OdeDynamics(ode)
        self._strength = Rate(chance.function)

    def step(
        self, states: Array, start: float, stop: float, values: Values, rng: np.random.Generator | None
    ) -> Array:
        """Return the states ``(members, n)`` at `stop`, by chance, or without where no generator is given."""
        table, moved = member_table(self.chance.parameters, {}, values, len(states)), states
        read = {name: values[name] for name in self._path.inputs}
        if rng is None:
            return self._path.step(states, start, stop, read, WITHOUT_CHANCE)
        for low, high in pairwise(self._cuts(start, stop)):
            moved = moved + self._scattered(moved, low, high - low, table, rng)
            moved = self._path.step(moved, low, high, read, rng)
            moved = moved + self._scattered(moved, high, high - low, table, rng)
        return moved

    def linearize_step(
        self, state: Array, start: float, stop: float, values: Values
    ) -> tuple[Array, Linearization]:
        """Return the state ``(n,)`` at the end of the path without chance, and its derivative."""
        read = {name: values[name] for name in self._path.inputs}
        moved, linear = self._path.linearize_step(state, start, stop, read)
        still = {name: np.shape(values[name]) for name in self.inputs if name not in read}
        return moved, MatrixLinearization(
            linear.jacobians, {**linear.input_shapes, **still}, linear.output_shapes
        )

    def noise_at(self, state: Array, start: float, stop: float, values: Values) -> Array:
        """Return the covariance ``(n, n)`` gained along the path from a state ``(n,)``."""
        own, q = self.ode.vector(values), member_table(self.chance.parameters, {}, values, 1)[0]
        gained, y = np.zeros((self.size, self.size)), state
        for low, high in pairwise(self._cuts(start, stop)):
            gained += self._halved(y, low, high - low, q)
            path = self.ode.path(y, own, low, [high])
            y, F = path.at_stops[-1], path.tangents(np.eye(y.size), np.zeros((own.size, y.size)))[-1]
            gained = F @ gained @ F.T + self._halved(y, high, high - low, q)
        return gained

    def _cuts(self, start: float, stop: float) -> list[float]:
        count = equal_steps(stop - start, self.chance.longest)
        return np.linspace(start, stop, count + 1).tolist()

    def _scattered(
        self, states: Array, t: float, length: float, table: Array, rng: np.random.Generator
    ) -> Array:
        """Draw half of what chance adds in a piece."""
        g = np.array([self._strength.at(t, y, p) for y, p in zip(states, table, strict=True)])
        scattered: Array = g * np.sqrt(length / 2) * rng.standard_normal(states.shape)
        return scattered

    def _halved(self, state: Array, t: float, length: float, p: Array) -> Array:
        """Return half of the variance that chance adds in a piece."""
        return np.diag(self._strength.at(t, state, p) ** 2) * length / 2
