"""Put model errors into a posterior's likelihood, take them out again, and say what that does."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.parameter import Array
from mscale_uq.errors import InputError, explain
from mscale_uq.observe.approximation import ApproximationError
from mscale_uq.observe.correlated import GaussianCorrelated, ModelError
from mscale_uq.observe.laws import Gaussian
from mscale_uq.stats.experiment import Experiment
from mscale_uq.stats.posterior import Posterior

Place = tuple[str, str]  # experiment, quantity


def with_approximation(posterior: Posterior, errors: Mapping[Place, ApproximationError]) -> Posterior:
    """Return the posterior with these approximation errors instead of any it had.

    Raises
    ------
    InputError
        If a place does not exist, or its law is not Gaussian.
    """
    places = {(e.name, quantity) for e in posterior.experiments for quantity in e.operators}
    for place in errors:
        if place not in places:
            allowed = ", ".join(f"{name}: {quantity}" for name, quantity in sorted(places))
            raise InputError(explain(f"a model error of {place[0]}: {place[1]}", allowed))
    experiments = [
        one.changed(operators={q: _exchanged(one, q, errors.get((one.name, q))) for q in one.operators})
        for one in posterior.experiments
    ]
    return posterior.changed(experiments)


def without_model_error(posterior: Posterior) -> Posterior:
    """Return the posterior of the same data if the model were perfect: noise alone, and fewer unknowns."""
    experiments = [
        one.changed(operators={q: _noise_alone(operator) for q, operator in one.operators.items()})
        for one in posterior.experiments
    ]
    kept = {name for one in experiments for name in one.unknowns}
    for name in reversed(posterior.priors):  # parents stand before their children
        kept |= set(posterior.priors[name].parents) if name in kept else set()
    priors = {name: prior for name, prior in posterior.priors.items() if name in kept}
    return posterior.changed(experiments, priors)


def has_model_error(posterior: Posterior) -> bool:
    """Whether any law holds a model error."""
    operators = (operator for one in posterior.experiments for operator in one.operators.values())
    return any(isinstance(operator.law, GaussianCorrelated) for operator in operators)


@final
@dataclass(frozen=True)
class Change:
    """One unknown with and without model error, for the report.

    Attributes
    ----------
    name
        Of the unknown.
    with_error, without_error
        Mean, sd, and ends of the central 95 % interval.
    """

    name: str
    with_error: tuple[float, float, float, float]
    without_error: tuple[float, float, float, float]

    @property
    def shift(self) -> float:
        """How far the mean moves, in sds of the posterior without model error."""
        return (self.with_error[0] - self.without_error[0]) / self.without_error[1]

    @property
    def widening(self) -> float:
        """Ratio of the sds."""
        return self.with_error[1] / self.without_error[1]


def changes(
    names: tuple[str, ...], with_error: Array, other_names: tuple[str, ...], without_error: Array
) -> tuple[Change, ...]:
    """Return what model errors change in the unknowns both posteriors have.

    Parameters
    ----------
    names, with_error
        Labels and draws ``(draws, n)`` of the posterior with model errors.
    other_names, without_error
        Labels and draws ``(draws, m)`` of the one without.
    """
    return tuple(
        Change(
            name,
            _summary(with_error[:, names.index(name)]),
            _summary(without_error[:, other_names.index(name)]),
        )
        for name in other_names
        if name in names
    )


def _summary(draws: Array) -> tuple[float, float, float, float]:
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(draws.mean()), float(draws.std(ddof=1)), float(low), float(high)


def _noise_alone(operator: ObservationOperator) -> ObservationOperator:
    law = operator.law
    return replace(operator, law=law.noise) if isinstance(law, GaussianCorrelated) else operator


def _exchanged(
    experiment: Experiment, quantity: str, error: ApproximationError | None
) -> ObservationOperator:
    operator = experiment.operators[quantity]
    law = operator.law
    noise = law.noise if isinstance(law, GaussianCorrelated) else law
    others: tuple[ModelError, ...] = ()
    if isinstance(law, GaussianCorrelated):
        others = tuple(one for one in law.errors if not isinstance(one, ApproximationError))
    errors = others if error is None else (*others, error)
    if not errors:
        return replace(operator, law=noise)
    if not isinstance(noise, Gaussian):
        given = f"{experiment.name}: {quantity}: a model error with a {type(noise).__name__} law"
        raise InputError(explain(given, "a gaussian law"))
    return replace(operator, law=GaussianCorrelated(noise, errors))
