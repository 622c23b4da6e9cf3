"""A microstructure that varies in space: the cell is solved at a few states, and interpolated between them.

Where one number of the micro state varies from point to point, the effective tensor is a smooth function of
that number. A handful of cell problems at Chebyshev points of its interval replace one at every point; the
rest is a polynomial. Its derivatives are those of the polynomial and of the cell problems, exact for what is
computed, at a cost that does not depend on the number of points. The cells run as rows of one stage
(`mscale_uq.core.each`), so that iterations for one may begin at what those before it came to.

Source: L. N. Trefethen, Approximation Theory and Approximation Practice, SIAM (2013),
doi:10.1137/1.9781611975949.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.polynomial import chebyshev

from mscale_uq.core.chain import Chain, ChainLinearization
from mscale_uq.core.each import each
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Linearization, Named, Stage, Values
from mscale_uq.errors import NoGradient, OutOfLimits, ParameterError, SolveFailed, explain

# Where the polynomial is held against cell problems of its own, as shares of the interval: two places that
# are Chebyshev points of no number of nodes.
CHECKED = (0.0345, 0.7071)


@final
class GradedCell(Stage):
    """The effective quantity of a cell at many states, through a polynomial in the number that varies.

    Makes `made` ``(points..., *shape)`` from the cell's quantity of that shape, and `<made>_error`: the
    largest deviation of the polynomial from two cell problems at other states, relative to the largest entry.

    Parameters
    ----------
    cell
        Stages from the micro state to `quantity`.
    given
        Names that the cell reads, the varying one among them; all are numbers to the cell.
    varying
        The name that is an array here.
    interval
        Least and largest state.
    quantity, made
        Name the cell makes, and name made here.
    nodes
        Cell problems per evaluation, besides the two of the check.
    tolerance
        Largest error that passes.

    Raises
    ------
    ParameterError
        When made: if the interval is empty or there are fewer than two nodes.
    OutOfLimits
        When run: if a state lies outside the interval.
    SolveFailed
        When run: if the error is above the tolerance; more nodes help.
    """

    def __init__(
        self,
        cell: Sequence[Stage],
        given: Sequence[str],
        varying: str,
        interval: tuple[float, float],
        quantity: str,
        made: str,
        nodes: int = 9,
        tolerance: float = 1e-3,
    ) -> None:
        if not (interval[0] < interval[1] and nodes > 1):
            raise ParameterError(
                explain(f"interval {interval} with {nodes} nodes", "an interval, two nodes or more")
            )
        self.interval = (float(interval[0]), float(interval[1]))
        self.varying, self.quantity, self.tolerance = varying, quantity, tolerance
        self.inputs = tuple(given)
        self.outputs = (made, f"{made}_error")
        self.name = f"graded {made}"
        angles = np.pi * (np.arange(nodes) + 0.5) / nodes
        self._solved = np.concatenate([np.cos(angles), 2.0 * np.array(CHECKED) - 1.0])
        self._nodes = nodes
        self._cell = Chain(_of_rows(cell, varying, self._solved), self.inputs, self.inputs)
        # From the values at the nodes to the coefficients of the polynomial, and of its derivative.
        self._to_coefficients = 2.0 / nodes * np.cos(np.outer(np.arange(nodes), angles))
        self._to_coefficients[0] /= 2.0
        self._to_slopes = chebyshev.chebder(self._to_coefficients)
        self._to_checks = chebyshev.chebvander(self._solved[nodes:], nodes - 1) @ self._to_coefficients

    def value(self, values: Values) -> Named:
        """Return the quantity at every state, and the error of the polynomial."""
        basis, _ = self._basis(values)
        return self._outputs(values, basis, self._cell.value(self._rows(values))[self.quantity])

    def linearize(self, values: Values) -> tuple[Named, Linearization]:
        """Return the same with its derivative: one linearised cell a node."""
        basis, slopes = self._basis(values)
        known, cells = self._cell.linearize(self._rows(values))
        solved = known[self.quantity]
        slope = slopes @ (self._to_slopes @ self._at_nodes(solved)) * self._stretch
        made = self._outputs(values, basis, solved)
        return made, _GradedLinearization(
            self, cells, basis, slope, solved.shape, np.shape(values[self.varying])
        )

    @property
    def _stretch(self) -> float:
        return 2.0 / (self.interval[1] - self.interval[0])

    def _places(self, values: Values) -> Array:
        """Return the states on (-1, 1)."""
        states = np.asarray(values[self.varying], dtype=float)
        low, high = self.interval
        if not (np.all(states >= low) and np.all(states <= high)):
            reason = f"{self.varying!r} leaves [{low:g}, {high:g}] somewhere"
            raise OutOfLimits(self.name, {}, reason)
        return (states - low) * self._stretch - 1.0

    def _rows(self, values: Values) -> Named:
        """Return what the cells read: the numbers, and a row of states that they are solved at."""
        states = self.interval[0] + (self._solved + 1.0) / self._stretch
        return {**{name: values[name] for name in self.inputs}, self.varying: states}

    def _basis(self, values: Values) -> tuple[Array, Array]:
        """Return the polynomials at every state: of the values at the nodes, and of the coefficients."""
        powers = chebyshev.chebvander(self._places(values).ravel(), self._nodes - 1).astype(float, copy=False)
        return powers @ self._to_coefficients, powers[:, : len(self._to_slopes)]

    def _at_nodes(self, solved: Array) -> Array:
        return solved[: self._nodes].reshape(self._nodes, -1)

    def _outputs(self, values: Values, basis: Array, solved: Array) -> Named:
        """Return the quantity everywhere, and its error, from those solved, if the error passes."""
        at_nodes, exact = self._at_nodes(solved), solved[self._nodes :].reshape(len(CHECKED), -1)
        off = np.abs(self._to_checks @ at_nodes - exact).max(axis=1)
        error = float((off / np.abs(exact).max(axis=1)).max())
        if not error <= self.tolerance:
            reason = f"the polynomial is off by {error:.2g} of {self.quantity!r}, allowed {self.tolerance:g}"
            raise SolveFailed(self.name, {}, reason)
        made, check = self.outputs
        field = (basis @ at_nodes).reshape(*np.shape(values[self.varying]), *solved.shape[1:])
        return {made: field, check: np.asarray(error)}


def _of_rows(cell: Sequence[Stage], varying: str, places: Array) -> list[Stage]:
    """Return the cell's stages for a row of states: those that the varying number reaches."""
    moved, stages = {varying}, list[Stage]()
    for stage in cell:
        over = [name for name in stage.inputs if name in moved]
        stages.append(each(stage, over, places) if over else stage)
        moved |= set(stage.outputs) if over else set()
    return stages


