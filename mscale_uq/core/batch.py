"""Predictions for many parameter vectors, here or on the workers of an executor."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike

from mscale_uq.core.parameter import Array
from mscale_uq.errors import ForwardFailure


@final
@dataclass(frozen=True)
class Batch:
    """Predictions for many thetas; failed rows are NaN, and say why.

    Attributes
    ----------
    values
        ``(members, n_data)``.
    failures
        One entry per member: None, or the failure.
    """

    values: Array
    failures: tuple[ForwardFailure | None, ...]

    @property
    def ok(self) -> np.ndarray:
        """``(members,)``, true where the model gave a prediction."""
        return np.array([failure is None for failure in self.failures])


def run_batch(
    value: Callable[[Array], Array], thetas: ArrayLike, map: Callable[..., Iterable[Any]] = map
) -> Batch:
    """Run a model's `value` at many thetas ``(members, n_parameters)``; a bug in it is raised."""
    results = list(map(partial(_attempt, value), np.atleast_2d(np.asarray(thetas, dtype=float))))
    good = [data for data, _ in results if data is not None]
    width = good[0].size if good else 0
    rows = [np.full(width, np.nan) if data is None else data for data, _ in results]
    return Batch(np.array(rows).reshape(len(rows), width), tuple(failure for _, failure in results))


def _attempt(value: Callable[[Array], Array], theta: Array) -> tuple[Array | None, ForwardFailure | None]:
    try:
        return value(theta), None
    except ForwardFailure as failure:
        return None, failure
