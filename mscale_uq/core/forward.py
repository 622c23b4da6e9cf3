"""`ForwardModel`: stages in order, from a parameter vector theta to a data vector, with exact derivatives."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike

from mscale_uq.core.batch import Batch, run_batch
from mscale_uq.core.chain import Chain, ChainLinearization, read_only, split
from mscale_uq.core.lazy import lazy
from mscale_uq.core.parameter import Array, Parameter
from mscale_uq.core.stage import Named, Stage, Values, places_of
from mscale_uq.errors import (
    InputError,
    OutOfLimits,
    ParameterError,
    WiringError,
    explain,
    near_match,
)


@final
@dataclass(frozen=True)
class DataLinearization:
    """The derivative of a forward model at one theta, between plain vectors."""

    model: "ForwardModel"
    chain: ChainLinearization
    values: Named

    def jvp(self, tangent: ArrayLike) -> Array:
        """Carry a change of theta ``(n_parameters,)`` to a change of the data ``(n_data,)``."""
        moved = self.chain.jvp(self.model.split(np.asarray(tangent, dtype=float)))
        outputs = self.model.outputs
        return np.concatenate(
            [np.ravel(moved.get(name, np.zeros_like(self.values[name]))) for name in outputs]
        )

    def vjp(self, cotangent: ArrayLike) -> Array:
        """Carry a sensitivity to the data ``(n_data,)`` back to theta ``(n_parameters,)``."""
        weights, outputs = np.asarray(cotangent, dtype=float), self.model.outputs
        size = sum(np.size(self.values[name]) for name in outputs)
        if weights.shape != (size,):
            raise InputError(explain(f"a cotangent of shape {weights.shape}", f"({size},), like the data"))
        back = self.chain.vjp(_unpack(weights, outputs, self.values))
        return self.model.pack(back)


@final
class ForwardModel:
    """Micro-parameters in, predicted data out.

    Parameters
    ----------
    stages
        In the order in which they run.
    parameters
        The unknowns; theta is their values, flattened in this order, in their units.
    outputs
        Names whose values, flattened in this order, are the data vector. If a stage makes ``<output>_var``
        it is available to the laws and in `trace`.
    constants
        Further named values the stages read.
    key
        Counter for random stages: the same key gives the same random numbers at every theta.

    Raises
    ------
    WiringError
        If names do not fit together, a parameter is read by nobody, or an output is made by nobody.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        parameters: Sequence[Parameter],
        outputs: Sequence[str],
        constants: Mapping[str, ArrayLike] | None = None,
        key: int = 0,
    ) -> None:
        self.parameters = tuple(parameters)
        self.outputs = tuple(outputs)
        self.key = int(key)
        self.constants = {name: _frozen(value) for name, value in (constants or {}).items()}
        self.constants["key"] = np.asarray(self.key, dtype=np.uint64)
        given = [*self.names, *self.constants]
        if len(set(given)) != len(given):
            raise WiringError(
                explain(f"a name is given twice among {given}", hint="rename a parameter or constant")
            )
        self.chain = Chain(stages, given)
        self._check_use()
        self._idle, self._live = split(self.chain, self.names, self.constants)

    @lazy
    def names(self) -> tuple[str, ...]:
        """Parameter names in the order of theta."""
        return tuple(parameter.name for parameter in self.parameters)

    @lazy
    def size(self) -> int:
        """Length of theta."""
        return sum(parameter.size for parameter in self.parameters)

    @property
    def slope_error(self) -> float:
        """Relative error of the derivative: the largest that a stage declares, zero if none does."""
        return max((stage.slope_error for stage in self.chain.stages), default=0.0)

    def fixed(self, **values: ArrayLike) -> "ForwardModel":
        """Return the model with some parameters held at values; what depends on these alone is run once.

        Raises
        ------
        ParameterError
            If a parameter is unknown, or a value lies outside its limits.
        """
        held = self.split(self.theta(**values))
        for parameter in self.parameters:
            if parameter.name in values and not parameter.inside(held[parameter.name]):
                limits = f"inside {parameter.limits} {parameter.unit}"
                raise ParameterError(explain(f"{parameter.name} = {held[parameter.name]}", limits))
        free = [parameter for parameter in self.parameters if parameter.name not in values]
        constants = {**self._plain(), **{name: held[name] for name in values}}
        return ForwardModel(self.chain.stages, free, self.outputs, constants, self.key)

    def with_key(self, key: int) -> "ForwardModel":
        """Return the same model with another random counter."""
        return ForwardModel(self.chain.stages, self.parameters, self.outputs, self._plain(), key)

    def then(self, stages: Sequence[Stage], outputs: Sequence[str]) -> "ForwardModel":
        """Return the same model with `stages` after its own, predicting `outputs` instead."""
        return ForwardModel([*self.chain.stages, *stages], self.parameters, outputs, self._plain(), self.key)

    def only(self, outputs: Sequence[str]) -> "ForwardModel":
        """Return the model of `outputs` alone, with the stages and parameters that they need."""
        needed, stages = set(outputs), list[Stage]()
        for stage in reversed(self.chain.stages):
            if needed.intersection(stage.outputs):
                stages.insert(0, stage)
                needed |= set(stage.inputs)
        kept = [parameter for parameter in self.parameters if parameter.name in needed]
        constants = {name: value for name, value in self._plain().items() if name in needed}
        return ForwardModel(stages, kept, outputs, constants, self.key)

    def theta(self, **values: ArrayLike) -> Array:
        """Return a parameter vector: the given values, defaults elsewhere."""
        for name in values:
            if name not in self.names:
                raise ParameterError(
                    explain(
                        f"unknown parameter {name!r}{near_match(name, self.names)}", ", ".join(self.names)
                    )
                )
        return self.pack({p.name: p.broadcast(values.get(p.name, p.default)) for p in self.parameters})

    def split(self, theta: ArrayLike) -> Named:
        """Return theta as named arrays of the parameters' shapes."""
        vector = np.asarray(theta, dtype=float)
        if vector.shape != (self.size,):
            raise ParameterError(
                explain(f"theta of shape {vector.shape}", f"({self.size},): {', '.join(self.names)}")
            )
        return {name: vector[place].reshape(shape) for name, place, shape in self._places}

    def pack(self, named: Values) -> Array:
        """Return named parameter values as one vector."""
        parts = [np.ravel(named[name]) for name in self.names] or [np.zeros(0)]
        return np.concatenate(parts).astype(float, copy=False)

    def value(self, theta: ArrayLike) -> Array:
        """Return the predicted data ``(n_data,)``.

        Raises
        ------
        SolveFailed, Infeasible
            If there is no prediction at this theta.
        """
        known = self.trace(theta)
        return np.concatenate([np.ravel(known[name]) for name in self.outputs])

    def trace(self, theta: ArrayLike) -> Named:
        """Return every named quantity on the way from theta to the data, also the effective ones."""
        return self._live.value(self._given(theta))

    def linearize_named(self, theta: ArrayLike) -> tuple[Named, ChainLinearization]:
        """Return every named quantity, and the derivative between names; what laws and posteriors use."""
        return self._live.linearize(self._given(theta))

    def linearize(self, theta: ArrayLike) -> tuple[Array, DataLinearization]:
        """Return the data and the derivative there; one solve serves both.

        Raises
        ------
        NoGradient
            If a stage has no exact derivative.
        """
        known, chain = self.linearize_named(theta)
        data = np.concatenate([np.ravel(known[name]) for name in self.outputs])
        return data, DataLinearization(self, chain, known)

    def jvp(self, theta: ArrayLike, tangent: ArrayLike) -> Array:
        """Return the change of the data ``(n_data,)`` for a change of theta."""
        return self.linearize(theta)[1].jvp(tangent)

    def vjp(self, theta: ArrayLike, cotangent: ArrayLike) -> Array:
        """Return the sensitivity to theta ``(n_parameters,)`` of a weighted sum of the data."""
        return self.linearize(theta)[1].vjp(cotangent)

    def jacobian(self, theta: ArrayLike) -> Array:
        """Return ``(n_data, n_parameters)``, from the cheaper side."""
        data, linear = self.linearize(theta)
        if self.size <= data.size:
            return np.stack([linear.jvp(row) for row in np.eye(self.size)], axis=1)
        return np.stack([linear.vjp(row) for row in np.eye(data.size)], axis=0)

    def batch(self, thetas: ArrayLike, map: Callable[..., Iterable[Any]] = map) -> Batch:
        """Run many thetas ``(members, n_parameters)``; any ``executor.map`` will do for `map`.

        A failed member becomes a row of NaN and a reason; other errors are bugs and are raised.
        """
        return run_batch(self.value, thetas, map)

    @lazy
    def _places(self) -> list[tuple[str, slice, tuple[int, ...]]]:
        """Where each parameter stands in theta, and its shape."""
        places = places_of({parameter.name: parameter.size for parameter in self.parameters})
        return [(p.name, places[p.name], p.shape) for p in self.parameters]

    @cached_property
    def _still(self) -> Named:
        """Every value that no parameter moves, made once."""
        return self._idle.value(self.constants)

    def _plain(self) -> Named:
        return {name: value for name, value in self.constants.items() if name != "key"}

    def _given(self, theta: ArrayLike) -> Named:
        named = self.split(read_only(np.asarray(theta, dtype=float)))
        for parameter in self.parameters:
            if not parameter.inside(named[parameter.name]):
                limits = f"{parameter.limits} {parameter.unit}"
                raise OutOfLimits("parameters", named, f"{parameter.name!r} lies outside its limits {limits}")
        return {**self._still, **named}

    def _check_use(self) -> None:
        read = {name for stage in self.chain.stages for name in stage.inputs} | set(self.outputs)
        for name in self.names:
            if name not in read:
                raise WiringError(
                    explain(
                        f"parameter {name!r}{near_match(name, read)} is read by no stage",
                        ", ".join(sorted(read)),
                    )
                )
        known = [*self.chain.made, *self.chain.given]
        if not self.outputs or len(set(self.outputs)) != len(self.outputs):
            raise WiringError(explain(f"outputs {list(self.outputs)}", "at least one name, each once"))
        for name in self.outputs:
            if name not in known:
                raise WiringError(
                    explain(f"output {name!r}{near_match(name, known)} is made by no stage", ", ".join(known))
                )


def _unpack(vector: Array, names: Sequence[str], like: Values) -> Named:
    """Cut a data vector into named arrays shaped like the predictions."""
    named, start = {}, 0
    for name in names:
        shape, size = np.shape(like[name]), int(np.size(like[name]))
        named[name] = vector[start : start + size].reshape(shape)
        start += size
    return named


def _frozen(value: ArrayLike) -> Array:
    array = np.array(value, dtype=float)
    array.flags.writeable = False
    return array
