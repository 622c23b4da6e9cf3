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
    failed
        Number of draws left out.
    """

    experiment: Experiment
    quantity: str
    rows: Array
    thetas: Array
    failed: int


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
    used = np.array([experiment.theta(values) for values in named])
    below = experiment.model.batch(used, map=map).values
    above = np.full_like(below, np.nan)
    for i, model in enumerate(models):
        mine = np.arange(len(thetas)) % len(models) == i
        rows = [_theta(model, experiment, values) for values, turn in zip(named, mine, strict=True) if turn]
        made = model.batch(rows, map=map).values if rows else above[mine]
        if made.shape[1] not in (0, above.shape[1]):  # 0: it failed everywhere
            given = f"{experiment.name}: a good model with {made.shape[1]} readings"
            raise InputError(explain(given, f"{above.shape[1]}, as the one that is used"))
        above[mine] = made if made.shape[1] else np.nan
    ok = np.all(np.isfinite(above - below), axis=1) & (below.shape[1] > 0)
    places = _places(experiment, used[ok][0]) if ok.any() else {}
    kept, failed = (above - below)[ok], int(np.sum(~ok))
    return [
        Differences(experiment, quantity, kept[:, places[quantity]], thetas[ok], failed)
        for quantity in experiment.operators
        if ok.any()
    ]


def _theta(model: ForwardModel, experiment: Experiment, values: Values) -> Array:
    bound = {
        name: binding.pick(values) for name, binding in experiment.bindings.items() if name in model.names
    }
    return model.theta(**bound)


def _places(experiment: Experiment, theta: Array) -> dict[str, slice]:
    """Return where each output lies in the data vector."""
    known = experiment.model.trace(theta)
    places, start = {}, 0
    for name in experiment.model.outputs:
        places[name] = slice(start, start + np.size(known[name]))
        start = places[name].stop
    return places
