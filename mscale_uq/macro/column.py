"""A column that carries, spreads and reacts: finite volumes, implicit-explicit in time, a budget every step.

    dc/dt + v dc/dx = D d2c/dx2 - sum_j R(c, s_j),     ds_j/dt = R(c, s_j) - decay s_j

with c = 1 at the inlet and no slope at the outlet; c is what moves and s_j what stays at a site, both per
volume of water. One site without a decay is the plain case; many of them hold the profile inside a body
(`pores.py`). Advection is explicit, diffusion and reaction are implicit, so that no time step follows a fast
reaction: the scheme keeps its order in the limit of equilibrium.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, final

import numpy as np
from numba import types
from numpy.typing import ArrayLike

from mscale_uq.core.dynamics import Dynamics, increasing
from mscale_uq.core.members import member_values
from mscale_uq.core.parameter import Array, Quantity
from mscale_uq.core.stage import Linearization, MatrixLinearization, Named, Stage, Values
from mscale_uq.errors import InputError, SolveFailed, explain
from mscale_uq.macro.kinetics import Kinetics
from mscale_uq.solve.equal_steps import equal_steps
from mscale_uq.solve.imex_kernels import NO_ROOT, march
from mscale_uq.solve.kernel import callback
from mscale_uq.solve.ledger import Ledger

RATE = types.complex128(types.complex128, types.complex128, types.Array(types.complex128, 1, "C"))
G = 1 - 1 / np.sqrt(2)
B = 1 - 1 / (2 * G)
# Implicit and explicit tables: Euler's method with upwind faces, and ARS(2,2,2) with central ones.
TABLES = {
    "upwind": (np.array([[0.0, 0.0], [0.0, 1.0]]), np.array([[0.0, 0.0], [1.0, 0.0]])),
    "central": (
        np.array([[0.0, 0.0, 0.0], [0.0, G, 0.0], [0.0, 1 - G, G]]),
        np.array([[0.0, 0.0, 0.0], [G, 0.0, 0.0], [B, 1 - B, 0.0]]),
    ),
}


@final
@dataclass(frozen=True)
class Column:
    """The column and how it is solved.

    Attributes
    ----------
    kinetics
        The reaction.
    length
        Where readings are taken, in m from the inlet.
    beyond
        How much further the column goes, as a share of its length: the outlet is out of sight.
    cells, max_step
        Number of cells, longest time step in s.
    pulse
        Duration of the inlet, in s; infinite for a step.
    scheme
        ``"upwind"``: first order, positive. ``"central"``: second order, positive while a cell is no longer
        than 2 D/v.

    Source: U. M. Ascher, S. J. Ruuth, R. J. Spiteri, Implicit-explicit Runge-Kutta methods for time-dependent
    partial differential equations, Appl. Numer. Math. 25 (1997) 151-167, doi:10.1016/S0168-9274(97)00056-1.
    """

    kinetics: Kinetics
    length: float
    beyond: float
    cells: int
    max_step: float
    pulse: float = np.inf
    scheme: Literal["upwind", "central"] = "central"

    def __post_init__(self) -> None:
        if self.scheme not in TABLES:
            raise InputError(explain(f"scheme {self.scheme!r}", ", ".join(TABLES)))

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the values that are read: velocity, dispersion, those of the reaction."""
        return ("velocity", "dispersion", *self.kinetics.names)

    @property
    def dx(self) -> float:
        """Length of a cell."""
        return self.length * (1 + self.beyond) / self.cells

    @property
    def reading(self) -> Array:
        """Weights ``(cells,)`` of the concentration at `length`: linear between the centres of two cells."""
        place = self.length / self.dx - 0.5
        first = min(int(place), self.cells - 2)
        weights = np.zeros(self.cells)
        weights[first], weights[first + 1] = 1 - (place - first), place - first
        return weights

    @property
    def size(self) -> int:
        """Length of the state: c, then what every site holds."""
        return self.cells * (1 + self.kinetics.count)

    def move(
        self, state: Array, start: float, stop: float, values: Values, seeds: Array, moved: Array
    ) -> "Moved":
        """Return the state ``(size,)`` at `stop` and the sensitivities ``(m, size)`` of `seeds`.

        `moved` ``(m, inputs)`` says what each direction moves beside the state.

        Raises
        ------
        SolveFailed
            If a step crosses more than a cell, a reaction has no root, or a budget does not close.
        """
        p = np.array([float(values[name]) for name in self.inputs])
        (c, s), (dc, ds) = self._parts(state), self._parts(seeds)
        reaction = self.kinetics
        decay, sites, d_decay, d_sites = reaction.at(p[2:], moved[:, 2:])
        directions = np.column_stack([moved[:, :2], np.zeros(len(moved)), d_decay])
        A_im, A_ex = TABLES[self.scheme]
        ledgers = []
        for begin, end, inlet in self._pieces(start, stop):
            steps = equal_steps(end - begin, self.max_step)
            dt = (end - begin) / steps
            self._check(p[0] * dt <= self.dx, values, "a step crosses more than a cell: shorten max_step")
            physics = np.array([p[0], p[1], inlet, decay])
            content, gained = np.empty(steps + 1), np.empty(steps)
            failed = march(
                _compiled(reaction.function), reaction.linear, c, s, physics, sites, self.dx, dt,
                self.scheme == "central", A_im, A_ex, dc, ds, directions, d_sites, content, gained,
            )  # fmt: skip
            what = (
                "the reaction of a cell has no root" if failed == NO_ROOT else "a time step finds no balance"
            )
            self._check(not failed, values, what)
            ledgers.append(Ledger(content, gained))
            ledgers[-1].check("column")
        return Moved(np.append(c, s), np.hstack([dc, ds.reshape(len(ds), s.size)]), tuple(ledgers))

    def _parts(self, state: Array) -> tuple[Array, Array]:
        """Return copies of c ``(.., cells)`` and of what the sites hold ``(.., sites, cells)``."""
        c, s = np.split(np.array(state, dtype=float), [self.cells], axis=-1)
        shape = (*state.shape[:-1], self.kinetics.count, self.cells)
        return np.ascontiguousarray(c), np.ascontiguousarray(s).reshape(shape)

    def _pieces(self, start: float, stop: float) -> list[tuple[float, float, float]]:
        """Return the times between which the inlet is constant, and its value."""
        if start < self.pulse < stop:
            return [(start, self.pulse, 1.0), (self.pulse, stop, 0.0)]
        return [(start, stop, 1.0 if stop <= self.pulse else 0.0)]

    def _check(self, holds: bool, values: Values, otherwise: str) -> None:
        if not holds:
            raise SolveFailed("column", {name: values[name] for name in self.inputs}, otherwise)


