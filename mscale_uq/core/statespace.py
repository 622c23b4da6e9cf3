"""`StateSpace`: one declaration from which the forward model for MCMC and every filter are made."""

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import partial
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from mscale_uq.core.chain import Chain
from mscale_uq.core.dynamics import WITHOUT_CHANCE, Dynamics, Rollout, increasing, initial_name
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.law import Law, ObservationOperator
from mscale_uq.core.map import Map
from mscale_uq.core.parameter import Array, Parameter
from mscale_uq.core.places import Places
from mscale_uq.core.stage import Linearization, Named, Stage, Values
from mscale_uq.errors import ParameterError, WiringError, explain, near_match

BLOCK = 4  # members that move together where a map runs them, however many workers there are


@final
class StateSpace:
    """Stages before (a cell problem, say), dynamics, and one observation operator per source.

    Parameters
    ----------
    stages
        Run once, before time starts; they make what the dynamics reads.
    dynamics
        The state and its step.
    observations
        Source name -> operator. The operator's stage reads state variables at one time, and values.
    parameters, constants
        As in `ForwardModel`. The initial state is given as ``<variable>_initial``, by a parameter, a
        constant or a stage, and its variance as ``<variable>_initial_var`` (zero if nobody gives it). Random
        stages have one ``key`` for all members, 0 unless a constant says another. Where the state stands for
        a parameter of the forward model, such as the offsets of dishes, the constants
        ``<parameter>_prior_mean`` and ``<parameter>_prior_var`` are the law of each entry, as a case has it.
    start
        Time of the initial state.
    places
        Where state and readings lie, for localisation; None if the model has no distances.

    Raises
    ------
    WiringError
        If names do not fit together.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        dynamics: Dynamics,
        observations: Mapping[str, ObservationOperator],
        parameters: Sequence[Parameter],
        constants: Mapping[str, ArrayLike] | None = None,
        start: float = 0.0,
        places: Places | None = None,
    ) -> None:
        self.stages = tuple(stages)
        self.dynamics = dynamics
        self.observations = dict(observations)
        self.parameters = tuple(parameters)
        self.constants = dict(constants or {})
        if any("key" in stage.inputs for stage in self.stages):
            self.constants.setdefault("key", 0)
        self.start = float(start)
        self.places = places
        self._map: Map | None = None
        self._before = Chain(self.stages, [*(p.name for p in self.parameters), *self.constants])
        self._check_destruction()
        self.forward(self.start)  # checks the wiring of the whole

    def forward(self, times: ArrayLike | Mapping[str, ArrayLike], key: int = 0) -> ForwardModel:
        """Return the forward model that predicts each source's quantity at its times.

        `times` is one list for all sources, or a list per source; the outputs have shape
        ``(times of the source, *quantity)``.
        """
        chosen = self._times(times)
        union = np.unique(np.concatenate(list(chosen.values())))
        rollout = Rollout(self.dynamics, union, self.start)
        sights = [
            AtTimes(operator, self.dynamics, np.searchsorted(union, chosen[source]))
            for source, operator in self.observations.items()
            if source in chosen
        ]
        outputs = [sight.outputs[0] for sight in sights]
        return ForwardModel([*self.stages, rollout, *sights], self.parameters, outputs, self.constants, key)

    def with_laws(self, laws: Mapping[str, Law]) -> "StateSpace":
        """Return the same model with other laws of some sources; raises `WiringError` for an unknown one."""
        for source in laws:
            self._check_source(source)
        observations = {
            source: replace(operator, law=laws.get(source, operator.law))
            for source, operator in self.observations.items()
        }
        return StateSpace(
            self.stages,
            self.dynamics,
            observations,
            self.parameters,
            self.constants,
            self.start,
            self.places,
        )

    def with_constants(self, constants: Mapping[str, ArrayLike]) -> "StateSpace":
        """Return the same model with further or other constants, such as the variance of an initial value."""
        given = {**self.constants, **constants}
        parts = (self.stages, self.dynamics, self.observations, self.parameters)
        return StateSpace(*parts, given, self.start, self.places)

    def over(self, map: Map) -> "StateSpace":
        """Return the same model, whose ensembles move in blocks of a few members that `map` runs.

        Where a step is matrix algebra, its last digits may differ from those of an ensemble that moves as a
        whole. An ensemble that draws random numbers on its way moves as a whole all the same.
        """
        spread = copy(self)
        spread._map = map
        return spread

    def prepare(self, theta: Values) -> Named:
        """Return every named value at the given parameter values; run once, before a filter starts."""
        for parameter in self.parameters:
            if parameter.name not in theta:
                raise ParameterError(explain(f"no value for {parameter.name!r}"))
        given = {name: np.asarray(value, dtype=float) for name, value in {**self.constants, **theta}.items()}
        return self._before.value({name: given[name] for name in self._before.given})

    def initial(self, values: Values) -> tuple[Array, Array]:
        """Return mean ``(n,)`` and covariance ``(n, n)`` of the state at `start`."""
        names = [variable.name for variable in self.dynamics.state]
        zero = {v.name: np.zeros(v.shape) for v in self.dynamics.state}
        mean = self.dynamics.pack({name: zero[name] + values[initial_name(name)] for name in names})
        variance = self.dynamics.pack(
            {name: zero[name] + values.get(f"{initial_name(name)}_var", 0.0) for name in names}
        )
        return mean, self.dynamics.initial_covariance(variance, values)

    def step(
        self, states: Array, start: float, stop: float, values: Values, rng: np.random.Generator
    ) -> Array:
        """Move the ensemble ``(members, n)`` from `start` to `stop`."""
        read = {name: np.asarray(values[name]) for name in self.dynamics.inputs}
        if self._map is None or self.dynamics.random or len(states) <= BLOCK:
            return self.dynamics.step(states, start, stop, read, rng)
        blocks = [states[first : first + BLOCK] for first in range(0, len(states), BLOCK)]
        move = partial(_moved, self.dynamics, start, stop, read)
        return np.concatenate(list(self._map(move, blocks)))

    def observe(self, source: str, state: Array, values: Values) -> Named:
        """Return the named values with the source's quantity in it, at one state ``(n,)``."""
        self._check_source(source)
        named, operator = {**values, **self.dynamics.split(state)}, self.observations[source]
        return named if operator.stage is None else operator.predict(named)

    def _times(self, times: ArrayLike | Mapping[str, ArrayLike]) -> dict[str, Array]:
        if not isinstance(times, Mapping):
            return dict.fromkeys(self.observations, increasing(times, self.start))
        for source in times:
            self._check_source(source)
        return {source: increasing(chosen, self.start) for source, chosen in times.items()}

    def _check_destruction(self) -> None:
        tracked = {variable.name for variable in self.dynamics.state if variable.tracked}
        for source, operator in self.observations.items():
            read = {operator.quantity} if operator.stage is None else set(operator.stage.inputs)
            if operator.destroys and read & tracked:
                given = (
                    f"source {source!r} destroys what it reads, and reads the tracked {min(read & tracked)!r}"
                )
                hint = "another cell is no reading of this one; if it lives on, say destructive=False"
                raise WiringError(explain(given, "state of the population, shared parameters", hint))

    def _check_source(self, source: str) -> None:
        if source not in self.observations:
            hint = near_match(source, self.observations)
            raise WiringError(explain(f"source {source!r}{hint}", ", ".join(self.observations)))


