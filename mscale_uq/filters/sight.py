"""`Sight`: the observations at one time as one vector, and what the model expects them to be.

The vectors stack the flattened values of all observations. A reading that is missing (NaN) or marked keeps
its place here and is left out by the filters, so the prediction of what was not used is known too.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from math import isnan
from typing import NamedTuple, final

import numpy as np
from scipy.linalg import block_diag

from mscale_uq.core.law import Law, ObservationOperator
from mscale_uq.core.lazy import lazy
from mscale_uq.core.linear_dynamics import LinearReading
from mscale_uq.core.observation import Observation
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Named, Values
from mscale_uq.core.statespace import StateSpace
from mscale_uq.errors import DataError, explain, near_match
from mscale_uq.filters.covariates import check_covariates
from mscale_uq.filters.plain import fixed_cov
from mscale_uq.filters.reading_slope import columns, derivative, places
from mscale_uq.filters.records import Verdict


class Survey(NamedTuple):
    """What readings are at a state: expected ``(m,)``, derivative H ``(m, n)`` to it, covariance ``(m, m)``.

    With the log-density of what was read, and its derivative `score` ``(m,)`` to the prediction.
    """

    expected: Array
    H: Array
    noise: Array
    density: float
    score: Array


@final
@dataclass(frozen=True)
class Sight:
    """Observations at one time and the model that predicts them; made by `look`."""

    space: StateSpace
    values: Values
    observations: tuple[Observation, ...]

    @lazy
    def datum(self) -> Array:
        """``(m,)`` all readings; NaN is missing."""
        return _stack([o.value.ravel() for o in self.observations])

    @lazy
    def seen(self) -> np.ndarray:
        """``(m,)``, true where there is a reading to be used."""
        return ~np.isnan(self.usable)

    @lazy
    def usable(self) -> Array:
        """``(m,)`` the readings to be used; NaN for the others."""
        if all(o.mark is None for o in self.observations):
            return self.datum
        return _stack([o.usable.ravel() for o in self.observations])

    @lazy
    def complete(self) -> bool:
        """Whether all readings are to be used."""
        # Values are never infinite, so their sum is a number unless one is missing: a third of `seen`'s time.
        return all(o.mark is None for o in self.observations) and not isnan(np.add.reduce(self.datum))

    @lazy
    def censored(self) -> np.ndarray:
        """``(m,)``, true where a reading only says that it is beyond an end of what can be told."""
        laws = [(o, operator.law) for o, operator in self._pairs() if o.noise is None]
        if all(type(law).censored is Law.censored for _, law in laws):
            return np.zeros(self.datum.shape, dtype=bool)
        marks = [
            np.zeros(o.value.size, dtype=bool)
            if o.noise is not None
            else operator.law.censored(o.value).ravel()
            for o, operator in self._pairs()
        ]
        return np.concatenate(marks)

    @property
    def verdicts(self) -> np.ndarray:
        """``(m,)`` codes of `Verdict`: what is marked or missing, and zero for what is to be used."""
        marks = [np.zeros(o.value.size, int) if o.mark is None else o.mark.ravel() for o in self.observations]
        given = np.concatenate([np.zeros(0, int), *marks])
        given[np.isnan(self.datum)] = Verdict.MISSING
        return given

    @property
    def is_direct(self) -> bool:
        """Whether all readings are entries of the state, which cannot fail to be predicted."""
        return all(operator.stage is None for _, operator in self._pairs())

    @property
    def sources(self) -> tuple[str, ...]:
        """The source of each of the `m` readings."""
        return tuple(chain.from_iterable((o.source,) * o.value.size for o in self.observations))

    def without(self, left_out: np.ndarray, why: Verdict) -> "Sight":
        """Return the same sight with the readings ``(m,)`` that are `left_out` marked as well."""
        marks, observations, first = np.where(left_out & self.seen, why, self.verdicts), [], 0
        for o in self.observations:
            part = marks[first : first + o.value.size].reshape(o.value.shape)
            observations.append(replace(o, mark=part))
            first += o.value.size
        return replace(self, observations=tuple(observations))

    def uncensored(self) -> "Sight":
        """Return the same sight without the readings that are only a bound."""
        cut = self.censored
        return self.without(cut, Verdict.CENSORED) if cut.any() else self

    def parts(self) -> Iterator[tuple["Sight", slice]]:
        """Yield the sight of each observation alone, and where its readings are among the `m`."""
        first = 0
        for o in self.observations:
            yield replace(self, observations=(o,)), slice(first, first + o.value.size)
            first += o.value.size

    def predict(self, state: Array) -> tuple[Array, Array]:
        """Return the expected readings ``(m,)`` and their covariance ``(m, m)`` given the state ``(n,)``."""
        means, covs = [], []
        for observation, operator in self._pairs():
            made = self._made(observation, state)
            means.append(operator.mean(made).ravel())
            covs.append(self._cov(observation, operator, made))
        return _stack(means), _blocks(covs)

    def noise(self, state: Array) -> Array:
        """Return the covariance ``(m, m)`` of the readings given the state ``(n,)``."""
        return _blocks([self._noise(o, operator, state) for o, operator in self._pairs()])

    def linearize(self, state: Array) -> tuple[Array, Array, Array]:
        """Return expected readings ``(m,)``, their derivative to the state ``(m, n)`` and covariance.

        Raises
        ------
        NoGradient
            If an operator's stage has no exact derivative, or its law a mean other than the prediction.
        """
        return self._stacked(self._linear(state))

    def survey(self, state: Array) -> Survey:
        """Return what `linearize` and `log_likelihood` do, at the price of the first; raises like it."""
        parts = list(self._linear(state))
        terms = [
            self._density(o, operator, made)
            for (o, operator), (made, _) in zip(self._pairs(), parts, strict=True)
        ]
        gains = (
            operator.mean_slope(made) for (_, operator), (made, _) in zip(self._pairs(), parts, strict=True)
        )
        scores = [score / np.ravel(gain) for (_, score), gain in zip(terms, gains, strict=True)]
        return Survey(*self._stacked(parts), sum(density for density, _ in terms), _stack(scores))

    def members(self, states: Array) -> Array:
        """Return the expected readings ``(N, m)`` of every member ``(N, n)``."""
        columns = []
        for observation, operator in self._pairs():
            if operator.stage is None:
                part = states[:, places(self.space)[operator.quantity]]
                self._check_size(observation, part[0])
            elif isinstance(operator.stage, LinearReading):
                part = self._together(observation, operator, operator.stage, states)
                self._check_size(observation, part[0])
            else:
                part = np.array([operator.mean(self._made(observation, state)) for state in states])
            columns.append(part.reshape(len(states), -1))
        return columns[0] if len(columns) == 1 else np.hstack([np.zeros((len(states), 0)), *columns])

    def log_likelihood(self, state: Array) -> tuple[float, Array]:
        """Return the log-density of the readings given the state, and its derivative to the prediction.

        The derivative is ``(m,)``, zero where a reading is not used; only the operators' laws enter.
        """
        terms = [self._density(o, operator, self._made(o, state)) for o, operator in self._pairs()]
        return sum(density for density, _ in terms), _stack([score for _, score in terms])

    def _pairs(self) -> Iterator[tuple[Observation, ObservationOperator]]:
        return ((o, self.space.observations[o.source]) for o in self.observations)

    def _made(self, observation: Observation, state: Array) -> Named:
        made = self.space.observe(observation.source, state, observation.among(self.values))
        self._check_size(observation, made[self.space.observations[observation.source].quantity])
        return made

    def _together(
        self, observation: Observation, operator: ObservationOperator, stage: LinearReading, states: Array
    ) -> Array:
        """Return what one matrix makes of all members."""
        values = observation.among(self.values)
        read = states[:, columns(self.space, stage.read)]
        return operator.law.mean(stage.rows(read, values), values)

    def _linear(self, state: Array) -> Iterator[tuple[Named, Array]]:
        """Yield what each operator makes, and the derivative to the state of what it expects."""
        for observation, operator in self._pairs():
            made, slope = self._slope(observation, operator, state)
            self._check_size(observation, made[operator.quantity])
            gain = operator.mean_slope(made)
            yield made, slope if isinstance(gain, float) else np.reshape(gain, (-1, 1)) * slope

    def _stacked(self, parts: Iterable[tuple[Named, Array]]) -> tuple[Array, Array, Array]:
        """Return expected readings, derivative and covariance of all observations."""
        means, slopes, covs = [], [np.zeros((0, self.space.dynamics.size))], []
        for (observation, operator), (made, slope) in zip(self._pairs(), parts, strict=True):
            means.append(operator.mean(made).ravel())
            slopes.append(slope)
            covs.append(self._cov(observation, operator, made))
        return _stack(means), np.vstack(slopes), _blocks(covs)

    @staticmethod
    def _density(observation: Observation, operator: ObservationOperator, made: Named) -> tuple[float, Array]:
        """Return the log-density of what was read, and its derivative ``(m,)`` to the prediction."""
        if observation.noise is not None:
            return _normal(observation, operator.mean(made))
        terms = operator.logpdf(observation.usable, made)
        return terms.total, np.ravel(terms.d_prediction)

    def _cov(self, observation: Observation, operator: ObservationOperator, made: Named) -> Array:
        stated = observation.noise_cov
        return operator.cov(made) if stated is None else stated + np.diag(operator.variance(made).ravel())

    def _noise(self, observation: Observation, operator: ObservationOperator, state: Array) -> Array:
        own, stage = f"{operator.quantity}_var", operator.stage
        if observation.noise is None and own not in self.values and not (stage and own in stage.outputs):
            fixed = fixed_cov(operator.law, observation.value.size)
            if fixed is not None:
                return fixed
        return self._cov(observation, operator, self._made(observation, state))

    def _slope(
        self, observation: Observation, operator: ObservationOperator, state: Array
    ) -> tuple[Named, Array]:
        named = {**observation.among(self.values), **self.space.dynamics.split(state)}
        if operator.stage is None:
            return named, np.eye(state.size)[places(self.space)[operator.quantity]]
        inputs = {name: np.asarray(named[name]) for name in operator.stage.inputs}
        made, linear = operator.stage.linearize(inputs)
        return {**named, **made}, derivative(
            linear, self.space, operator.quantity, made, operator.stage.inputs
        )

    def _check_size(self, observation: Observation, predicted: Array) -> None:
        if np.size(predicted) != observation.value.size:
            shapes = f"value of shape {observation.value.shape}, prediction of shape {np.shape(predicted)}"
            raise DataError(explain(f"{observation.source} at time {observation.time:g}: {shapes}"))


def look(space: StateSpace, values: Values, observations: Sequence[Observation], time: float) -> Sight:
    """Return the joint sight of observations at one time.

    Raises
    ------
    DataError
        If a source is unknown, measures another quantity, or an observation is at another time.
    """
    for observation in observations:
        source = observation.source
        if source not in space.observations:
            hint = near_match(source, space.observations)
            raise DataError(explain(f"observation of source {source!r}{hint}", ", ".join(space.observations)))
        quantity = space.observations[source].quantity
        if observation.quantity != quantity:
            raise DataError(explain(f"source {source!r}: quantity {observation.quantity!r}", quantity))
        if observation.time != time:
            raise DataError(explain(f"{source}: observation at {observation.time:g}", f"time {time:g}"))
        check_covariates(space, observation)
    return Sight(space, values, tuple(observations))


def _normal(observation: Observation, mean: Array) -> tuple[float, Array]:
    """Return the normal log-density of a reading that states its own noise, and its score."""
    seen = ~np.isnan(observation.usable.ravel())
    error = (observation.value.ravel() - mean.ravel())[seen]
    cov = observation.noise_cov[np.ix_(seen, seen)]  # type: ignore[index]
    pull = np.linalg.solve(cov, error)
    score = np.zeros(seen.size)
    score[seen] = pull
    return float(-0.5 * (error @ pull + np.linalg.slogdet(2 * np.pi * cov)[1])), score


def _stack(parts: Sequence[Array]) -> Array:
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(parts) if parts else np.zeros(0)


def _blocks(covs: Sequence[Array]) -> Array:
    # One observation at a time is the usual case, and a block matrix of one block costs 20 us.
    return covs[0] if len(covs) == 1 else block_diag(np.zeros((0, 0)), *covs)
