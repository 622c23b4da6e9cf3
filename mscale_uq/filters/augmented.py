"""Dynamics and readings of a state that holds parameters; made by `filters.augment.augment`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import final

import numpy as np

from mscale_uq.core.dynamics import Dynamics, initial_name
from mscale_uq.core.parameter import Array, Quantity
from mscale_uq.core.stage import Linearization, Named, Stage, Values
from mscale_uq.filters.dependents import Dependents, DependentsLinearization


@final
class AugmentedDynamics(Dynamics):
    """The inner dynamics with parameters from the state; the parameters stay, or drift.

    `centre` holds the coordinates at which `noise` is taken, `drift` the variance that each of them gains in
    a unit of time, both in the order of the coordinates.
    """

    def __init__(
        self, inner: Dynamics, dependents: Dependents, centre: Sequence[Array], drift: Sequence[Array]
    ) -> None:
        self.name = inner.name
        self.inner = inner
        self.dependents = dependents
        self.centre = dict(zip((c.name for c in dependents.coordinates), centre, strict=True))
        self.drift = np.concatenate([np.ravel(d) for d in drift])
        self.inputs = dependents.reads(inner.inputs)
        own = [Quantity(c.name, "1", shape=c.parameter.shape) for c in dependents.coordinates]
        self.state = (*inner.state, *own)

    def step(
        self, states: Array, start: float, stop: float, values: Values, rng: np.random.Generator
    ) -> Array:
        """Move the inner states, each with its own parameters."""
        n = self.inner.size
        read = self._read_members(states, values)
        moved = self.inner.step(states[:, :n], start, stop, read, rng)
        return np.hstack([moved, states[:, n:]])

    def linearize_step(
        self, state: Array, start: float, stop: float, values: Values
    ) -> tuple[Array, Linearization]:
        """Return the moved state and its derivative, through whatever depends on the parameters."""
        n = self.inner.size
        known, dependence = self.dependents.linearize(self.split(state), values)
        read = {
            name: known[name] if name in known else np.asarray(values[name]) for name in self.inner.inputs
        }
        moved, step = self.inner.linearize_step(state[:n], start, stop, read)
        return np.concatenate([moved, state[n:]]), AugmentedStep(self, step, dependence)

    def noise(self, start: float, stop: float, values: Values) -> Array:
        """Return the noise at the parameters' centre, drift added."""
        return self._noise(self.centre, start, stop, values, self.inner.noise)

    def noise_at(self, state: Array, start: float, stop: float, values: Values) -> Array:
        """Return the noise at a state ``(n,)`` and its parameters, drift added."""
        inner = partial(self.inner.noise_at, state[: self.inner.size])
        return self._noise(self.split(state), start, stop, values, inner)

    def initial_covariance(self, variance: Array, values: Values) -> Array:
        """Return the covariance where first values that the parameters make are as unsure as these are.

        To first order, at the parameters that the state begins with.
        """
        n = self.inner.size
        total = np.zeros((self.size, self.size))
        total[:n, :n] = self.inner.initial_covariance(variance[:n], values)
        entries = np.vstack([self._first_slopes(values), np.eye(self.size - n)]) * np.sqrt(variance[n:])
        return total + entries @ entries.T

    def _first_slopes(self, values: Values) -> Array:
        """Return the slopes ``(n, p)`` of the inner state's first values along the coordinates' entries."""
        d, n = self.dependents, self.inner.size
        names = {v.name: initial_name(v.name) for v in self.inner.state}
        if d.names.isdisjoint(names.values()):
            return np.zeros((n, self.size - n))
        _, dependence = d.linearize({c.name: values[initial_name(c.name)] for c in d.coordinates}, values)
        columns = []
        for unit in np.eye(self.size)[n:]:
            moved = dependence.jvp({c.name: self.split(unit)[c.name] for c in d.coordinates})
            first = {v.name: np.zeros(v.shape) + moved.get(names[v.name], 0.0) for v in self.inner.state}
            columns.append(self.inner.pack(first))
        return np.stack(columns, axis=1)

    def _noise(
        self, named: Values, start: float, stop: float, values: Values, inner: Callable[..., Array]
    ) -> Array:
        n, total = self.inner.size, np.zeros((self.size, self.size))
        known = self.dependents.value(named, values)
        read = {
            name: known[name] if name in known else np.asarray(values[name]) for name in self.inner.inputs
        }
        total[:n, :n] = inner(start, stop, read)
        total[n:, n:] = np.diag(self.drift) * (stop - start)
        return total

    def _read_members(self, states: Array, values: Values) -> Named:
        """Return what the inner dynamics reads; what depends on the parameters has one row per member."""
        made = [self.dependents.value(self.split(state), values) for state in states]
        return {
            name: np.array([one[name] for one in made])
            if name in self.dependents.names
            else np.asarray(values[name])
            for name in self.inner.inputs
        }


