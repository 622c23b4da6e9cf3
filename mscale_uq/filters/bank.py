"""A bank of filters: many cells under one linear model, read at the same times.

Cells that miss the same readings share their covariances and gains, which are computed once for each such
group; only the means run cell by cell.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from mscale_uq.core.observation import Observation
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Values
from mscale_uq.core.statespace import StateSpace
from mscale_uq.errors import DataError, explain
from mscale_uq.filters.conditioning import stopped
from mscale_uq.filters.series import Series, assemble, plan
from mscale_uq.solve.kalman_bank import gain_series, mean_series


@final
@dataclass(frozen=True)
class Bank:
    """The filtered laws of all cells.

    Attributes
    ----------
    times
        ``(T,)``.
    log_evidence
        ``(cells,)`` log-density of each cell's readings.
    means
        ``(cells, T, n)``, or ``(cells, 1, n)`` at the last time only.
    group
        ``(cells,)`` which of `covs` is the cell's.
    covs
        ``(groups, T, n, n)``: one series of covariances for each pattern of missing readings.
    """

    times: Array
    log_evidence: Array
    means: Array
    group: np.ndarray
    covs: Array


def filter_bank(
    space: StateSpace,
    values: Values,
    times: ArrayLike,
    readings: Mapping[str, ArrayLike],
    keep: bool = True,
) -> Bank:
    """Return the filtered laws of cells read by one or more sources at common times.

    Parameters
    ----------
    space, values
        A linear Gaussian model and what `filters.loop.prepared` returned.
    times
        ``(T,)``, increasing.
    readings
        Source -> ``(cells, T, *shape of the quantity)``; NaN is missing.
    keep
        Whether the means of all times are wanted, or of the last only.

    Raises
    ------
    NoGradient, DataError, CovarianceError
        As `filters.likelihood.KalmanLikelihood`.
    """
    when = np.asarray(times, dtype=float)
    tables = {source: np.asarray(table, dtype=float) for source, table in readings.items()}
    _check_shapes(when, tables)
    first = [
        Observation(time, source, space.observations[source].quantity, table[0, t])
        for t, time in enumerate(when)
        for source, table in tables.items()
    ]
    made = plan(space, first)
    series = assemble(space, values, made)
    cells = len(next(iter(tables.values())))
    data = np.concatenate([table.reshape(cells, len(when), -1) for table in tables.values()], axis=2)
    whole = data - series.d[made.look]
    seen, group = np.unique(~np.isnan(whole).reshape(cells, -1), axis=0, return_inverse=True)
    parts = [
        _one_group(series, when, pattern.reshape(whole.shape[1:]), whole[group == number], keep)
        for number, pattern in enumerate(seen)
    ]
    return _gathered(when, parts, group.ravel())


def _one_group(
    series: Series, times: Array, seen: np.ndarray, readings: Array, keep: bool
) -> tuple[Array, Array, Array]:
    """Return log-densities ``(members,)``, means ``(members, T or 1, n)`` and covariances ``(T, n, n)``."""
    (members, T, m), n, s = readings.shape, len(series.mean), series
    gains, variances, covs = np.zeros((T, m, n)), np.ones((T, m)), np.empty((T, n, n))
    done = gain_series(s.cov.copy(), s.F, s.Q, s.move, s.H, s.r, s.look, seen, gains, variances, covs)
    if done < T:
        raise stopped(variances[done], times[done])
    mean, logs = np.repeat(s.mean[:, None], members, axis=1), np.zeros(members)
    means = np.empty((T, n, members)) if keep else None
    y = np.ascontiguousarray(np.moveaxis(readings, 0, -1))
    mean_series(mean, s.F, s.b, s.move, s.H, s.look, seen, gains, variances, y, logs, means)
    return logs, np.moveaxis(mean[None] if means is None else means, -1, 0), covs


def _gathered(times: Array, parts: list[tuple[Array, Array, Array]], group: np.ndarray) -> Bank:
    logs, means = np.empty(len(group)), np.empty((len(group), *parts[0][1].shape[1:]))
    for number, (part_logs, part_means, _) in enumerate(parts):
        logs[group == number], means[group == number] = part_logs, part_means
    return Bank(times, logs, means, group, np.array([covs for _, _, covs in parts]))


def _check_shapes(times: Array, tables: Mapping[str, Array]) -> None:
    if not tables:
        raise DataError(explain("no readings", "at least one source"))
    cells = {table.shape[0] for table in tables.values()}
    for source, table in tables.items():
        if table.ndim < 2 or table.shape[1] != len(times) or len(cells) != 1:
            raise DataError(
                explain(
                    f"{source}: readings of shape {table.shape}",
                    f"(cells, {len(times)}, ...) for all sources",
                )
            )
