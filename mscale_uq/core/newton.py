"""Small dense Newton with line search and homotopy, for couplings of a few unknowns.

`Implicit` stands on it. Fields are solved by their own stages; a coupling closes over few numbers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np

from mscale_uq.core.continuation import Curve, Stride
from mscale_uq.core.on_branch import arrive
from mscale_uq.core.parameter import Array

Residual = Callable[[Array], tuple[Array, Array]]


@final
@dataclass(frozen=True)
class Root:
    """Outcome of a root search.

    Attributes
    ----------
    unknown
        The last point, ``(n,)``.
    converged
        Whether the residual vanishes there.
    fold
        Whether the branch from the start has turned back and never reaches a root; it turned at `unknown`.
    """

    unknown: Array
    converged: bool
    fold: bool


@final
@dataclass(frozen=True)
class NewtonSettings:
    """When Newton is content, and when it gives up.

    `tolerance` is relative to the Newton step: the search ends when the step is below ``tolerance`` times
    the unknown's size. `homotopy_steps` is the most steps along the homotopy, either way, and `detour` how
    many times the residual of the start may become larger on its way to zero.
    """

    tolerance: float = 1e-12
    max_iterations: int = 50
    homotopy_steps: int = 200
    detour: float = 10.0


def find_root(residual: Residual, start: Array, settings: NewtonSettings) -> Root:
    """Return a root of ``residual(u) -> (r, dr/du)``: damped Newton, then homotopy from the start.

    The homotopy r(u) = (1 - s) r(start) is followed from s = 0 through its folds. Where it turns back and
    leads away without reaching s = 1, no solution is connected to the start.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # a trial that overflows is a step that was too long
        root = damped_newton(residual, start, settings)
        return root if root.converged else _homotopy(residual, start, settings)


def damped_newton(residual: Residual, start: Array, settings: NewtonSettings) -> Root:
    """Newton with halving of the step until the residual norm falls."""
    u = np.array(start, dtype=float)
    r, jacobian = residual(u)
    largest = 0.0
    for _ in range(settings.max_iterations):
        largest = max(largest, float(np.linalg.norm(u)))
        step = _solve(jacobian, -r)
        if step is None:
            return Root(u, converged=False, fold=False)
        if _below(step, settings.tolerance, u) or not r.any():
            return Root(u + step, converged=True, fold=False)
        moved = _line_search(residual, u, r, step)
        if moved is None:
            # Round-off: the residual no longer falls, though the step is already tiny; where the root is
            # zero, tiny beside where the search has been.
            tiny = _below(step, 1e-9, u) or np.linalg.norm(step) <= 1e-14 * largest
            return Root(u, converged=bool(tiny), fold=False)
        u, r, jacobian = moved
    return Root(u, converged=False, fold=False)


def _below(step: Array, tolerance: float, u: Array) -> bool:
    return bool(np.linalg.norm(step) <= tolerance * np.linalg.norm(u))


def _solve(jacobian: Array, right: Array) -> Array | None:
    try:
        step = np.linalg.solve(jacobian, right)
    except np.linalg.LinAlgError:
        return None
    return np.asarray(step, dtype=float)


def _line_search(residual: Residual, u: Array, r: Array, step: Array) -> tuple[Array, Array, Array] | None:
    size = np.linalg.norm(r)
    for halvings in range(30):
        trial = u + 0.5**halvings * step
        r_trial, jacobian = residual(trial)
        if np.all(np.isfinite(r_trial)) and np.linalg.norm(r_trial) < (1 - 1e-4 * 0.5**halvings) * size:
            return trial, r_trial, jacobian
    return None


def _homotopy(residual: Residual, start: Array, settings: NewtonSettings) -> Root:
    """Follow r(u) = (1 - s) r(start) from s = 0 to 1, through folds, both ways."""
    r_start = residual(start)[0]

    def family(u: Array, s: float) -> tuple[Array, Array, Array]:
        r, jacobian = residual(u)
        return r - (1 - s) * r_start, jacobian, r_start

    u, stride, fold = np.array(start, dtype=float), Stride(most=settings.homotopy_steps), None
    for ahead in (1.0, -1.0):  # one curve leads through the start, and a root may lie on either side
        found, turned = arrive(Curve(family, u, 0.0, ahead, stride), 1.0, least=-settings.detour)
        if found is not None:
            return damped_newton(residual, found.unknown, settings)
        fold = fold or turned
    return Root(u if fold is None else fold.unknown, converged=False, fold=fold is not None)
