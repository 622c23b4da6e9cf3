"""A linear stochastic differential equation as dynamics, stepped exactly over any time.

dx = (A x + c) dt + dW, with A ``(n, n)`` in 1/time, c ``(n,)`` and the diffusion G ``(n, n)``, the
covariance that dW gains a unit of time. The linear-noise approximation of a reaction network, a random walk
and a tracer between compartments are of this kind.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, final

import numpy as np
from scipy.linalg import solve_continuous_lyapunov

from mscale_uq.core.formula import Formula
from mscale_uq.core.linear_dynamics import Intervals, LinearDynamics, Transition, leading
from mscale_uq.core.parameter import Array, Quantity
from mscale_uq.core.stage import Linearization, Values
from mscale_uq.errors import Infeasible
from mscale_uq.solve.van_loan import Discrete, discretise, discretise_rows, discretise_tangents


@final
class LinearSDE(LinearDynamics):
    """dx = (A x + c) dt + dW, exactly over any interval, with exact derivatives to everything A, c, G read.

    Parameters
    ----------
    name, state
        As in `Dynamics`; x is the flattened state ``(n,)``.
    law
        Plain function of named values that returns A, c and G (see `matrix` for writing them), once, as in
        the paper; it is differentiated by the complex step. A `Formula` of these three may be shared with
        others, and is then evaluated once for all.
    shapes
        Shape of each named value that is not a scalar.
    """

    def __init__(
        self,
        name: str,
        state: tuple[Quantity, ...],
        law: Callable[..., Any] | Formula,
        shapes: Mapping[str, tuple[int, ...]] | None = None,
    ) -> None:
        self.name = name
        self.state = state
        self.autonomous = True
        self.shapes = dict(shapes or {})
        self._law = law if isinstance(law, Formula) else Formula(law, ("A", "c", "G"), f"law of {name}")
        self.inputs = self._law.inputs

    def transitions(self, intervals: Intervals, values: Values) -> list[Transition]:
        """Return F, b and Q of each interval."""
        law = self._law.value(values)
        A, c, G = law["A"], law["c"], law["G"]
        return [Transition(*discretise(A, c, G, stop - start)) for start, stop in intervals]

    def stacked(self, start: float, stop: float, values: Values, count: int) -> Transition:
        """Return F, b and Q of many sets of values."""
        return Transition(*discretise_rows(*law_rows(self._law, self, values, count), stop - start))

    def linearize_transitions(
        self, intervals: Intervals, values: Values
    ) -> list[tuple[Transition, dict[str, Transition]]]:
        """Return F, b and Q of each interval and their derivatives to each input."""
        given = tuple((name, np.asarray(values[name], dtype=float)) for name in self.inputs)
        content = tuple((name, array.tobytes(), array.shape) for name, array in given)
        A, c, G, tangents = _linearized(self._law, self.size, content)
        shapes = {name: array.shape for name, array in given}
        pairs = [discretise_tangents(A, c, G, tangents, stop - start) for start, stop in intervals]
        return [(Transition(*now), _by_input(moved, shapes)) for now, moved in pairs]

    def stationary(self, values: Values) -> tuple[Array, Array]:
        """Return mean ``(n,)`` and covariance ``(n, n)`` that no longer change.

        Raises
        ------
        Infeasible
            If the process does not settle: A has an eigenvalue that does not decay.
        """
        law = self._law.value(values)
        if np.linalg.eigvals(law["A"]).real.max() >= 0:
            raise Infeasible(self.name, dict(values), "the process has no stationary law")
        mean = np.asarray(np.linalg.solve(law["A"], -law["c"]))
        return mean, solve_continuous_lyapunov(law["A"], -law["G"])


def law_rows(
    law: Formula, dynamics: LinearDynamics, values: Values, count: int
) -> tuple[Array, Array, Array]:
    """Return A, c and G ``(count, ...)`` of many sets of values that the dynamics reads; remembered."""
    given = ((name, np.asarray(values[name], dtype=float)) for name in dynamics.inputs)
    content = (
        (name, array.tobytes(), array.shape, array.ndim > len(dynamics.shapes.get(name, ())))
        for name, array in given
    )
    return _law_rows(law, tuple(content), count)


@lru_cache(maxsize=8)
def _law_rows(
    law: Formula, content: tuple[tuple[str, bytes, tuple[int, ...], bool], ...], count: int
) -> tuple[Array, Array, Array]:
    parts = [(name, np.frombuffer(b).reshape(shape), rows) for name, b, shape, rows in content]
    made = [
        law.value({name: array[row] if rows else array for name, array, rows in parts})
        for row in range(count)
    ]
    A, c, G = (np.array([one[part] for one in made], dtype=float) for part in ("A", "c", "G"))
    return A, c, G


@lru_cache(maxsize=32)
def _linearized(
    law: Formula, n: int, content: tuple[tuple[str, bytes, tuple[int, ...]], ...]
) -> tuple[Array, Array, Array, Discrete]:
    """Return A, c, G and their derivatives to every input scalar; remembered, as a path asks at each step."""
    made, linear = law.linearize({name: np.frombuffer(b).reshape(shape) for name, b, shape in content})
    tangents = Discrete(*(_directions(law, linear, n, *part) for part in (("A", 2), ("c", 1), ("G", 2))))
    return made["A"], made["c"], made["G"], tangents


def _directions(law: Formula, linear: Linearization, n: int, output: str, axes: int) -> Array:
    rows = [leading(linear, output, name, axes).reshape((-1, *(n,) * axes)) for name in law.inputs]
    return np.concatenate(rows) if rows else np.zeros((0, *(n,) * axes))


def _by_input(moved: Discrete, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Transition]:
    """Return stacked directions as one derivative per input, with the input's axes in front."""
    slopes, first = {}, 0
    for name, shape in shapes.items():
        rows = slice(first, first + int(np.prod(shape)))
        slopes[name] = Transition(*(part[rows].reshape(shape + part.shape[1:]) for part in moved))
        first = rows.stop
    return slopes


def matrix(rows: Sequence[Sequence[Any]]) -> Any:
    """Return a matrix from rows of numbers, inside a formula that will be differentiated."""
    return np.stack([np.stack([np.asarray(1.0) * entry for entry in row]) for row in rows])
