"""`Fold`: the value of an input at which a branch of solutions turns back, as a stage with its derivative."""

from collections.abc import Collection, Sequence
from copy import copy
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from mscale_uq.core.continuation import Point
from mscale_uq.core.coupling import Coupling
from mscale_uq.core.implicit import Branch, begin
from mscale_uq.core.newton import NewtonSettings
from mscale_uq.core.on_branch import first_fold
from mscale_uq.core.stage import Linearization, MatrixLinearization, Named, Stage, Values
from mscale_uq.errors import Infeasible


@final
class Fold(Stage):
    """Follows a branch to its first fold: the critical load, field or supply.

    At a fold r = 0 and w dr/du = 0 for some w, so that whatever else moves, its change along the branch is
    -(w dr)/(w dr/ds): exact, without second derivatives.

    Parameters
    ----------
    stages, unknown, residual, start, settings
        As in `Implicit`.
    branch
        Where the branch begins, and along which input, which the stages read and this stage finds.
    latest
        The fold must come before this value of it.
    output
        Name of the value found.
    name
        What failures call it.

    Raises
    ------
    Infeasible
        By `value`, if the branch has no fold before `latest`, or no beginning.
    SolveFailed
        By `value`, if the branch could not be followed.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        unknown: str,
        residual: str,
        start: ArrayLike,
        branch: Branch,
        latest: float,
        output: str,
        name: str | None = None,
        settings: NewtonSettings = NewtonSettings(),  # noqa: B008  (frozen)
    ) -> None:
        self._coupling = Coupling(stages, unknown, residual, start, branch.along)
        self.inputs = tuple(item for item in self._coupling.inputs if item != branch.along)
        self.outputs = (output,)
        self.name = name or f"fold along {branch.along}"
        self._branch, self._latest, self._settings = branch, float(latest), settings

    def moved_by(self, names: Collection[str]) -> "Fold":
        """Return the stage with the derivatives to these inputs alone."""
        here = copy(self)
        here._coupling = self._coupling.moved_by({*names, self._branch.along})
        return here

    def value(self, values: Values) -> Named:
        """Return the value of the input at the first fold."""
        return {self.outputs[0]: np.asarray(self.point(values).parameter)}

    def linearize(self, values: Values) -> tuple[Named, Linearization]:
        """Return it, and its derivative to everything that is read."""
        point, along = self.point(values), self._branch.along
        here = {**values, along: np.asarray(point.parameter)}
        _, inner, _ = self._coupling.linearize(here, point.unknown)
        rows = np.linalg.norm(point.jacobian, axis=1)
        left = np.linalg.svd(point.jacobian / np.where(rows > 0, rows, 1.0)[:, None])[0][:, -1]
        weight = (left / np.where(rows > 0, rows, 1.0)).reshape(self._coupling.start.shape)
        back = inner.vjp({self._coupling.residual: weight})
        output, shapes = (
            self.outputs[0],
            {name: np.shape(values[name]) for name in self.inputs if name in back},
        )
        blocks = {(output, name): -back[name] / back[along] for name in shapes}
        return {output: here[along]}, MatrixLinearization(blocks, shapes, {output: ()})

    def point(self, values: Values) -> Point:
        """Return the fold with the unknown there."""
        settled = self._coupling.settle({**values, self._branch.along: np.asarray(self._branch.since)})
        curve = begin(self._coupling, settled, self._branch, self._latest, self._settings, self.name)
        fold = first_fold(curve, self._latest)
        if fold is None:
            shown = {name: values[name] for name in self.inputs}
            raise Infeasible(self.name, shown, f"no fold before {self._branch.along} = {self._latest:g}")
        return fold