@final
@dataclass(frozen=True)
class _GradedLinearization(Linearization):
    """Sensitivities meet the polynomial's basis first, then the few cells: `basis` ``(points, nodes)``."""

    stage: GradedCell
    cells: ChainLinearization
    basis: Array
    slope: Array
    solved: tuple[int, ...]
    points: tuple[int, ...]

    def jvp(self, tangents: Values) -> Named:
        """Carry changes of the states and of the other numbers to the quantity; the error has no change."""
        stage = self.stage
        moved = {name: change for name, change in tangents.items() if name != stage.varying}
        total = np.zeros_like(self.slope)
        if moved:
            changes = self.cells.jvp(moved).get(stage.quantity, np.zeros(self.solved))
            total += self.basis @ stage._at_nodes(changes)
        if stage.varying in tangents:
            total += np.ravel(tangents[stage.varying])[:, None] * self.slope
        return {stage.outputs[0]: total.reshape(*self.points, *self.solved[1:])}

    def vjp(self, cotangents: Values) -> Named:
        """Carry sensitivities to the quantity back.

        Raises
        ------
        NoGradient
            If a sensitivity to the error is asked for.
        """
        stage = self.stage
        if np.any(cotangents.get(stage.outputs[1], 0.0)):
            raise NoGradient(f"{stage.outputs[1]!r} is an estimate without a derivative")
        weights = cotangents[stage.outputs[0]].reshape(len(self.slope), -1)
        of_cells = np.zeros(self.solved)
        of_cells[: self.basis.shape[1]] = (self.basis.T @ weights).reshape(-1, *self.solved[1:])
        total = self.cells.vjp({stage.quantity: of_cells})
        total[stage.varying] = (weights * self.slope).sum(axis=1).reshape(self.points)
        return total
