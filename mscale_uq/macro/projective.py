"""Equation-free in time: a row whose fluxes and losses are asked of its cells again and again, as it changes.

At every step the state is lifted, moved for a burst and restricted by a `RowClosure`: a diffusivity at every
face, a loss in every cell, fitted to that state. With these held, the row takes a step much longer than the
burst, exact in time, and so stable at any length. What is held comes from the middle of the step, reached
with the closure of the step before: one burst a step, and second order in its length.

Chance is carried by whole marches. Each has its own random numbers from the first burst on, so that the
scatter of the marches holds what an error does to later states and to the closure there. It holds no bias:
diffusivities that scatter by a share s from face to face hinder as one that is smaller by about s^2, so that
each march needs molecules enough of its own. The variance of few marches is itself uncertain.

Source: I. G. Kevrekidis and others, Equation-free, coarse-grained multiscale computation, Commun. Math. Sci.
1 (2003) 715-762, doi:10.4310/CMS.2003.v1.n4.a5; C. W. Gear, I. G. Kevrekidis, Projective methods for stiff
differential equations, SIAM J. Sci. Comput. 24 (2003) 1091-1106, doi:10.1137/S1064827501388157.
"""

from typing import Protocol, final

import numpy as np
from numpy.typing import ArrayLike

from mscale_uq.core.dynamics import increasing
from mscale_uq.core.parameter import Array
from mscale_uq.core.random import generator
from mscale_uq.core.stage import Named, Stage, Values
from mscale_uq.errors import InputError, explain
from mscale_uq.macro.row_balance import RowBalance
from mscale_uq.solve.modes import Modes


class RowClosure(Protocol):
    """What tells the diffusivities and losses of a row in a given state."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the values that are read."""

    def closed(self, states: Array, values: Values, key: int) -> tuple[Array, Array]:
        """Return D ``(rows, cells - 1)`` and k ``(rows, cells)`` of rows of concentrations ``(rows, cells)``.

        Rows have random numbers of their own; the same key gives the same at any state and any values.
        """


@final
class ProjectiveRow(Stage):
    """The row at given times and places, one reading each ``(readings,)``, from an empty row at time zero.

    Makes the mean over the marches, and with several of them ``<output>_var``, its variance.

    Parameters
    ----------
    balance, closure
        The row, and what tells its diffusivities and losses.
    times, places, output
        Of the readings, and what they are called.
    step
        Longest step; what lies between two times is cut into equal ones.
    marches
        Independent ones; a closure without chance needs one.
    """

    def __init__(
        self,
        balance: RowBalance,
        closure: RowClosure,
        times: ArrayLike,
        places: ArrayLike,
        output: str,
        step: float,
        marches: int = 1,
    ) -> None:
        self.balance, self.closure, self.step, self.marches = balance, closure, step, marches
        self.times, self._row = np.unique(np.asarray(times, dtype=float), return_inverse=True)
        increasing(self.times, 0.0)
        self.weights = balance.reading(places)
        if len(self.weights) != len(self._row) or not step > 0 or marches < 1:
            given = f"{len(self._row)} times, {len(self.weights)} places, a step of {step:g}"
            raise InputError(
                explain(f"{given}, {marches} marches", "as many times as places, a step, a march")
            )
        self.name = "projective march of the row"
        self.inputs = tuple(dict.fromkeys((*closure.inputs, "influx", "key")))
        self.outputs = (output, f"{output}_var") if marches > 1 else (output,)

    def value(self, values: Values) -> Named:
        """Return the readings, and their variance.

        Raises
        ------
        Infeasible
            If a diffusivity or a loss is so negative that the row would grow.
        SolveFailed
            If the budget of a step does not close.
        """
        rows = np.stack(self.states(values))
        seen = np.einsum("rc,rmc->mr", self.weights, rows[self._row])
        parts = seen.mean(axis=0), seen.var(axis=0, ddof=min(1, self.marches - 1)) / self.marches
        return dict(zip(self.outputs, parts, strict=False))

    def states(self, values: Values) -> list[Array]:
        """Return the rows of all marches ``(marches, cells)`` at each time."""
        state, now, step, seen = np.zeros((self.marches, self.balance.cells)), 0.0, 0, list[Array]()
        closed = self._closed(state, values, step)
        for time in self.times:
            count = int(np.ceil((time - now) / self.step - 1e-9))
            span = (time - now) / max(count, 1)
            for _ in range(count):
                step += 1
                middle = self._moved(state, closed, values, span / 2)
                closed = self._closed(middle, values, step)
                state = self._moved(state, closed, values, span)
            now = time
            seen.append(state)
        return seen

    def _closed(self, states: Array, values: Values, step: int) -> list[tuple[Modes, Array]]:
        """Return the modes and losses of every march, with the random numbers of this step."""
        word = int(generator(int(values["key"]), step).integers(2**62))
        rates = zip(*self.closure.closed(states, values, word), strict=True)
        return [(self.balance.modes({"face_diffusivity": D, "cell_loss": k}), k) for D, k in rates]

    def _moved(self, states: Array, closed: list[tuple[Modes, Array]], values: Values, span: float) -> Array:
        moved = np.empty_like(states)
        for m, (found, loss) in enumerate(closed):
            moved[m], ledger = self.balance.move(states[m], found, float(values["influx"]), loss, span)
            ledger.check(self.name)
        return moved
