"""Ensembles for parameters: repeated analyses of the same data, each with the noise made larger.

What `ESMDA` and `EKI` share. An update is that of the ensemble filters, on parameters in free coordinates
and the data that `ForwardModel.batch` predicts for them.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike

from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.parameter import Array
from mscale_uq.core.random import generator
from mscale_uq.errors import DataError, InputError, SolveFailed, explain
from mscale_uq.filters.analysis import Analysis
from mscale_uq.filters.free import Free
from mscale_uq.filters.innovation import divide_noise, innovation, noise_factor
from mscale_uq.filters.lost import redrawn
from mscale_uq.filters.records import Purpose


@final
@dataclass(frozen=True)
class Inversion:
    """What an ensemble inversion found.

    Attributes
    ----------
    thetas
        ``(N, p)`` parameters of the members.
    predicted
        ``(N, n_data)`` their data; NaN where the model failed.
    alphas
        The factors on the noise covariance that were used, one per update.
    misfits
        Squared departure of the data from the members' mean, over the noise and per datum: before each
        update, and after the last. About 1 where model and noise are right.
    lost
        Members that the model failed for, in the same order.
    """

    thetas: Array
    predicted: Array
    alphas: tuple[float, ...]
    misfits: tuple[float, ...]
    lost: tuple[int, ...]


@final
@dataclass(frozen=True)
class Problem:
    """A forward model, data ``(n_data,)`` with NaN for missing, and the covariance of their noise."""

    model: ForwardModel
    data: Array
    noise: Array
    analysis: Analysis
    map: Callable[..., Iterable[Any]]
    key: int

    @property
    def seen(self) -> np.ndarray:
        """``(n_data,)``, true where there is a datum."""
        return ~np.isnan(self.data)

    def predict(self, thetas: Array) -> tuple[Array, np.ndarray]:
        """Return the members' data, NaN for failures, and which members are lost ``(N,)``."""
        batch = self.model.batch(thetas, map=self.map)
        if batch.values.shape[1] not in (0, self.data.size):
            given = f"{self.data.size} data, {batch.values.shape[1]} predicted"
            raise DataError(explain(given, f"one per entry of {', '.join(self.model.outputs)}"))
        if batch.values.shape[1] == 0:
            raise SolveFailed("ensemble", {}, f"no member left; the last failure: {batch.failures[-1]}")
        return batch.values, ~batch.ok

    def misfit(self, predicted: Array, lost: np.ndarray) -> float:
        """Return the squared departure of the data from the members' mean, over the noise, per datum."""
        departure = (self.data - predicted[~lost].mean(axis=0))[self.seen]
        white = divide_noise(noise_factor(self.noise[np.ix_(self.seen, self.seen)]), departure)
        return float(white @ white / max(white.size, 1))

    def updated(self, free: Array, predicted: Array, lost: np.ndarray, alpha: float, step: int) -> Array:
        """Return the members in free coordinates, given the data with alpha times their noise."""
        rng = generator(self.key, step, Purpose.REDRAW)
        whole = redrawn(np.hstack([free, predicted]), lost, float(step), rng)
        free, predicted = whole[:, : free.shape[1]], whole[:, free.shape[1] :]
        noise = alpha * self.noise[np.ix_(self.seen, self.seen)]
        part = innovation(predicted[:, self.seen], self.data[self.seen], noise)
        return self.analysis.update(free, part, generator(self.key, step, Purpose.ANALYSIS))


def problem(
    model: ForwardModel,
    data: ArrayLike,
    noise: ArrayLike,
    analysis: Analysis,
    map: Callable[..., Iterable[Any]],
    key: int,
) -> Problem:
    """Return the problem, with the noise as a covariance.

    Raises
    ------
    DataError
        If the noise is neither a variance per datum nor a covariance.
    InputError
        If the analysis is localised: parameters have no place.
    """
    y, R = np.asarray(data, dtype=float), np.asarray(noise, dtype=float)
    if R.shape not in (y.shape, (y.size, y.size)):
        allowed = f"variances {y.shape} or a covariance ({y.size}, {y.size})"
        raise DataError(explain(f"noise of shape {R.shape} for {y.size} data", allowed))
    if analysis.localisation is not None:
        raise InputError(explain("a localised analysis of parameters", "an analysis without localisation"))
    return Problem(model, y, R if R.ndim == 2 else np.diag(R), analysis, map, key)


def invert(
    task: Problem, thetas: ArrayLike, alphas: Iterable[float], enough: Callable[[float], bool]
) -> Inversion:
    """Return the members after one update per alpha, or until the misfit is enough."""
    coordinates = Free.of(task.model.parameters)
    current = np.array(thetas, dtype=float)
    used: list[float] = []
    misfits: list[float] = []
    losses: list[int] = []
    predicted, lost = task.predict(current)
    for step, alpha in enumerate(alphas):
        misfits.append(task.misfit(predicted, lost))
        losses.append(int(lost.sum()))
        if enough(misfits[-1]):
            return Inversion(current, predicted, tuple(used), tuple(misfits), tuple(losses))
        free = task.updated(coordinates.forward(current), predicted, lost, alpha, step)
        current = coordinates.backward(free)
        used.append(alpha)
        predicted, lost = task.predict(current)
    misfits.append(task.misfit(predicted, lost))
    losses.append(int(lost.sum()))
    return Inversion(current, predicted, tuple(used), tuple(misfits), tuple(losses))
