"""The rate of change of an ordinary differential equation, as a stage: its zeros are the states at rest."""

from collections.abc import Collection, Sequence
from copy import copy
from typing import final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Linearization, MatrixLinearization, Named, Stage, Values
from mscale_uq.macro.ode import Ode


@final
class OdeRate(Stage):
    """Reads the state variables and parameters of an `Ode` and makes ``<variable>_rate``, at time 0.

    As the residual of an `Implicit` or a `Fold` it gives states at rest, how stable they are, and where they
    cease to be, from the same right-hand side that is integrated in time.

    Raises
    ------
    NoGradient
        By `linearize`, at its first use, if the right-hand side is not analytic.
    """

    def __init__(self, ode: Ode) -> None:
        self.ode = ode
        self.name = f"rate of {ode.name}"
        self.inputs = (*(variable.name for variable in ode.state), *ode.parameters)
        self.outputs = tuple(f"{variable.name}_rate" for variable in ode.state)
        self._moved = self.inputs
        self._seen_analytic = False

    def value(self, values: Values) -> Named:
        """Return the rate of every state variable."""
        return self._named(self.ode.rate.at(0.0, self._state(values), self.ode.vector(values)))

    def moved_by(self, names: Collection[str]) -> "OdeRate":
        """Return the stage with the derivatives to these inputs alone."""
        here = copy(self)
        here._moved = tuple(name for name in self.inputs if name in names)
        return here

    def linearize(self, values: Values) -> tuple[Named, Linearization]:
        """Return the rates and their derivatives to state and parameters."""
        ode, y, p = self.ode, self._state(values), self.ode.vector(values)
        if not self._seen_analytic:
            ode.rate.check_analytic(0.0, y, p)
            self._seen_analytic = True
        made = self._named(ode.rate.at(0.0, y, p))
        columns, rows = _places(values, self.inputs), _places(made, self.outputs)
        moved = np.concatenate([np.arange(y.size + p.size)[columns[name]] for name in self._moved])
        slopes = np.hstack(ode.rate.slopes(0.0, y, p, moved[moved >= y.size] - y.size)[:2])
        shapes = {name: np.shape(values[name]) for name in self._moved}
        blocks = {
            (output, name): slopes[rows[output], columns[name]].reshape(np.shape(array) + shape)
            for output, array in made.items()
            for name, shape in shapes.items()
        }
        return made, MatrixLinearization(blocks, shapes, {name: np.shape(a) for name, a in made.items()})

    def _state(self, values: Values) -> Array:
        return np.concatenate([np.ravel(values[variable.name]) for variable in self.ode.state])

    def _named(self, rate: Array) -> Named:
        return dict(zip(self.outputs, self.ode.split(rate).values(), strict=True))


def _places(values: Values, names: Sequence[str]) -> dict[str, slice]:
    """Where each name's entries lie when all are put behind each other."""
    ends = np.cumsum([0, *(np.size(values[name]) for name in names)]).tolist()
    return {name: slice(*ends[i : i + 2]) for i, name in enumerate(names)}
