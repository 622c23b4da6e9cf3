"""`StepFormula`: dynamics from one plain function, differentiated as a `Formula` is."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, final

import numpy as np

from mscale_uq.core.chain import read_only
from mscale_uq.core.dynamics import Dynamics
from mscale_uq.core.formula import Formula, arguments
from mscale_uq.core.parameter import Array, Quantity
from mscale_uq.core.stage import Linearization, MatrixLinearization, Values
from mscale_uq.errors import WiringError, explain

TIMES = ("start", "stop")


@final
class StepFormula(Dynamics):
    """Dynamics of a few numbers whose step is known in closed form.

    Parameters
    ----------
    function
        Returns the state variables at time ``stop``, a tuple in their order if several. It reads by name
        state variables at time ``start``, other values, ``start`` and ``stop``. It must broadcast, since a
        state variable holds one number per member.
    state
        The state variables, scalars.
    noise
        Returns the covariance ``(n, n)`` that a step adds; it reads values, ``start`` and ``stop`` by name.
        No noise unless given.
    shapes
        Shape of each value read that is not a scalar.
    name
        What failures call it; the function's name unless given.

    Raises
    ------
    WiringError
        If there is no state variable, one is given twice or is no scalar, or the noise reads the state. When
        run: if a value has a shape that was not declared, or the function returns one of another shape.
    """

    random: ClassVar[bool] = False

    def __init__(
        self,
        function: Callable[..., Any],
        state: tuple[Quantity, ...],
        noise: Callable[..., Any] | None = None,
        shapes: Mapping[str, tuple[int, ...]] | None = None,
        name: str | None = None,
    ) -> None:
        self.state = tuple(state)
        self.shapes = dict(shapes or {})
        variables = [variable.name for variable in self.state]
        if not variables or len(set(variables)) != len(variables):
            raise WiringError(explain(f"state variables {variables}", "at least one, each once"))
        for variable in self.state:
            if variable.shape != ():
                raise WiringError(
                    explain(f"state variable {variable.name!r} of shape {variable.shape}", "scalars")
                )
        self._step = Formula(function, tuple(f"{variable} at stop" for variable in variables), name)
        self._noise = noise
        spread = arguments(noise) if noise else ()
        if set(spread) & set(variables):
            raise WiringError(
                explain(f"the noise of {self._step.name!r} reads the state", "values, start, stop")
            )
        read = dict.fromkeys([*self._step.inputs, *spread])
        self.inputs = tuple(one for one in read if one not in (*variables, *TIMES))
        self.name = self._step.name

    def step(
        self, states: Array, start: float, stop: float, values: Values, rng: np.random.Generator
    ) -> Array:
        """Return the states ``(members, n)`` at time `stop`."""
        self._check(values, len(states))
        several = [name for name in self.inputs if np.ndim(values[name]) > len(self.shapes.get(name, ()))]
        if not any(self.shapes.get(name) for name in several):
            return self._moved(states, start, stop, values)
        rows = [
            self._moved(state[None], start, stop, {**values, **{name: values[name][row] for name in several}})
            for row, state in enumerate(states)
        ]
        return np.concatenate(rows)

    def linearize_step(
        self, state: Array, start: float, stop: float, values: Values
    ) -> tuple[Array, Linearization]:
        """Return the state ``(n,)`` at `stop` and its derivative to the state and to every input."""
        self._check(values, None)
        moving = {name for name in self._step.inputs if name not in TIMES}
        made, slopes = self._step.moved_by(moving).linearize(self._given(state, start, stop, values))
        assert isinstance(slopes, MatrixLinearization)  # what `Formula` returns

        def stacked(name: str) -> Array:
            shape = np.shape(values.get(name, 0.0))
            return np.stack([slopes.jacobians.get((output, name), np.zeros(shape)) for output in made])

        blocks = {("state", name): stacked(name) for name in self.inputs}
        blocks["state", "state"] = np.stack([stacked(variable.name) for variable in self.state], axis=1)
        shapes = {"state": state.shape, **{name: np.shape(values[name]) for name in self.inputs}}
        return np.array(list(made.values())), MatrixLinearization(blocks, shapes, {"state": state.shape})

    def noise(self, start: float, stop: float, values: Values) -> Array:
        """Return the covariance ``(n, n)`` that the step adds."""
        if self._noise is None:
            return super().noise(start, stop, values)
        known = {**values, "start": start, "stop": stop}
        made = self._noise(**{name: known[name] for name in arguments(self._noise)})
        if np.shape(made) != (self.size, self.size):
            given = f"noise of {self.name!r} of shape {np.shape(made)}"
            raise WiringError(explain(given, f"a covariance ({self.size}, {self.size})"))
        return np.asarray(made, dtype=float)

    def _moved(self, states: Array, start: float, stop: float, values: Values) -> Array:
        made = self._step.value(self._given(states, start, stop, values))
        for output, column in made.items():
            if column.shape not in ((), (len(states),)):
                given = f"{self.name!r} made {output!r} of shape {column.shape} for {len(states)} members"
                raise WiringError(explain(given, "one number per member"))
        return np.stack([np.broadcast_to(column, len(states)) for column in made.values()], axis=1)

    def _given(self, states: Array, start: float, stop: float, values: Values) -> dict[str, Any]:
        now = {name: read_only(column) for name, column in self.split(states).items()}
        known = {**values, "start": np.asarray(start), "stop": np.asarray(stop), **now}
        return {name: known[name] for name in self._step.inputs}

    def _check(self, values: Values, members: int | None) -> None:
        """Refuse a value of another shape than declared; in an ensemble it may have one row per member."""
        for name in self.inputs:
            shape, declared = np.shape(values[name]), self.shapes.get(name, ())
            if shape != declared and (members is None or shape != (members, *declared)):
                hint = f"say shapes={{{name!r}: {shape}}}"
                given = f"{self.name!r}: {name!r} of shape {shape}"
                raise WiringError(explain(given, f"{declared}, or one row per member", hint))
