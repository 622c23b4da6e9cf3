"""A draw at which nothing is predicted, as plain data: the NaN in a table of predictions, and its reason."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.errors import ForwardFailure, Infeasible


@final
@dataclass(frozen=True)
class Missed:
    """One draw without a prediction of one experiment.

    Attributes
    ----------
    row
        Of the draws that were given, from 0.
    experiment
        Which has no prediction there.
    stage, reason
        Who gave none, and why.
    infeasible
        Whether the model says that nothing exists there; else a solver gave up.
    theta
        All unknowns at which it happened, in the order of the posterior's `names`.
    """

    row: int
    experiment: str
    stage: str
    reason: str
    infeasible: bool
    theta: tuple[float, ...]


def missed(experiment: str, thetas: Array, failures: Iterable[ForwardFailure | None]) -> tuple[Missed, ...]:
    """Return what is missing of an experiment at draws ``(draws, n)``, one failure or None for each."""
    return tuple(
        Missed(row, experiment, one.stage, one.reason, isinstance(one, Infeasible), _plain(theta))
        for row, (theta, one) in enumerate(zip(thetas, failures, strict=True))
        if one is not None
    )


def _plain(theta: Array) -> tuple[float, ...]:
    return tuple(np.asarray(theta, dtype=float).tolist())
