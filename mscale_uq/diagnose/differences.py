"""Differences between good models and the ones that are used, at the same unknowns."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Values
from mscale_uq.errors import InputError, explain, near_match
from mscale_uq.stats.experiment import Experiment
from mscale_uq.stats.missed import Missed, missed
from mscale_uq.stats.posterior import Posterior

# Experiment -> one good model, or several that are equally likely (the first layer may be either phase).
Good = Mapping[str, Sequence[ForwardModel]]


@final
@dataclass(frozen=True)
class Differences:
    """Good minus used predictions of one quantity.

    Attributes
    ----------
    experiment, quantity
        Of what.
    rows
        ``(draws, n)``, only of draws at which both models gave a prediction.
    thetas
        The posterior's unknowns at these draws ``(draws, unknowns)``.
    missed
        Draws without a prediction of one of the models, and why.
    """

    experiment: Experiment
    quantity: str
    rows: Array
    thetas: Array
    missed: tuple[Missed, ...]

    @property
    def failed(self) -> int:
        """Number of draws left out."""
        return len(self.missed)


def differences(
    posterior: Posterior, good: Good, thetas: Array, map: Callable[..., Iterable[Any]] = map
) -> list[Differences]:
    """Return the differences of every measured quantity of every experiment that has good models.

    Parameters
    ----------
    posterior
        Binds the unknowns to the models.
    good
        Models with the parameters (others stay at their defaults) and the outputs of the experiment's own.
        Draw number i takes model i modulo their number.
    thetas
        Draws of the unknowns ``(draws, n)``.

    Raises
    ------
    InputError
        If an experiment is unknown, or an output has another size.
    """
    known = {experiment.name: experiment for experiment in posterior.experiments}
    for name in good:
        if name not in known:
            given = f"good models for an experiment {name!r}{near_match(name, known)}"
            raise InputError(explain(given, ", ".join(known)))
    found: list[Differences] = []
    for name, models in good.items():
        found += _of_experiment(posterior, known[name], models, np.atleast_2d(thetas), map)
    return found


def _of_experiment(
    posterior: Posterior,
    experiment: Experiment,
    models: Sequence[ForwardModel],
    thetas: Array,
    map: Callable[..., Iterable[Any]],
) -> list[Differences]:
    named = [posterior.split(theta) for theta in thetas]
    below = experiment.model.batch([experiment.theta(values) for values in named], map=map)
    above, failures = np.full_like(below.values, np.nan), list(below.failures)
    for turn, model in enumerate(models):
        mine = range(turn, len(thetas), len(models))
        if not mine:
            continue
        better = model.batch([_theta(model, experiment, named[row]) for row in mine], map=map)
        if below.ok.any() and better.ok.any():
            _check_width(experiment, better.values, above)
            above[mine] = better.values
        for row, failure in zip(mine, better.failures, strict=True):
            failures[row] = failures[row] or failure
    ok = np.array([failure is None for failure in failures])
    rows = _by_quantity(experiment, (above - below.values)[ok], [named[row] for row in np.flatnonzero(ok)])
    gone = missed(experiment.name, thetas, failures)
    return [
        Differences(experiment, quantity, rows[quantity], thetas[ok], gone)
        for quantity in experiment.operators
    ]


def _check_width(experiment: Experiment, good: Array, used: Array) -> None:
    if good.shape[1] != used.shape[1]:
        given = f"{experiment.name}: a good model with {good.shape[1]} readings"
        raise InputError(explain(given, f"{used.shape[1]}, as the one that is used"))


def _theta(model: ForwardModel, experiment: Experiment, values: Values) -> Array:
    bound = {
        name: binding.pick(values) for name, binding in experiment.bindings.items() if name in model.names
    }
    return model.theta(**bound)


def _by_quantity(experiment: Experiment, rows: Array, values: Sequence[Values]) -> dict[str, Array]:
    """Cut data vectors ``(draws, n_data)`` by output; `values` are the unknowns at these draws."""
    if not len(rows):
        return {name: np.zeros((0, np.size(experiment.observed[name]))) for name in experiment.operators}
    known = experiment.model.trace(experiment.theta(values[0]))
    outputs = experiment.model.outputs
    ends = np.cumsum([np.size(known[name]) for name in outputs])
    return dict(zip(outputs, np.split(rows, ends[:-1], axis=1), strict=True))
