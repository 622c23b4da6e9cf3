"""A microstructure that varies in space: the cell is solved at a few states, and interpolated between them.

Where one number of the micro state varies from point to point, the effective tensor is a smooth function of
that number. A handful of cell problems at Chebyshev points of its interval replace one at every point; the
rest is a polynomial. Its derivatives are those of the polynomial and of the cell problems, exact for what is
computed, at a cost that does not depend on the number of points. The cells run as rows of one stage
(`mscale_uq.core.each`), so that iterations for one may begin at what those before it came to. They depend on
what does not vary alone, so that a surrogate may stand for all of them at once.

Source: L. N. Trefethen, Approximation Theory and Approximation Practice, SIAM (2013),
doi:10.1137/1.9781611975949.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
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
@dataclass(frozen=True)
class Grades:
    """States between a least and a largest one, at which cells are solved, and the polynomial through them.

    Attributes
    ----------
    least, largest
        State.
    nodes
        Chebyshev points; a cell is solved at each, and at the two states of the check.

    Raises
    ------
    ParameterError
        If the interval is empty or there are fewer than two nodes.
    """

    least: float
    largest: float
    nodes: int = 9

    def __post_init__(self) -> None:
        if not (self.least < self.largest and self.nodes > 1):
            interval = f"interval ({self.least:g}, {self.largest:g}) with {self.nodes} nodes"
            raise ParameterError(explain(interval, "an interval, two nodes or more"))

    @cached_property
    def places(self) -> Array:
        """Where cells are solved, on (-1, 1): the nodes, then the check's."""
        angles = np.pi * (np.arange(self.nodes) + 0.5) / self.nodes
        return np.concatenate([np.cos(angles), 2.0 * np.array(CHECKED) - 1.0])

    @property
    def states(self) -> Array:
        """Where cells are solved."""
        return self.least + (self.places + 1.0) / self.per_state

    @property
    def per_state(self) -> float:
        """Length on (-1, 1) of a state's unit."""
        return 2.0 / (self.largest - self.least)

    @cached_property
    def to_coefficients(self) -> Array:
        """From the values at the nodes to the coefficients of their polynomial."""
        angles = np.pi * (np.arange(self.nodes) + 0.5) / self.nodes
        matrix: Array = 2.0 / self.nodes * np.cos(np.outer(np.arange(self.nodes), angles))
        matrix[0] /= 2.0
        return matrix

    @cached_property
    def to_slopes(self) -> Array:
        """From the values at the nodes to the coefficients of the polynomial's derivative."""
        return np.asarray(chebyshev.chebder(self.to_coefficients) * self.per_state, dtype=float)

    @cached_property
    def to_checks(self) -> Array:
        """From the values at the nodes to the polynomial at the states of the check."""
        return self.powers(self.places[self.nodes :]) @ self.to_coefficients

    def powers(self, places: Array) -> Array:
        """Return the Chebyshev polynomials at places on (-1, 1), ``(places, nodes)``."""
        return np.asarray(chebyshev.chebvander(places, self.nodes - 1), dtype=float)


@final
class GradedCell(Stage):
    """A quantity of a cell at the states of `Grades`: ``(nodes + 2, *shape)``, the check's last.

    Parameters
    ----------
    cell
        Stages from the micro state to `quantity`.
    given
        Names that the cell reads, besides the varying one; all are numbers.
    varying
        The name that the cell reads the state under.
    grades
        The states.
    quantity, made
        Name the cell makes, and name made here.
    """

    def __init__(
        self,
        cell: Sequence[Stage],
        given: Sequence[str],
        varying: str,
        grades: Grades,
        quantity: str,
        made: str,
    ) -> None:
        self.inputs, self.outputs, self.name = tuple(given), (made,), f"cells of {made}"
        self._varying, self._quantity, self._states = varying, quantity, grades.states
        self.cell_problems = grades.states.size
        self._cell = Chain(_of_rows(cell, varying, grades.places), [*given, varying], given)

    def value(self, values: Values) -> Named:
        """Return the quantity at every state."""
        return {self.outputs[0]: self._cell.value(self._given(values))[self._quantity]}

    def linearize(self, values: Values) -> tuple[Named, Linearization]:
        """Return the same with its derivative."""
        known, cells = self._cell.linearize(self._given(values))
        return {self.outputs[0]: known[self._quantity]}, Renamed(cells, self._quantity, self.outputs[0])

    def _given(self, values: Values) -> Named:
        return {**{name: values[name] for name in self.inputs}, self._varying: self._states}


@final
@dataclass(frozen=True)
class Renamed(Linearization):
    """A chain's derivative, of one of its names, under another."""

    chain: ChainLinearization
    inside: str
    made: str

    def jvp(self, tangents: Values) -> Named:
        """Carry changes forward."""
        return {self.made: self.chain.jvp(tangents)[self.inside]}

    def vjp(self, cotangents: Values) -> Named:
        """Carry sensitivities back."""
        return self.chain.vjp({self.inside: cotangents[self.made]})


