"""The log-likelihood of a stream under a filter, for samplers.

Each likelihood is a log-density of its own unknowns, and also what a `stats.posterior.Posterior` takes as an
experiment, so that priors, hierarchies and every sampler work with it as with any other.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from mscale_uq.core.chain import Chain
from mscale_uq.core.law import LawTerms
from mscale_uq.core.observation import Observation
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Named, Values
from mscale_uq.core.statespace import StateSpace
from mscale_uq.errors import NoGradient, OutOfLimits, ParameterError, SolveFailed, explain, near_match
from mscale_uq.filters.filter import Filter
from mscale_uq.filters.loop import prepared, run
from mscale_uq.filters.records import StepInfo, Verdict
from mscale_uq.filters.series import assemble, plan, run_kernel
from mscale_uq.filters.series_gradient import differentiate, run_gradient
from mscale_uq.stats.experiment import Binding, Shared


class StreamLikelihood(ABC):
    """log p(stream | theta).

    Parameters
    ----------
    space
        The model; its parameters and the unknowns that its laws read are theta.
    stream
        All observations, ordered in time.
    name
        For people.
    bindings
        As in `stats.experiment.Experiment`: parameter or law name -> `Shared` or `Fixed`.
    burn
        So many analysis times at the start are filtered but not counted, for a start that is hardly known.

    Raises
    ------
    ParameterError
        If a binding names no unknown.
    """

    def __init__(
        self,
        space: StateSpace,
        stream: Iterable[Observation],
        name: str = "stream",
        bindings: Mapping[str, Binding] | None = None,
        burn: int = 0,
    ) -> None:
        self.name = name
        self.model = space
        self.stream = tuple(stream)
        self.burn = burn
        self.reads = unknowns_of(space)
        for bound in bindings or {}:
            if bound not in self.reads:
                hint = near_match(bound, self.reads)
                raise ParameterError(explain(f"{name}: no unknown {bound!r}{hint}", ", ".join(self.reads)))
        self.bindings: dict[str, Binding] = {n: (bindings or {}).get(n, Shared(n)) for n in self.reads}

    @abstractmethod
    def evidences(self, given: Values) -> Array:
        """Return the log-density of each analysis time's data given the earlier ones, ``(T,)``."""

    @abstractmethod
    def evidences_gradient(self, given: Values) -> tuple[Array, Named]:
        """Return `evidences` and the derivative of their counted sum to each unknown."""

    @property
    def names(self) -> tuple[str, ...]:
        """One label per entry of theta, before any binding."""
        return tuple(
            name if not shape else f"{name}[{', '.join(map(str, index))}]"
            for name, shape in self.reads.items()
            for index in np.ndindex(shape)
        )

    @property
    def unknowns(self) -> tuple[str, ...]:
        """Names of the posterior's unknowns this depends on."""
        return tuple(dict.fromkeys(b.name for b in self.bindings.values() if isinstance(b, Shared)))

    @final
    def logpdf_gradient(self, theta: ArrayLike) -> tuple[float, Array]:
        """Return the log-likelihood and its gradient ``(n,)``, at theta in the order of `names`."""
        logs, slopes = self.evidences_gradient(self._checked(self._split(theta)))
        return float(logs[self.burn :].sum()), np.concatenate([np.ravel(slopes[name]) for name in self.reads])

    @final
    def logpdf(self, theta: ArrayLike) -> float:
        """Return the log-likelihood at theta in the order of `names`."""
        return float(self.evidences(self._checked(self._split(theta)))[self.burn :].sum())

    @final
    def terms(self, values: Values) -> dict[str, LawTerms]:
        """Return the log-density of each counted analysis time at the posterior's values."""
        logs = self.evidences(self._bound(values))[self.burn :]
        return {"log_evidence": LawTerms(logs, np.zeros_like(logs), np.zeros_like(logs), {})}

    @final
    def density(self, values: Values) -> float:
        """Return the log-likelihood at the posterior's values."""
        return float(self.evidences(self._bound(values))[self.burn :].sum())

    @final
    def gradient(self, values: Values, total: Named) -> float:
        """Return `density` and add its derivative to the posterior's unknowns into `total`."""
        logs, slopes = self.evidences_gradient(self._bound(values))
        for name, slope in slopes.items():
            self.bindings[name].scatter(total, slope)
        return float(logs[self.burn :].sum())

    def _bound(self, values: Values) -> Named:
        return self._checked({name: np.asarray(b.pick(values)) for name, b in self.bindings.items()})

    def _split(self, theta: ArrayLike) -> Named:
        vector, named, first = np.asarray(theta, dtype=float), {}, 0
        if vector.shape != (len(self.names),):
            raise ParameterError(
                explain(f"theta of shape {vector.shape}", f"({len(self.names)},): {', '.join(self.names)}")
            )
        for name, shape in self.reads.items():
            last = first + int(np.prod(shape))
            named[name] = vector[first:last].reshape(shape)
            first = last
        return named

    def _checked(self, given: Named) -> Named:
        for parameter in self.model.parameters:
            if not parameter.inside(given[parameter.name]):
                limits = f"{parameter.limits} {parameter.unit}"
                raise OutOfLimits(self.name, given, f"{parameter.name!r} lies outside its limits {limits}")
        return given


