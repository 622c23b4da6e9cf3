"""Approximation error in rounds: learn the error of the model where the posterior is, and sample again.

Round 1 learns mean and covariance of (good - used) model over prior draws. The posterior that follows is
narrower, so round 2 learns the error there, and so on; in the linear Gaussian case this converges
geometrically. One round costs as many solves of the good model as there are draws.

Source: D. Calvetti, M. Dunlop, E. Somersalo, A. Stuart, Iterative updating of model error for Bayesian
inversion, Inverse Problems 34 (2018) 025008.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.diagnose.differences import Differences, Good, differences
from mscale_uq.diagnose.model_error import Place, with_approximation
from mscale_uq.errors import InputError, explain
from mscale_uq.observe.approximation import ApproximationError, from_differences
from mscale_uq.stats.missed import Missed
from mscale_uq.stats.posterior import Posterior

# (posterior, number of draws, random numbers) -> draws (number, n)
Sampler = Callable[[Posterior, int, np.random.Generator], Array]


@final
@dataclass(frozen=True)
class Round:
    """What one round learned.

    Attributes
    ----------
    errors
        (experiment, quantity) -> approximation error.
    missed
        Draws at which one of the models had no prediction, of all experiments, and why.
    """

    errors: Mapping[Place, ApproximationError]
    missed: tuple[Missed, ...]


@final
@dataclass(frozen=True)
class ApproximationRounds:
    """The corrected posterior and how it came about.

    Attributes
    ----------
    posterior
        With the approximation error of the last round.
    rounds
        One record per round.
    """

    posterior: Posterior
    rounds: tuple[Round, ...]

    @property
    def change(self) -> float:
        """Largest change of a mean error in the last round, in sds of the one before; inf after round 1."""
        if len(self.rounds) < 2:
            return np.inf
        before, last = self.rounds[-2].errors, self.rounds[-1].errors
        return max(_moved(before[place], error) for place, error in last.items())


def learn_error(
    posterior: Posterior, good: Good, thetas: Array, map: Callable[..., Iterable[Any]] = map
) -> Round:
    """Return the error of the used models over draws of the unknowns ``(draws, n)``.

    Raises
    ------
    InputError
        If fewer than two draws have both predictions, or `good` does not fit.
    """
    found = differences(posterior, good, thetas, map)
    gone = {one.experiment.name: one.missed for one in found}
    if min((len(one.rows) for one in found), default=0) < 2:
        latest = next((f", the latest: {rows[-1].reason}" for rows in gone.values() if rows), "")
        given = f"fewer than two of {len(thetas)} draws have a prediction of both models{latest}"
        raise InputError(explain(f"approximation error: {given}", hint="take more draws, or narrower priors"))
    errors = {_place(one): from_differences(one.rows) for one in found}
    return Round(errors, tuple(row for rows in gone.values() for row in rows))


def error_in_rounds(
    posterior: Posterior,
    good: Good,
    sample: Sampler,
    rounds: int,
    draws: int,
    rng: np.random.Generator,
    map: Callable[..., Iterable[Any]] = map,
) -> ApproximationRounds:
    """Learn the error over prior draws, then over draws of each round's posterior.

    Parameters
    ----------
    posterior
        Of the used models.
    good
        Experiment -> good models, equally likely.
    sample
        Any sampler; called between rounds.
    rounds, draws
        Number of rounds, and of draws in each.

    Raises
    ------
    InputError
        As `learn_error`.
    """
    thetas = np.array([posterior.sample_prior(rng) for _ in range(draws)])
    history: list[Round] = []
    corrected = posterior
    for number in range(rounds):
        if number:
            thetas = sample(corrected, draws, rng)
        history.append(learn_error(posterior, good, thetas, map))
        corrected = with_approximation(posterior, history[-1].errors)
    return ApproximationRounds(corrected, tuple(history))


def _place(found: Differences) -> Place:
    return found.experiment.name, found.quantity


def _moved(before: ApproximationError, after: ApproximationError) -> float:
    spread = np.sqrt(np.maximum(np.diag(before.covariance), np.finfo(float).tiny))
    return float(np.max(np.abs(after.mean - before.mean) / spread))
