"""The rate of change of an ordinary differential equation, as a stage: its zeros are the states at rest."""

from collections.abc import Collection
from copy import copy
from math import prod
from typing import final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Linearization, MatrixLinearization, Named, Stage, Values, places_of
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
        self._state = {variable.name: variable.shape for variable in ode.state}
        self._shapes = self._state | {name: ode.shapes.get(name, ()) for name in ode.parameters}
        self.inputs = tuple(self._shapes)
        self.outputs = tuple(f"{name}_rate" for name in self._state)
        self._places = places_of({name: prod(shape) for name, shape in self._shapes.items()})
        self._size = sum(prod(shape) for shape in self._state.values())
        size = sum(prod(shape) for shape in self._shapes.values())
        self._given = np.append(np.zeros(size), ode.constants)
        self._moved = self.inputs
        self._rate = ode.rate
        self._seen_analytic = False

    def value(self, values: Values) -> Named:
        """Return the rate of every state variable."""
        return self._named(self._rate.at(0.0, *self._point(values)))

    def moved_by(self, names: Collection[str]) -> "OdeRate":
        """Return the stage with the derivatives to these inputs alone."""
        here = copy(self)
        here._moved = tuple(name for name in self.inputs if name in names)
        return here

    def holding(self, values: Values) -> "OdeRate":
        """Return the stage that reads only what `values` lacks."""
        here = copy(self)
        here._given = self._joined(values)
        here.inputs = tuple(name for name in self.inputs if name not in values)
        here._moved = tuple(name for name in self._moved if name not in values)
        return here

    def linearize(self, values: Values) -> tuple[Named, Linearization]:
        """Return the rates and their derivatives to state and parameters."""
        rate, (y, p) = self._rate, self._point(values)
        if not self._seen_analytic:
            rate.check_analytic(0.0, y, p)
            self._seen_analytic = True
        made = self._named(rate.at(0.0, y, p))
        moved = [np.arange(p.size)[self._after(name)] for name in self._moved if name not in self._state]
        slopes = np.hstack(rate.slopes(0.0, y, p, np.concatenate(moved or [np.zeros(0, int)]))[:2])
        shapes = {name: self._shapes[name] for name in self._moved}
        blocks = {
            (output, name): slopes[self._places[variable], self._places[name]].reshape(*rows, *shape)
            for output, (variable, rows) in zip(self.outputs, self._state.items(), strict=True)
            for name, shape in shapes.items()
        }
        return made, MatrixLinearization(blocks, shapes, {name: array.shape for name, array in made.items()})

    def _after(self, name: str) -> slice:
        """Where a parameter lies in p."""
        place = self._places[name]
        return slice(place.start - self._size, place.stop - self._size)

    def _joined(self, values: Values) -> Array:
        joined = self._given.copy()
        for name in self.inputs:
            if name in values:
                joined[self._places[name]] = np.ravel(values[name])
        return joined

    def _point(self, values: Values) -> tuple[Array, Array]:
        joined = self._joined(values)
        return joined[: self._size], joined[self._size :]

    def _named(self, rate: Array) -> Named:
        return {
            output: rate[self._places[variable]].reshape(shape)
            for output, (variable, shape) in zip(self.outputs, self._state.items(), strict=True)
        }
