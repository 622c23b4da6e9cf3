"""`Implicit`: stages that must agree with each other, solved for an unknown and differentiated exactly."""

from collections.abc import Collection, Sequence
from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from mscale_uq.core.chain import ChainLinearization
from mscale_uq.core.continuation import Curve, Point
from mscale_uq.core.coupling import Coupling, Settled
from mscale_uq.core.newton import NewtonSettings, find_root
from mscale_uq.core.on_branch import arrive, crossings
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Linearization, Named, Stage, Values
from mscale_uq.errors import Infeasible, SolveFailed, WiringError, explain


@final
@dataclass(frozen=True)
class Branch:
    """Which of several solutions is meant: the one that is reached when an input is raised slowly.

    Attributes
    ----------
    along
        Name of a scalar input of the stages: a load, a field, a supply.
    since
        Its value where the branch begins, with the solution that Newton's method finds from the start.
    size
        About how far the unknown moves until it matters, in its unit; None takes what it would move on the
        whole way if it went on as it begins, which is too little where it begins exponentially.
    """

    along: str
    since: float = 0.0
    size: float | None = None


@final
class Implicit(Stage):
    """Runs stages until a named residual vanishes in a named unknown.

    A feedback loop is residual = made - guess. The derivative is that of the equality (implicit function
    theorem at the solution), not of the iterations.

    Parameters
    ----------
    stages
        They read the unknown and make the residual, of the same size.
    unknown, residual
        The two names. The unknown becomes an output; the residual stays inside.
    start
        Where the search starts. Always the same, so that a value never depends on earlier ones.
    name
        What failures call it.
    branch
        Which solution is meant, where there are several. Without it any will do: Newton's method, then the
        homotopy r(u) = (1 - s) r(start), followed through its folds.

    Raises
    ------
    WiringError
        When made, if nobody reads the unknown or makes the residual.
    Infeasible
        By `value`, if the branch folds back before it gets here: it has no solution here.
    SolveFailed
        By `value`, if the search ends elsewhere; by `linearize`, so near to a fold that the derivative, which
        is infinite there, has no digit.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        unknown: str,
        residual: str,
        start: ArrayLike,
        name: str | None = None,
        settings: NewtonSettings = NewtonSettings(),  # noqa: B008  (frozen)
        branch: Branch | None = None,
    ) -> None:
        self.coupling = Coupling(stages, unknown, residual, start, None if branch is None else branch.along)
        self.inputs = self.coupling.inputs
        self.outputs = (unknown, *(output for output in self.coupling.made if output != residual))
        self.name = name or f"implicit {unknown}"
        self._settings, self._branch = settings, branch

    def moved_by(self, names: Collection[str]) -> "Implicit":
        """Return the stage with the derivatives to these inputs alone."""
        here = copy(self)
        here.coupling = self.coupling.moved_by(names)
        return here

    def value(self, values: Values) -> Named:
        """Return the unknown at which the residual vanishes, and everything made there."""
        known = self.coupling.value(values, self._solve(values, self.coupling.settle(values)))
        return {name: known[name] for name in self.outputs}

    def linearize(self, values: Values) -> tuple[Named, Linearization]:
        """Return the solution and its derivative by the implicit function theorem."""
        settled = self.coupling.settle(values)
        u = self._solve(values, settled)
        known, inner, jacobian = self.coupling.linearize(values, u)
        if near_fold(self.coupling, settled, u, jacobian):
            raise SolveFailed(
                self.name, self._shown(values), "the solution sits on a fold, where it has no derivative"
            )
        made = {name: known[name] for name in self.outputs}
        return made, ImplicitLinearization(self.coupling, inner, jacobian)

    def solutions(self, values: Values, low: float = -np.inf, high: float = np.inf) -> tuple[Point, ...]:
        """Return every solution on the branch, in its order, through all folds, stable and not.

        The branch ends where what it goes along leaves (low, high), or, if closed, where it began. Solutions
        that no fold connects to its beginning (isolas, other sides of a pitchfork) are not found: an isola by
        a start on it alone. Stability is that of du/dt = residual.

        Raises
        ------
        WiringError
            If the stage has no `Branch`.
        Infeasible, SolveFailed
            If the branch has no beginning.
        """
        if self._branch is None:
            given = f"{self.name}: solutions are followed along an input"
            raise WiringError(explain(given, hint="Implicit(.., branch=Branch('field', since=0.0))"))
        target = float(values[self._branch.along])
        settled = self.coupling.settle(values)
        curve = begin(self.coupling, settled, self._branch, target, self._settings, self.name)
        return crossings(curve, target, low, high)

    def _solve(self, values: Values, settled: Settled) -> Array:
        if self._branch is not None:
            return self._along(values, settled, self._branch)
        coupling = self.coupling
        root = find_root(lambda u: coupling.at(settled, u)[:2], np.ravel(coupling.start), self._settings)
        if root.converged:
            return root.unknown
        if root.fold:
            where = f"the branch from {coupling.unknown} = {coupling.start} folds back at {root.unknown}"
            raise Infeasible(self.name, self._shown(values), f"no solution: {where}")
        where = f"{coupling.unknown} = {root.unknown}"
        raise SolveFailed(self.name, self._shown(values), f"Newton and homotopy stopped at {where}")

    def _along(self, values: Values, settled: Settled, branch: Branch) -> Array:
        target = float(values[branch.along])
        curve = begin(self.coupling, settled, branch, target, self._settings, self.name)
        if target == branch.since:
            return curve.first.unknown
        found, fold = arrive(curve, target)
        if found is not None:
            return found.unknown
        since = f"the branch from {branch.along} = {branch.since:g}"
        if fold is not None:
            where = f"{since} folds back at {fold.parameter:.6g}"
            raise Infeasible(self.name, self._shown(values), f"no solution: {where}")
        raise SolveFailed(self.name, self._shown(values), f"{since} could not be followed to {target:.6g}")

    def _shown(self, values: Values) -> Named:
        return {name: values[name] for name in self.inputs}


def begin(
    coupling: Coupling, settled: Settled, branch: Branch, until: float, settings: NewtonSettings, name: str
) -> Curve:
    """Return the branch of solutions that goes towards `until`.

    Raises
    ------
    Infeasible, SolveFailed
        If no solution is found where it begins.
    """
    since = branch.since
    root = find_root(lambda u: coupling.at(settled, u, since)[:2], np.ravel(coupling.start), settings)
    if not root.converged:
        failure, shown = Infeasible if root.fold else SolveFailed, {**settled.values, **settled.along}
        raise failure(name, shown, f"no solution at {coupling.along} = {since:g}, where the branch begins")
    return Curve(partial(coupling.at, settled), root.unknown, since, (until - since) or 1.0, size=branch.size)


def near_fold(coupling: Coupling, settled: Settled, u: Array, jacobian: Array) -> bool:
    """Whether a fold is so near that round-off in u ``(n,)`` takes the derivative's digits.

    At a distance D from the fold, in shares of u, the solution is known to about eps/D and the derivative to
    eps/D^2: with one hundredth where D is ten roots of eps. How far the fold is, is told by how dr/du changes
    along the direction in which it is nearest to singular.
    """
    size = np.where(u == 0, np.abs(u).max(initial=0.0), np.abs(u))
    if not size.all():
        return not jacobian.any()
    rows = np.linalg.norm(jacobian * size, axis=1)
    if not rows.all():
        return True
    left, values, right = np.linalg.svd(jacobian * size / rows[:, None])
    ahead = u + 10 * np.finfo(float).eps ** 0.5 * size * right[-1]
    change = (coupling.at(settled, ahead)[1] - jacobian) * size / rows[:, None]
    return bool(values[-1] == 0 or abs(left[:, -1] @ change @ right[-1]) > values[-1])


@final
class ImplicitLinearization(Linearization):
    """Derivative of a solution: du = -(dr/du)^-1 dr, then on through the inner stages."""

    def __init__(self, coupling: Coupling, inner: ChainLinearization, jacobian: Array) -> None:
        self._coupling, self._inner, self._jacobian = coupling, inner, jacobian
        self._shape = coupling.start.shape

    def jvp(self, tangents: Values) -> Named:
        """Carry changes of the inputs to the solution and to what is made there."""
        inputs, residual = self._coupling.inputs, self._coupling.residual
        moved = {name: tangents[name] for name in inputs if name in tangents}
        direct = self._inner.jvp(moved).get(residual, np.zeros(self._shape))
        change = -np.asarray(np.linalg.solve(self._jacobian, np.ravel(direct))).reshape(self._shape)
        result = self._inner.jvp({**moved, self._coupling.unknown: change})
        return {name: array for name, array in result.items() if name not in (*inputs, residual)}

    def vjp(self, cotangents: Values) -> Named:
        """Carry sensitivities of the solution back to the inputs."""
        unknown, zero = self._coupling.unknown, np.zeros(self._shape)
        outer = {name: weight for name, weight in cotangents.items() if name != unknown}
        direct = self._inner.vjp(outer)
        load = np.ravel(direct[unknown]) + np.ravel(cotangents.get(unknown, zero))
        adjoint = -np.asarray(np.linalg.solve(self._jacobian.T, load)).reshape(self._shape)
        indirect = self._inner.vjp({self._coupling.residual: adjoint})
        return {name: direct[name] + indirect[name] for name in direct if name != unknown}
