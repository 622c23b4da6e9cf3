"""What a row of cells holds, by finite volumes: given fluxes at one end, diffusion, loss; exact in time.

    dc_i/dt = (J_i - J_i+1) / dx - k_i c_i,    J_i = -D_i (c_i - c_i-1) / dx

with J_0 the influx and nothing through the far end. Every face has one flux, which its two neighbours share,
so that what is held changes only by influx and loss, whatever D_i and k_i are; a ledger checks it.
"""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from numpy.typing import ArrayLike

from mscale_uq.core.dynamics import Dynamics, increasing
from mscale_uq.core.members import member_values
from mscale_uq.core.parameter import Array, Quantity
from mscale_uq.core.stage import Linearization, MatrixLinearization, Named, Stage, Values
from mscale_uq.errors import Infeasible, InputError, explain
from mscale_uq.solve.ledger import Ledger
from mscale_uq.solve.modes import Modes, area, decay, modes, rise, rise_between

AXES = {"face_diffusivity": 1, "cell_loss": 1, "influx": 0}  # name -> number of axes
INPUTS = tuple(AXES)


@final
@dataclass(frozen=True)
class RowBalance:
    """The cells, of equal length dx.

    Reads ``face_diffusivity`` ``(cells - 1,)`` (length^2/time), ``cell_loss`` ``(cells,)`` (1/time) and
    ``influx`` (what enters per time).
    """

    length: float
    cells: int

    def __post_init__(self) -> None:
        if not (self.length > 0 and self.cells >= 4):
            raise InputError(
                explain(f"{self.cells} cells on {self.length:g}", "four cells or more, a length")
            )

    @property
    def dx(self) -> float:
        """Length of a cell."""
        return self.length / self.cells

    @property
    def centres(self) -> Array:
        """Places of the cells' centres ``(cells,)``."""
        return np.asarray((np.arange(self.cells) + 0.5) * self.dx, dtype=float)

    def reading(self, places: ArrayLike) -> Array:
        """Return weights ``(places, cells)`` of the cubic through the four nearest centres.

        Raises
        ------
        InputError
            If a place lies outside the row.
        """
        x = np.atleast_1d(np.asarray(places, dtype=float))
        if np.any((x < 0) | (x > self.length)):
            raise InputError(explain(f"places {x}", f"0 to {self.length:g}"))
        first = np.clip((x / self.dx - 1.5).astype(int), 0, self.cells - 4)
        share, weights, rows = x / self.dx - 0.5 - first, np.zeros((x.size, self.cells)), np.arange(x.size)
        for node in range(4):
            others = [other for other in range(4) if other != node]
            parts = [(share - other) / (node - other) for other in others]
            weights[rows, first + node] = np.prod(parts, axis=0)
        return weights

    def modes(self, values: Values) -> Modes:
        """Return the modes of diffusion and loss.

        Raises
        ------
        Infeasible
            If they do not all decay: a diffusivity or a loss is too negative.
        """
        D, k = np.asarray(values["face_diffusivity"]) / self.dx**2, np.asarray(values["cell_loss"])
        found = modes(k + np.append(D, 0.0) + np.append(0.0, D), -D)
        if not found.rates[0] > 0:
            raise Infeasible("balance of the row", dict(values), "a diffusivity or a loss is negative")
        return found

    def move(self, c: Array, found: Modes, influx: float, loss: Array, time: float) -> tuple[Array, Ledger]:
        """Return the row ``(cells,)`` after a time, and the budget on the way."""
        V, start = found.vectors, found.vectors.T @ c
        forced = V[0] * (influx / self.dx)
        after = V @ (decay(found.rates, time) * start + rise(found.rates, time) * forced)
        held = V @ (rise(found.rates, time) * start + area(found.rates, time) * forced)
        content = self.dx * np.array([c.sum(), after.sum() + loss @ held])  # what is lost is counted on
        return after, Ledger(content, np.array([influx * time]))


@final
class RowProfile(Stage):
    """The row at given times and places, one reading each ``(readings,)``, from an empty row at time zero."""

    def __init__(self, balance: RowBalance, times: ArrayLike, places: ArrayLike, output: str) -> None:
        self.balance = balance
        self.times, self._row = np.unique(np.asarray(times, dtype=float), return_inverse=True)
        increasing(self.times, 0.0)
        self.weights = balance.reading(places)
        if len(self.weights) != len(self._row):
            raise InputError(
                explain(f"{len(self._row)} times, {len(self.weights)} places", "as many of both")
            )
        self.name, self.inputs, self.outputs = "balance of the row", INPUTS, (output,)

    def value(self, values: Values) -> Named:
        """Return the readings.

        Raises
        ------
        Infeasible
            If a diffusivity or a loss is negative.
        SolveFailed
            If a budget does not close.
        """
        return {self.outputs[0]: self._readings(values, self.balance.modes(values))}

    def linearize(self, values: Values) -> tuple[Named, Linearization]:
        """Return the readings and their exact derivatives."""
        found, output = self.balance.modes(values), self.outputs[0]
        made = self._readings(values, found)
        by_face, by_cell = self._slopes(values, found)
        blocks = {
            (output, "face_diffusivity"): by_face,
            (output, "cell_loss"): by_cell,
            (output, "influx"): made / float(values["influx"]),
        }
        shapes = {name: np.shape(values[name]) for name in INPUTS}
        return {output: made}, MatrixLinearization(blocks, shapes, {output: made.shape})

    def _readings(self, values: Values, found: Modes) -> Array:
        influx, loss, empty = (
            float(values["influx"]),
            np.asarray(values["cell_loss"]),
            np.zeros(self.balance.cells),
        )
        rows = np.empty((len(self.times), self.balance.cells))
        for t, time in enumerate(self.times):
            rows[t], ledger = self.balance.move(empty, found, influx, loss, time)
            ledger.check(self.name)
        return np.asarray(np.einsum("rc,rc->r", self.weights, rows[self._row]))

    def _slopes(self, values: Values, found: Modes) -> tuple[Array, Array]:
        """Return derivatives to every face's diffusivity and every cell's loss: each changes M by z z'."""
        balance, V = self.balance, found.vectors
        forced = V[0] * (float(values["influx"]) / balance.dx)
        directions = np.concatenate([np.diff(V, axis=0) / balance.dx, V])
        slopes = np.empty((len(self.weights), len(directions)))
        for t, time in enumerate(self.times):
            seen = self.weights[self._row == t] @ V
            passed = (directions * forced) @ rise_between(found.rates, time).T
            slopes[self._row == t] = -seen @ (directions * passed).T
        return slopes[:, : balance.cells - 1], slopes[:, balance.cells - 1 :]


@final
class RowDynamics(Dynamics):
    """The row for filters: the state is `variable` ``(cells,)``; every member has its own values."""

    random: ClassVar[bool] = False

    def __init__(self, balance: RowBalance, variable: Quantity) -> None:
        self.balance = balance
        self.name, self.inputs = "balance of the row", INPUTS
        self.state = (Quantity(variable.name, variable.unit, variable.meaning, shape=(balance.cells,)),)

    def step(
        self, states: Array, start: float, stop: float, values: Values, rng: np.random.Generator
    ) -> Array:
        """Return the states ``(members, cells)`` at `stop`."""
        moved = []
        for state, own in zip(states, member_values(AXES, values, len(states)), strict=True):
            found = self.balance.modes(own)
            after, ledger = self.balance.move(
                state, found, float(own["influx"]), own["cell_loss"], stop - start
            )
            ledger.check(self.name)
            moved.append(after)
        return np.array(moved)
