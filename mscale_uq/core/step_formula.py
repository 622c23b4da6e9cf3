"""`StepFormula`: dynamics from one plain function, differentiated as a `Formula` is."""

from collections.abc import Callable
from typing import Any, ClassVar, final

import numpy as np

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
    name
        What failures call it; the function's name unless given.

    Raises
    ------
    WiringError
        If a state variable is no scalar, or the noise reads the state.
    """

    random: ClassVar[bool] = False

    def __init__(
        self,
        function: Callable[..., Any],
        state: tuple[Quantity, ...],
        noise: Callable[..., Any] | None = None,
        name: str | None = None,
    ) -> None:
        self.state = tuple(state)
        variables = [variable.name for variable in self.state]
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
        made = self._step.value(self._given(states, start, stop, values))
        return np.stack(np.broadcast_arrays(*made.values(), states[:, 0])[:-1], axis=1)

    def linearize_step(
        self, state: Array, start: float, stop: float, values: Values
    ) -> tuple[Array, Linearization]:
        """Return the state ``(n,)`` at `stop` and its derivative to the state and to every input."""
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
        return np.asarray(self._noise(**{name: known[name] for name in arguments(self._noise)}), dtype=float)

    def _given(self, states: Array, start: float, stop: float, values: Values) -> dict[str, Any]:
        known = {**values, "start": np.asarray(start), "stop": np.asarray(stop), **self.split(states)}
        return {name: known[name] for name in self._step.inputs}
