"""Quantities on the way from parameters to data, as groups of a result: of the posterior and of the prior."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from mscale_uq.case.read import Case
from mscale_uq.core.parameter import Array
from mscale_uq.stats.predictive import Table

LEAST = 50  # prior draws with a prediction, of which an sd may be taken


def derived_groups(
    case: Case, made: Table, prior_made: Table, sampled: Mapping[str, np.ndarray], slug: Mapping[str, str]
) -> dict[str, xr.Dataset]:
    """Return ``derived`` and, if there are prior draws, ``prior_derived``; the former has its sd."""
    posterior = _derived(case, made, sampled, slug)
    if not prior_made:
        return {"derived": posterior}
    draws = len(next(iter(prior_made.values())))
    prior = _derived(case, prior_made, {"chain": np.arange(1), "draw": np.arange(draws)}, slug)
    for name in set(posterior) & set(prior):
        if posterior[name].dims == prior[name].dims and posterior[name].shape[2:] == prior[name].shape[2:]:
            posterior[name].attrs["prior_sd"] = _spread(prior[name].to_numpy()[0]).ravel()
    return {"derived": posterior, "prior_derived": prior}


def _spread(draws: Array) -> Array:
    """Return the sd over the draws, NaN where too few of them have a value."""
    seen = np.isfinite(draws)
    count = seen.sum(axis=0)
    sure = np.maximum(count, 2)
    mean = np.where(seen, draws, 0.0).sum(axis=0) / sure
    squares = np.where(seen, (draws - mean) ** 2, 0.0).sum(axis=0) / (sure - 1)
    return np.where(count >= LEAST, np.sqrt(squares), np.nan)


def expected(case: Case, name: str) -> dict[str, str]:
    """Return the expected numbers of a quantity and of its entries, as an attribute."""
    found = {
        label: {key: value for key, value in vars(expected).items() if value is not None}
        for label, expected in case.expect.items()
        if label.partition("[")[0] == name
    }
    return {"expect": json.dumps(found)} if found else {}


def _derived(
    case: Case, made: Table, sampled: Mapping[str, np.ndarray], slug: Mapping[str, str]
) -> xr.Dataset:
    """Return the quantities on the way, with a dimension for the experiments where they differ."""
    system = case.system
    declared = {quantity.name: quantity for quantity in (*system.outputs, *system.effective)}
    effective = {quantity.name for quantity in system.effective}
    variables, coordinates = {}, dict[str, Any](sampled)
    lengths = [len(values) for values in sampled.values()]
    for name in dict.fromkeys(name for _, name in made):
        tables = {experiment: array for (experiment, other), array in made.items() if other == name}
        for label, array, experiments in _joined(name, tables, slug):
            inner = np.shape(array)[2 if experiments else 1 :]
            axes = [f"{label}_{axis}" for axis in range(len(inner))]
            dims = [f"{label}_experiment", *axes] if experiments else axes
            coordinates |= {axis: np.arange(size) for axis, size in zip(axes, inner, strict=True)}
            if experiments:
                coordinates[dims[0]] = np.array(experiments)
            attrs: dict[str, Any] = {
                "derived": 1,
                "effective": int(name in effective),
                **expected(case, name),
            }
            if name in declared:
                attrs |= {"unit": declared[name].unit, "meaning": declared[name].meaning}
            variables[label] = ([*sampled, *dims], array.reshape(*lengths, *array.shape[1:]), attrs)
    return xr.Dataset(variables, coordinates, {"names_effective": int(bool(effective))})


def _joined(
    name: str, tables: Mapping[str, Array], slug: Mapping[str, str]
) -> list[tuple[str, Array, tuple[str, ...]]]:
    """Return (label, array, experiments): one array if all agree, else a stack, or several."""
    arrays = list(tables.values())
    if len({array.shape for array in arrays}) > 1:
        return [(f"{slug[experiment]}.{name}", array, ()) for experiment, array in tables.items()]
    if len(arrays) == len(slug) and all(np.array_equal(a, arrays[0], equal_nan=True) for a in arrays):
        return [(name, arrays[0], ())]
    return [(name, np.stack(arrays, axis=1), tuple(tables))]