@final
@dataclass(frozen=True)
class Moved:
    """A state, its sensitivities, and the budgets on the way."""

    state: Array
    slopes: Array
    ledgers: tuple[Ledger, ...]


@final
class Breakthrough(Stage):
    """The concentration at the column's `length` over time ``(times,)``, from an empty column."""

    def __init__(self, column: Column, times: ArrayLike, output: str = "breakthrough") -> None:
        self.column = column
        self.times = increasing(times, 0.0)
        self.name = "column"
        self.inputs, self.outputs = column.inputs, (output,)

    def value(self, values: Values) -> Named:
        """Return the curve."""
        return {self.outputs[0]: self._run(values, 0)[0]}

    def linearize(self, values: Values) -> tuple[Named, Linearization]:
        """Return the curve and its derivative, by sensitivities that march along."""
        curve, slopes = self._run(values, len(self.inputs))
        made = self.outputs[0]
        blocks = {(made, name): slopes[:, place] for place, name in enumerate(self.inputs)}
        shapes: Mapping[str, tuple[int, ...]] = dict.fromkeys(self.inputs, ())
        return {made: curve}, MatrixLinearization(blocks, shapes, {made: curve.shape})

    def _run(self, values: Values, directions: int) -> tuple[Array, Array]:
        column, now = self.column, 0.0
        state, seeds = np.zeros(column.size), np.zeros((directions, column.size))
        moved = np.eye(directions, len(self.inputs))
        curve, slopes = np.zeros(self.times.size), np.zeros((self.times.size, directions))
        for row, time in enumerate(self.times):
            if time > now:
                made = column.move(state, now, float(time), values, seeds, moved)
                state, seeds, now = made.state, made.slopes, float(time)
            curve[row] = column.reading @ state[: column.cells]
            slopes[row] = seeds[:, : column.cells] @ column.reading
        return curve, slopes


@final
class ColumnDynamics(Dynamics):
    """The column for filters: the state is ``dissolved`` and, site by site, ``bound``."""

    random = False

    def __init__(self, column: Column) -> None:
        self.column = column
        self.name = "column"
        self.inputs = column.inputs
        self.state = (
            Quantity("dissolved", "1", "c, relative to the inlet", shape=(column.cells,)),
            Quantity("bound", "1", "s, relative to the inlet", shape=(column.size - column.cells,)),
        )

    def step(
        self, states: Array, start: float, stop: float, values: Values, rng: np.random.Generator
    ) -> Array:
        """Return the states ``(members, n)`` at `stop`."""
        none, still = np.zeros((0, states.shape[1])), np.zeros((0, len(self.inputs)))
        each = member_values(dict.fromkeys(self.inputs, 0), values, len(states))
        return np.array(
            [
                self.column.move(state, start, stop, own, none, still).state
                for state, own in zip(states, each, strict=True)
            ]
        )

    def linearize_step(
        self, state: Array, start: float, stop: float, values: Values
    ) -> tuple[Array, Linearization]:
        """Return the state ``(n,)`` at `stop` and its derivative to state and values."""
        n, m = state.size, len(self.inputs)
        made = self.column.move(state, start, stop, values, np.eye(n + m, n), np.eye(n + m, m, -n))
        blocks = {("state", "state"): made.slopes[:n].T}
        for place, name in enumerate(self.inputs):
            blocks["state", name] = made.slopes[n + place].reshape(n, *np.shape(values[name]))
        shapes = {"state": (n,), **{name: np.shape(values[name]) for name in self.inputs}}
        return made.state, MatrixLinearization(blocks, shapes, {"state": (n,)})


@cache
def _compiled(function: Callable[..., Any]) -> Any:
    return callback(function, RATE)
