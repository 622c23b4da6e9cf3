"""What a posterior predicts, draw by draw: named quantities, replicated data, pointwise log-densities."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike

from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Values
from mscale_uq.errors import ForwardFailure
from mscale_uq.stats.experiment import Experiment
from mscale_uq.stats.missed import Missed, missed
from mscale_uq.stats.posterior import Posterior

Key = tuple[str, str]  # (experiment, quantity)
Table = Mapping[Key, Array]


@final
@dataclass(frozen=True)
class Predictions:
    """Predictions at many thetas; each array has the draws as its first axis, failed ones are NaN.

    Attributes
    ----------
    predicted
        Observed quantities as the model makes them, without noise.
    replicated
        Observed quantities with noise drawn from their law.
    pointwise
        Log-density of each datum given the others of its quantity, for leave-one-out; where errors are
        correlated these do not add up to the log-likelihood.
    made
        What the stages make on the way, where it is small enough.
    missed
        Every draw without a prediction of an experiment, and why; its row in these arrays is NaN.
    """

    predicted: Table
    replicated: Table
    pointwise: Table
    made: Table
    missed: tuple[Missed, ...]


def predict(
    posterior: Posterior,
    thetas: ArrayLike,
    rng: np.random.Generator,
    largest: int = 9,
    map: Callable[..., Iterable[Any]] = map,
) -> Predictions:
    """Predict at thetas ``(draws, n)``, with one solve each; any ``executor.map`` will do for `map`.

    Quantities on the way with more than `largest` entries are left out.
    """
    rows = np.atleast_2d(np.asarray(thetas, dtype=float))
    draws = list(map(partial(_attempt, posterior, largest), rows, rng.spawn(len(rows))))
    tables: list[dict[Key, Array]] = [{}, {}, {}, {}]
    gone: list[Missed] = []
    for position, experiment in enumerate(posterior.experiments):
        own = [draw[position] for draw in draws]
        failures = [one if isinstance(one, ForwardFailure) else None for one in own]
        gone += missed(experiment.name, rows, failures)
        good = [one for one in own if not isinstance(one, ForwardFailure)]
        missing = [_all_nan(table) for table in good[0]] if good else _nothing(experiment)
        filled = [missing if isinstance(one, ForwardFailure) else one for one in own]
        for kind, table in enumerate(tables):
            table |= {key: np.array([one[kind][key] for one in filled]) for key in missing[kind]}
    return Predictions(tables[0], tables[1], tables[2], tables[3], tuple(gone))


def _attempt(
    posterior: Posterior, largest: int, theta: Array, rng: np.random.Generator
) -> list[list[dict[Key, Array]] | ForwardFailure]:
    """Return each experiment's tables, or why it has none: one that is only predicted spoils no other."""
    values = posterior.split(theta)
    found: list[list[dict[Key, Array]] | ForwardFailure] = []
    for experiment in posterior.experiments:
        try:
            with np.errstate(all="ignore"):  # far-out draws overflow; the chain says what is not finite
                found.append(_one(experiment, largest, values, rng))
        except ForwardFailure as failure:
            found.append(failure)
    return found


def _one(
    experiment: Experiment, largest: int, values: Values, rng: np.random.Generator
) -> list[dict[Key, Array]]:
    known = experiment.trace(values)
    predicted: dict[Key, Array] = {}
    replicated: dict[Key, Array] = {}
    pointwise: dict[Key, Array] = {}
    for quantity, operator in experiment.operators.items():
        key = (experiment.name, quantity)
        predicted[key] = np.asarray(known[quantity])
        replicated[key] = np.asarray(operator.sample(known, rng))
        pointwise[key] = operator.held_out(experiment.observed[quantity], known)
    made = {
        (experiment.name, name): np.asarray(known[name])
        for name in experiment.model.chain.made
        if np.size(known[name]) <= largest and name not in experiment.operators
    }
    return [predicted, replicated, pointwise, made]


def _nothing(experiment: Experiment) -> list[dict[Key, Array]]:
    """Return the tables of an experiment that is predicted nowhere: NaN, of the shape of its data."""
    known = _all_nan({(experiment.name, name): experiment.observed[name] for name in experiment.operators})
    return [known, known, known, {}]


def _all_nan(table: Mapping[Key, Array]) -> dict[Key, Array]:
    return {key: np.full(np.shape(array), np.nan) for key, array in table.items()}
