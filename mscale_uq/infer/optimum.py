"""The mode of a density, by trust-region steps with its exact gradient and differences of that.

Sampler coordinates have unit scale under the prior, which is what the first difference steps are taken from;
later ones follow the width of the density itself.
"""

from dataclasses import dataclass
from itertools import islice
from typing import final

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.optimize import minimize

from mscale_uq.core.parameter import Array
from mscale_uq.infer.density import Density, Function

SEARCHES = 4  # from different prior draws; the best end counts
STEP = 1e-3  # of a difference, relative to the density's width; the error of the Hessian is its square
STEEPEST = 1e-6  # gradient at which a search ends by itself
MOST_STEPS = 200
MANY = 30  # unknowns; beyond, the far way is gone without second derivatives, which cost two gradients each
GAIN = 1e-8  # nats that a Newton step may still promise at a mode


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


def climb(function: Function, start: Array) -> Optimum:
    """Search for a mode from `start`."""
    width = np.ones(start.size)

    def descend(z: Array) -> tuple[float, Array]:
        value, slope = function(z)
        return (-value, -slope) if np.isfinite(value) else (np.inf, np.zeros(z.size))

    def bend(z: Array) -> Array:
        nonlocal width
        if not np.isfinite(function(z)[0]):
            return np.eye(z.size)  # asked for at every trial point, used only at good ones
        matrix = precision(function, z, STEP * width)
        width = 1.0 / np.sqrt(np.maximum(np.diag(matrix), 1.0))
        return matrix

    if start.size > MANY:
        start = minimize(descend, start, jac=True, method="L-BFGS-B", options={"maxiter": MOST_STEPS}).x
    options = {"gtol": STEEPEST, "maxiter": MOST_STEPS}
    z = minimize(descend, start, jac=True, hess=bend, method="trust-exact", options=options).x
    value, slope = function(z)
    matrix = bend(z)
    return Optimum(z, value, matrix, _trouble(slope, matrix))


def precision(function: Function, z: Array, steps: Array) -> Array:
    """Return minus the Hessian ``(n, n)`` by differences of the gradient; a side that fails is left out."""
    columns = [_column(function, z, step) for step in np.diag(steps)]
    return -0.5 * (np.array(columns) + np.array(columns).T)


def _column(function: Function, z: Array, step: Array) -> Array:
    ends = ((side, *function(z + side * step)) for side in (1.0, -1.0, 0.0))
    (first, _, high), (last, _, low) = islice((end for end in ends if np.isfinite(end[1])), 2)
    return (high - low) / ((first - last) * step.sum())


def _trouble(slope: Array, matrix: Array) -> str:
    try:
        gain = 0.5 * slope @ cho_solve(cho_factor(matrix), slope)
    except LinAlgError:
        return "the density does not fall off in every direction there"
    if gain > GAIN:
        return f"a further step promises {gain:.2g} nats: a rough model, a wrong gradient, or no mode inside"
    return ""
