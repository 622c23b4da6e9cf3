"""A microstructure that varies in space: the cell is solved at a few states, and interpolated between them.

Where one number of the micro state varies from point to point, the effective tensor is a smooth function of
that number. A handful of cell problems at Chebyshev points of its interval replace one at every point; the
rest is a polynomial. Its derivatives are those of the polynomial and of the cell problems, exact for what is
computed, at a cost that does not depend on the number of points. Iterations for one of these cells begin at
what those before it came to, in the same evaluation.

Source: L. N. Trefethen, Approximation Theory and Approximation Practice, SIAM (2013),
doi:10.1137/1.9781611975949.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.polynomial import chebyshev

from mscale_uq.core.chain import Chain, ChainLinearization
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Linearization, Named, Stage, Values
from mscale_uq.errors import NoGradient, OutOfLimits, ParameterError, SolveFailed, explain
from mscale_uq.solve.neighbours import Family

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
        self._cell = Chain(cell, self.inputs, self.inputs)
        angles = np.pi * (np.arange(nodes) + 0.5) / nodes
        self._nodes = np.cos(angles)
        # From the values at the nodes to the coefficients of the polynomial.
        self._to_coefficients = 2.0 / nodes * np.cos(np.outer(np.arange(nodes), angles))
        self._to_coefficients[0] /= 2.0

    def value(self, values: Values) -> Named:
        """Return the quantity at every state, and the error of the polynomial."""
        family = Family()
        at_nodes = [self._exact(values, x, family) for x in self._nodes]
        return self._outputs(values, at_nodes, family)

    def linearize(self, values: Values) -> tuple[Named, Linearization]:
        """Return the same with its derivative: one linearised cell a node."""
        family, both = Family(), []
        for x in self._nodes:
            with family.member(x):
                both.append(self._cell.linearize(self._at(values, x)))
        at_nodes = [known[self.quantity] for known, _ in both]
        made, coefficients = self._outputs(values, at_nodes, family), self._coefficients(at_nodes)
        x = self._places(values).ravel()
        slope = chebyshev.chebvander(x, len(self._nodes) - 2) @ chebyshev.chebder(coefficients).astype(float)
        basis = chebyshev.chebvander(x, len(self._nodes) - 1) @ self._to_coefficients
        chains = tuple(chain for _, chain in both)
        return made, _GradedLinearization(self, chains, basis, slope * self._stretch, np.shape(at_nodes[0]),
                                          np.shape(values[self.varying]))  # fmt: skip

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

    def _at(self, values: Values, x: float) -> Named:
        state = self.interval[0] + (x + 1.0) / self._stretch
        return {**{name: values[name] for name in self.inputs}, self.varying: np.asarray(state)}

    def _exact(self, values: Values, x: float, family: Family) -> Array:
        """Return the quantity of a cell problem at a place on (-1, 1)."""
        with family.member(x):
            return self._cell.value(self._at(values, x))[self.quantity]

    def _coefficients(self, at_nodes: Sequence[Array]) -> Array:
        return self._to_coefficients @ _rows(at_nodes)

    def _outputs(self, values: Values, at_nodes: Sequence[Array], family: Family) -> Named:
        x, coefficients = self._places(values), self._coefficients(at_nodes)
        field = chebyshev.chebvander(x, len(self._nodes) - 1) @ coefficients
        error = self._checked(values, coefficients, family)
        made, check = self.outputs
        return {made: field.reshape(*x.shape, *np.shape(at_nodes[0])), check: np.asarray(error)}

    def _checked(self, values: Values, coefficients: Array, family: Family) -> float:
        """Return the polynomial's error at the states of the check, if it passes."""
        error = 0.0
        for place in (2.0 * share - 1.0 for share in CHECKED):
            exact = self._exact(values, place, family)
            guess = chebyshev.chebvander(place, len(self._nodes) - 1) @ coefficients
            error = max(error, float(np.abs(guess - exact.ravel()).max() / np.abs(exact).max()))
        if not error <= self.tolerance:
            reason = f"the polynomial is off by {error:.2g} of {self.quantity!r}, allowed {self.tolerance:g}"
            raise SolveFailed(self.name, {}, reason)
        return error


@final
@dataclass(frozen=True)
class _GradedLinearization(Linearization):
    """Sensitivities meet the polynomial's basis first, then the few cells: `basis` ``(points, nodes)``."""

    stage: GradedCell
    cells: tuple[ChainLinearization, ...]
    basis: Array
    slope: Array
    shape: tuple[int, ...]
    points: tuple[int, ...]

    def jvp(self, tangents: Values) -> Named:
        """Carry changes of the states and of the other numbers to the quantity; the error has no change."""
        stage = self.stage
        moved = {name: change for name, change in tangents.items() if name != stage.varying}
        total = np.zeros_like(self.slope)
        if moved:
            still = np.zeros(self.shape)
            changes = [cell.jvp(moved).get(stage.quantity, still) for cell in self.cells]
            total += self.basis @ _rows(changes)
        if stage.varying in tangents:
            total += np.ravel(tangents[stage.varying])[:, None] * self.slope
        return {stage.outputs[0]: total.reshape(*self.points, *self.shape)}

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
        total = {name: np.asarray(0.0) for name in stage.inputs}
        for cell, weight in zip(self.cells, self.basis.T @ weights, strict=True):
            for name, part in cell.vjp({stage.quantity: weight.reshape(self.shape)}).items():
                total[name] = total[name] + part
        total[stage.varying] = (weights * self.slope).sum(axis=1).reshape(self.points)
        return total


def _rows(arrays: Sequence[Array]) -> Array:
    return np.array([np.ravel(array) for array in arrays])
