"""The mode of a density, by trust-region steps with its exact gradient and differences of that.

Sampler coordinates have unit scale under the prior, which is what the first difference steps are taken from;
later ones follow the width of the density itself. Differences are one-sided on the way, where a thousandth's
error costs at most a step, and central at the end.
"""

from dataclasses import dataclass
from itertools import chain, islice
from typing import final

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.optimize import OptimizeResult, minimize

from mscale_uq.core.parameter import Array
from mscale_uq.infer.density import Density, Function

SEARCHES = 4  # from different prior draws; the best end counts
STEP = 1e-3  # of a difference, relative to the density's width; a mode's Hessian is wrong by its square
STEEPEST = 1e-6  # gradient at which a search ends by itself
MOST_STEPS = 200
MANY = 30  # unknowns; beyond, the far way is gone without second derivatives, which cost a gradient each
GAIN = 1e-8  # nats that a Newton step may still promise at a mode
SETTLED = GAIN / 1000  # where a search ends, a few millionths of a standard deviation from the mode


@final
@dataclass(frozen=True)
class Optimum:
    """Where a search ended.

    Attributes
    ----------
    z
        The point ``(n,)``.
    value
        Log-density there.
    precision
        Minus the Hessian there ``(n, n)``.
    trouble
        Why it is not a mode; empty if it is one.
    """

    z: Array
    value: float
    precision: Array
    trouble: str


def find_mode(density: Density, function: Function, rng: np.random.Generator, tries: int) -> Optimum:
    """Return the best of several searches: modes before other ends, then by density.

    Raises
    ------
    ParameterError
        If no start is found.
    """
    starts = [density.find_start(rng, tries) for _ in range(SEARCHES)]
    return max((climb(function, start) for start in starts), key=lambda end: (not end.trouble, end.value))


def climb(function: Function, start: Array, most_steps: int = MOST_STEPS) -> Optimum:
    """Search for a mode from `start`, by so many trial steps at most."""
    search = _Search(function, start.size)
    if start.size > MANY:
        options = {"maxiter": MOST_STEPS}
        start = minimize(search.descend, start, jac=True, method="L-BFGS-B", options=options).x
    z = minimize(
        search.descend,
        start,
        jac=True,
        hess=search.bend,
        method="trust-exact",
        callback=search.look,
        options={"gtol": STEEPEST, "maxiter": most_steps},
    ).x
    value, slope = function(z)
    matrix = precision(function, z, STEP * search.width)
    return Optimum(z, value, matrix, _trouble(slope, matrix, GAIN))


@final
class _Search:
    """Minus a log-density, as SciPy's trust regions ask for it.

    They ask for second derivatives at every trial point and go to higher ones only, so these alone get any;
    and they know no end but a flat place, which round-off may hide: a mode is where no step promises more.
    """

    def __init__(self, function: Function, size: int) -> None:
        self._function = function
        self._point = np.full(size, np.nan), -np.inf, np.zeros(size)
        self._matrix = np.eye(size)
        self._height = -np.inf
        self.width = np.ones(size)

    def descend(self, z: Array) -> tuple[float, Array]:
        """Return minus the density and its slope; infinite where there is none."""
        value, slope = self._at(z)
        return (-value, -slope) if np.isfinite(value) else (np.inf, np.zeros(z.size))

    def bend(self, z: Array) -> Array:
        """Return minus the Hessian, or any matrix where the search will not go."""
        if not self._at(z)[0] > self._height:
            return np.eye(z.size)
        matrix = precision(self._function, z, STEP * self.width, self._at(z))
        if not np.isfinite(matrix).all():
            return self._matrix  # the last one that was known will do to take a step
        self._matrix = matrix
        self.width = 1.0 / np.sqrt(np.maximum(np.diag(self._matrix), 1.0))
        return self._matrix

    def _at(self, z: Array) -> tuple[float, Array]:
        if not np.array_equal(self._point[0], z):
            self._point = z.copy(), *self._function(z)
        return self._point[1:]

    def look(self, intermediate_result: OptimizeResult) -> None:
        """Remember how high the search stands; end it at a mode."""
        self._height = -intermediate_result.fun
        there, _, slope = self._point
        if np.array_equal(there, intermediate_result.x) and not _trouble(slope, self._matrix, SETTLED):
            raise StopIteration


def precision(function: Function, z: Array, steps: Array, here: tuple[float, Array] | None = None) -> Array:
    """Return minus the Hessian ``(n, n)`` by differences of the gradient; a side that fails is left out.

    With what is known `here`, one gradient a direction is enough; the error is then the step, not its square.
    A direction in which both sides fail is not a number.
    """
    columns = [_column(function, z, step, here) for step in np.diag(steps)]
    return -0.5 * (np.array(columns) + np.array(columns).T)


def _column(function: Function, z: Array, step: Array, here: tuple[float, Array] | None) -> Array:
    known = [] if here is None else [(0.0, *here)]
    sides = (1.0, -1.0, 0.0) if here is None else (1.0, -1.0)
    ends = chain(known, ((side, *function(z + side * step)) for side in sides))
    two = list(islice((end for end in ends if np.isfinite(end[1])), 2))
    if len(two) < 2:
        return np.full(z.size, np.nan)
    (first, _, high), (last, _, low) = two
    return (high - low) / ((first - last) * step.sum())


def _trouble(slope: Array, matrix: Array, most: float) -> str:
    if not np.isfinite(matrix).all():
        return "there is no density on either side of it, in some direction"
    try:
        gain = 0.5 * slope @ cho_solve(cho_factor(matrix), slope)
    except LinAlgError:
        return "the density does not fall off in every direction there"
    if gain > most:
        return f"a further step promises {gain:.2g} nats: a rough model, a wrong gradient, or no mode inside"
    return ""