@final
@dataclass(frozen=True)
class AugmentedStep(Linearization):
    """Derivative of a step of `AugmentedDynamics`."""

    dynamics: AugmentedDynamics
    step: Linearization
    dependence: DependentsLinearization

    def jvp(self, tangents: Values) -> Named:
        """Carry changes of state and values forward."""
        d, n = self.dynamics, self.dynamics.inner.size
        state = np.asarray(tangents.get("state", np.zeros(d.size)))
        named = {name: t for name, t in d.split(state).items() if name in self.dependence.slopes}
        changes = self.dependence.jvp({**{k: v for k, v in tangents.items() if k != "state"}, **named})
        inner = {name: changes[name] for name in d.inner.inputs if name in changes}
        moved = self.step.jvp({**inner, "state": state[:n]})["state"]
        return {"state": np.concatenate([moved, state[n:]])}

    def vjp(self, cotangents: Values) -> Named:
        """Carry a sensitivity to the moved state back."""
        d, n = self.dynamics, self.dynamics.inner.size
        weight = np.asarray(cotangents["state"])
        back = self.step.vjp({"state": weight[:n]})
        own = self.dependence.vjp({name: back[name] for name in d.inner.inputs})
        named = {v.name: np.zeros(v.shape) for v in d.state}
        named.update({name: own[name] for name in self.dependence.slopes})
        state = d.pack(named) + np.concatenate([back["state"], weight[n:]])
        return {"state": state, **{name: own[name] for name in d.inputs}}


@final
class AugmentedReading(Stage):
    """An observation's stage that reads what depends on the parameters in the state."""

    def __init__(self, inner: Stage, dependents: Dependents) -> None:
        self.name = inner.name
        self.inner = inner
        self.dependents = dependents
        coordinates = [c.name for c in dependents.coordinates]
        self.inputs = (*dependents.reads(inner.inputs), *coordinates)
        self.outputs = inner.outputs

    def value(self, values: Values) -> Named:
        """Return the inner stage's outputs."""
        known = self.dependents.value(values, values)
        return self.inner.value(self._read(known, values))

    def linearize(self, values: Values) -> tuple[Named, Linearization]:
        """Return the outputs and their derivative to state, parameters in the state, and values."""
        known, dependence = self.dependents.linearize(values, values)
        made, inner = self.inner.linearize(self._read(known, values))
        return made, AugmentedSight(self, inner, dependence)

    def _read(self, known: Values, values: Values) -> Named:
        return {
            name: known[name] if name in known else np.asarray(values[name]) for name in self.inner.inputs
        }


@final
@dataclass(frozen=True)
class AugmentedSight(Linearization):
    """Derivative of `AugmentedReading`."""

    reading: AugmentedReading
    inner: Linearization
    dependence: DependentsLinearization

    def jvp(self, tangents: Values) -> Named:
        """Carry changes of state and values forward."""
        changes = self.dependence.jvp(tangents)
        return self.inner.jvp({n: changes[n] for n in self.reading.inner.inputs if n in changes})

    def vjp(self, cotangents: Values) -> Named:
        """Carry sensitivities of the reading back."""
        return self.dependence.vjp(self.inner.vjp(cotangents))