def _moved(dynamics: Dynamics, start: float, stop: float, read: Named, states: Array) -> Array:
    """Move members that see no random number."""
    return dynamics.step(states, start, stop, read, WITHOUT_CHANCE)


@final
class AtTimes(Stage):
    """Applies an observation operator's stage at chosen rows of a path, and stacks what it makes."""

    def __init__(self, operator: ObservationOperator, dynamics: Dynamics, rows: np.ndarray) -> None:
        self._stage = operator.stage
        self._rows = rows
        self._path = tuple(variable.name for variable in dynamics.state)
        if operator.stage is None:
            if operator.quantity not in self._path:
                raise WiringError(
                    explain(
                        f"observed quantity {operator.quantity!r} is made by nobody", ", ".join(self._path)
                    )
                )
            self.inputs: tuple[str, ...] = (operator.quantity,)
            self.outputs: tuple[str, ...] = (f"{operator.quantity}_observed",)
        else:
            self.inputs, self.outputs = operator.stage.inputs, operator.stage.outputs
        self.name = f"{self.outputs[0]} at times"

    def value(self, values: Values) -> Named:
        """Return every output with the times as first axis."""
        if self._stage is None:
            return {self.outputs[0]: np.asarray(values[self.inputs[0]])[self._rows]}
        made = [self._stage.value(self._at(values, row)) for row in self._rows]
        return {name: np.array([one[name] for one in made]) for name in self.outputs}

    def linearize(self, values: Values) -> tuple[Named, Linearization]:
        """Return the outputs and the derivative, time by time."""
        shapes = {name: np.shape(values[name]) for name in self.inputs}
        if self._stage is None:
            return self.value(values), AtTimesLinearization(self, None, shapes)
        pairs = [self._stage.linearize(self._at(values, row)) for row in self._rows]
        made = {name: np.array([one[name] for one, _ in pairs]) for name in self.outputs}
        return made, AtTimesLinearization(self, tuple(part for _, part in pairs), shapes)

    def rows(self, values: Values) -> list[Named]:
        """Return the inputs at each chosen time; state variables are cut, other values are shared."""
        return [self._at(values, row) for row in self._rows]

    def _at(self, values: Values, row: int) -> Named:
        return {
            name: np.asarray(values[name])[row] if name in self._path else np.asarray(values[name])
            for name in self.inputs
            if name in values
        }

    def add_row(self, total: Named, position: int, part: Named) -> None:
        """Add one time's sensitivities into the totals, at their place on the path."""
        row = self._rows[position]
        for name, weight in part.items():
            target = total[name][row : row + 1] if name in self._path else total[name][None]
            target += np.asarray(weight)[None]


@final
class AtTimesLinearization(Linearization):
    """Derivative of `AtTimes`: block diagonal in time."""

    def __init__(
        self, sight: AtTimes, parts: tuple[Linearization, ...] | None, shapes: Mapping[str, tuple[int, ...]]
    ) -> None:
        self._sight = sight
        self._parts = parts
        self._shapes = dict(shapes)

    def jvp(self, tangents: Values) -> Named:
        """Carry changes of path and values to the outputs."""
        if self._parts is None:
            return self._sight.value(tangents)
        moved = [part.jvp(row) for part, row in zip(self._parts, self._sight.rows(tangents), strict=True)]
        return {name: np.array([one[name] for one in moved]) for name in self._sight.outputs}

    def vjp(self, cotangents: Values) -> Named:
        """Carry sensitivities of the outputs back to path and values."""
        total = {name: np.zeros(shape) for name, shape in self._shapes.items()}
        count = len(next(iter(cotangents.values())))
        for position in range(count):
            weight = {name: np.asarray(array[position]) for name, array in cotangents.items()}
            part = (
                self._parts[position].vjp(weight)
                if self._parts
                else {self._sight.inputs[0]: weight[self._sight.outputs[0]]}
            )
            self._sight.add_row(total, position, part)
        return total