@final
class KalmanLikelihood(StreamLikelihood):
    """The exact log-likelihood of a linear Gaussian model, compiled, with its exact gradient.

    Parameters are those of `StreamLikelihood`.

    Raises
    ------
    NoGradient
        If the dynamics is not a `LinearDynamics`, a reading not a `LinearReading` or a state variable, or a
        law not Gaussian with constant sd.
    CovarianceError
        By the evaluations, if the covariance of the readings stops being positive, or a very wide start costs
        it the digits that matter.
    """

    def __init__(
        self,
        space: StateSpace,
        stream: Iterable[Observation],
        name: str = "stream",
        bindings: Mapping[str, Binding] | None = None,
        burn: int = 0,
    ) -> None:
        super().__init__(space, stream, name, bindings, burn)
        self._plan = plan(space, self.stream)
        self._before = Chain(space.stages, [*(p.name for p in space.parameters), *space.constants])

    def evidences(self, given: Values) -> Array:
        """Return each analysis time's log-density ``(T,)``."""
        series = assemble(self.model, prepared(self.model, given), self._plan)
        return run_kernel(series, self._plan.times, None)

    def evidences_gradient(self, given: Values) -> tuple[Array, Named]:
        """Return each analysis time's log-density and the derivative of their sum to each unknown."""
        values = prepared(self.model, given)
        slopes = differentiate(self.model, values, self._plan, self._tangents(given))
        logs, d_logs = run_gradient(assemble(self.model, values, self._plan), slopes, self._plan.times)
        total, first, named = d_logs[self.burn :].sum(axis=0), 0, {}
        for name, shape in self.reads.items():
            last = first + int(np.prod(shape))
            named[name] = total[first:last].reshape(shape)
            first = last
        return logs, named

    def _tangents(self, given: Values) -> list[Named]:
        """Return the change of every named value along each scalar unknown."""
        everything = {**{n: np.asarray(v, dtype=float) for n, v in self.model.constants.items()}, **given}
        _, linear = self._before.linearize({name: everything[name] for name in self._before.given})
        tangents = []
        for name, shape in self.reads.items():
            for unit in np.eye(int(np.prod(shape))):
                change = {name: unit.reshape(shape)}
                tangents.append(linear.jvp(change) if name in self._before.given else change)
        return tangents


@final
class FilterLikelihood(StreamLikelihood):
    """The log-likelihood by any filter, without a gradient: for samplers that need none.

    Data that the model fails to predict are no reason to go on without them: theta is as unlikely as where a
    solver fails. The same `key` gives the same random numbers at every theta. Other parameters are those of
    `StreamLikelihood`.
    """

    def __init__(
        self,
        filter: Filter,
        space: StateSpace,
        stream: Iterable[Observation],
        name: str = "stream",
        bindings: Mapping[str, Binding] | None = None,
        burn: int = 0,
        key: int = 0,
    ) -> None:
        super().__init__(space, stream, name, bindings, burn)
        self.filter = filter
        self.key = key

    def evidences(self, given: Values) -> Array:
        """Return each analysis time's log-density ``(T,)``."""
        steps = run(self.filter, self.model, given, self.stream, self.key)
        return np.array([self._evidence(info) for _, info in steps])

    def _evidence(self, info: StepInfo) -> float:
        if np.isin(info.verdicts, (Verdict.PRIOR_FAILED, Verdict.TOO_MANY_FAILED)).any():
            raise SolveFailed(self.name, {"time": info.time}, info.note or "a reading was not predicted")
        return info.log_evidence

    def evidences_gradient(self, given: Values) -> tuple[Array, Named]:
        """Raise `NoGradient`: only the Kalman likelihood of a linear model has an exact one."""
        raise NoGradient(f"the likelihood by {type(self.filter).__name__} has no exact gradient")


def unknowns_of(space: StateSpace) -> dict[str, tuple[int, ...]]:
    """Return the model's parameters, and the unknowns that its laws read, with their shapes."""
    made = {name for stage in space.stages for name in stage.outputs}
    known = {parameter.name: parameter.shape for parameter in space.parameters}
    for operator in space.observations.values():
        own = operator.stage.outputs if operator.stage else ()
        for name in operator.law.reads:
            if name not in made | set(own) | set(space.constants):
                known.setdefault(name, ())
    return known