@final
class Graded(Stage):
    """A quantity at any states, by the polynomial through those that `GradedCell` makes.

    Makes `made` ``(points..., *shape)``, and `<made>_error`: the largest deviation of the polynomial from the
    two cells of the check, relative to the largest entry.

    Parameters
    ----------
    solved, varying
        Names read: the quantity at the grades, and the states, a number or an array.
    grades
        As of the `GradedCell`.
    made
        Name made.
    tolerance
        Largest error that passes.

    Raises
    ------
    OutOfLimits
        When run: if a state lies outside the grades.
    SolveFailed
        When run: if the error is above the tolerance; more nodes help.
    """

    def __init__(self, solved: str, varying: str, grades: Grades, made: str, tolerance: float = 1e-3) -> None:
        self.grades, self.tolerance = grades, tolerance
        self.inputs, self.outputs, self.name = (solved, varying), (made, f"{made}_error"), f"graded {made}"

    def value(self, values: Values) -> Named:
        """Return the quantity at every state, and the error of the polynomial."""
        return self._outputs(values, self._powers(values) @ self.grades.to_coefficients)

    def linearize(self, values: Values) -> tuple[Named, Linearization]:
        """Return the same with its derivative."""
        solved, varying = self.inputs
        powers = self._powers(values)
        basis, slopes = powers @ self.grades.to_coefficients, powers[:, : len(self.grades.to_slopes)]
        slope = slopes @ (self.grades.to_slopes @ self._at_nodes(values[solved]))
        linear = _GradedLinearization(self, basis, slope, np.shape(values[solved]), np.shape(values[varying]))
        return self._outputs(values, basis), linear

    def _powers(self, values: Values) -> Array:
        """Return the Chebyshev polynomials at every state."""
        states, grades = np.asarray(values[self.inputs[1]], dtype=float).ravel(), self.grades
        if not (np.all(states >= grades.least) and np.all(states <= grades.largest)):
            reason = f"{self.inputs[1]!r} leaves [{grades.least:g}, {grades.largest:g}] somewhere"
            raise OutOfLimits(self.name, {}, reason)
        return grades.powers((states - grades.least) * grades.per_state - 1.0)

    def _at_nodes(self, solved: Array) -> Array:
        return solved[: self.grades.nodes].reshape(self.grades.nodes, -1)

    def _outputs(self, values: Values, basis: Array) -> Named:
        """Return the quantity everywhere, and its error, if that passes."""
        solved, nodes = values[self.inputs[0]], self.grades.nodes
        at_nodes, exact = self._at_nodes(solved), solved[nodes:].reshape(len(CHECKED), -1)
        off = np.abs(self.grades.to_checks @ at_nodes - exact).max(axis=1)
        error, (made, check) = float((off / np.abs(exact).max(axis=1)).max()), self.outputs
        if not error <= self.tolerance:
            reason = f"the polynomial is off by {error:.2g} of {made!r}, allowed {self.tolerance:g}"
            raise SolveFailed(self.name, {}, reason)
        field = (basis @ at_nodes).reshape(*np.shape(values[self.inputs[1]]), *solved.shape[1:])
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
    """To the cells by `basis` ``(points, nodes)``, to the states by `slope` ``(points, entries)``."""

    stage: Graded
    basis: Array
    slope: Array
    solved: tuple[int, ...]
    points: tuple[int, ...]

    def jvp(self, tangents: Values) -> Named:
        """Carry changes of the cells and of the states to the quantity; the error has no change."""
        solved, varying = self.stage.inputs
        total = np.zeros_like(self.slope)
        if solved in tangents:
            total += self.basis @ self.stage._at_nodes(np.asarray(tangents[solved]))
        if varying in tangents:
            total += np.ravel(tangents[varying])[:, None] * self.slope
        return {self.stage.outputs[0]: total.reshape(*self.points, *self.solved[1:])}

    def vjp(self, cotangents: Values) -> Named:
        """Carry sensitivities to the quantity back.

        Raises
        ------
        NoGradient
            If a sensitivity to the error is asked for.
        """
        (solved, varying), (made, check) = self.stage.inputs, self.stage.outputs
        if np.any(cotangents.get(check, 0.0)):
            raise NoGradient(f"{check!r} is an estimate without a derivative")
        weights = np.reshape(cotangents[made], (len(self.slope), -1))
        of_cells = np.zeros(self.solved)
        of_cells[: self.basis.shape[1]] = (self.basis.T @ weights).reshape(-1, *self.solved[1:])
        return {solved: of_cells, varying: (weights * self.slope).sum(axis=1).reshape(self.points)}
