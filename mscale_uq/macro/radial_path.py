"""`RadialPath`: what diffuses in a body, read at given times; at the surface, and as means over layers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike

from mscale_uq.core.complex_step import Plain, slopes
from mscale_uq.core.dynamics import increasing, initial_name
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Linearization, MatrixLinearization, Named, Stage, Values
from mscale_uq.macro.radial import Moves, Physics, Radial, Run, joined
from mscale_uq.solve.ledger import Ledger


@final
@dataclass(frozen=True)
class Mean:
    """The mean over the volume of a layer (all of them if None) of an analytic function of c."""

    output: str
    layer: int | None = None
    function: Callable[..., Any] = np.positive

    def weights(self, body: Radial) -> Array:
        """Return the share of every cell ``(cells,)``."""
        inside = body.mesh.volumes * (1.0 if self.layer is None else body.mesh.layer[self.layer])
        return inside / inside.sum()

    def of(self, c: Array, weights: Array) -> Array:
        """Return the means ``(times,)`` for c ``(times, cells)``."""
        made: Array = self._plain([c])[self.output] @ weights
        return made

    def slopes(self, c: Array, weights: Array) -> Array:
        """Return the derivative of each time's mean to that time's c ``(times, cells)``."""
        made = self._plain([c])
        each: Array = slopes(self._plain, {"c": c}, made, [("c", None)])[self.output][0] * weights
        return each

    @property
    def _plain(self) -> Plain:
        return Plain(self.output, self.function, (self.output,))


@final
class RadialPath(Stage):
    """Reads ``<name>_initial`` and what the body reads; makes ``<name>_surface`` and the means ``(times,)``.

    At a switch of the drive the surface is still that of the drive before, which diffusion has had no time to
    change. The derivative is that of the discrete steps, whose lengths depend on no parameter.

    Raises
    ------
    SolveFailed
        By `value`, if a step finds no balance, the diffusivity is not positive, or a budget does not close.
    """

    def __init__(
        self, body: Radial, times: ArrayLike, means: Sequence[Mean] = (), start: float = 0.0
    ) -> None:
        self.body, self.start, self.means = body, float(start), tuple(means)
        self.times = increasing(times, self.start)
        self.name = body.name
        self.inputs = (initial_name(body.name), *body.inputs)
        self.outputs = (f"{body.name}_surface", *(mean.output for mean in self.means))
        self._stops = np.unique([self.start, *self.times])
        self._legs = body.legs(self.start, self._stops[1:]) if self._stops.size > 1 else ()
        self._weights = [mean.weights(body) for mean in self.means]

    def value(self, values: Values) -> Named:
        """Return what is read."""
        run = self._run(values, derivative=False)
        return self._read(run)

    def linearize(self, values: Values) -> tuple[Named, Linearization]:
        """Return what is read and its derivative, by sensitivities that march along."""
        run = self._run(values, derivative=True)
        made = self._read(run)
        changes = {self.outputs[0]: run.d_surface}
        for mean, weights in zip(self.means, self._weights, strict=True):
            changes[mean.output] = np.einsum("tn,tmn->tm", mean.slopes(run.c, weights), run.dc)
        shapes = {name: np.shape(values[name]) for name in self.inputs}
        blocks, first = {}, 0
        for name, shape in shapes.items():
            last = first + int(np.prod(shape))
            for output, change in changes.items():
                blocks[output, name] = change[:, first:last].reshape(-1, *shape)
            first = last
        return made, MatrixLinearization(blocks, shapes, dict.fromkeys(made, (self.times.size,)))

    def ledgers(self, values: Values) -> tuple[Ledger, ...]:
        """Return the budgets of all steps."""
        return self._run(values, derivative=False).ledgers

    def _read(self, run: Run) -> Named:
        means = [mean.of(run.c, weights) for mean, weights in zip(self.means, self._weights, strict=True)]
        return dict(zip(self.outputs, [run.surface, *means], strict=True))

    def _run(self, values: Values, *, derivative: bool) -> Run:
        body, physics = self.body, self.body.physics(values)
        c, dc, moved = self._begin(values, physics, derivative)
        runs = [body.at_once(c, self.start, physics, dc, moved)]
        if self._legs:
            runs.append(body.run(c, self._legs, physics, dc, moved))
        run = joined(runs)
        rows = np.searchsorted(self._stops, self.times)
        return Run(run.c[rows], run.dc[rows], run.surface[rows], run.d_surface[rows], run.ledgers)

    def _begin(self, values: Values, physics: Physics, derivative: bool) -> tuple[Array, Array, Moves]:
        """Return the first c, its sensitivities, and what each direction moves of the physics."""
        first = np.asarray(values[self.inputs[0]], dtype=float)
        c = np.broadcast_to(first, (physics.K.size,)).copy()
        own = first.size if derivative else 0
        rest = len(physics.moved[0]) if derivative else 0
        moved = tuple(np.vstack([np.zeros((own, part.shape[1])), part[:rest]]) for part in physics.moved)
        dc = np.zeros((own + rest, c.size))
        dc[:own] = np.eye(c.size) if own == c.size else 1.0
        return c, dc, moved
