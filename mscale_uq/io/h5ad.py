"""Counts of an h5ad file (AnnData), read by h5py alone.

Counts are looked for in the layer that is named, else in ``layers['counts']``, ``raw/X`` and ``X``, and must
be whole numbers. AnnData: Virshup et al. (2024), https://doi.org/10.21105/joss.04371; its layout on disk:
https://anndata.readthedocs.io/en/stable/fileformat-prose.html.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.errors import DataError, explain, near_match
from mscale_uq.io import hdf5
from mscale_uq.io.annotations import Annotations, annotations
from mscale_uq.io.cell_counts import CellCounts
from mscale_uq.io.counts import Matrix, gather
from mscale_uq.io.tracks import check_time_unit

MOST_CELLS = 10_000_000
MOST_GENES = 1_000_000
MOST_ENTRIES = 4_000_000_000
MOST_COUNTS = 100_000_000
SIZE_FACTORS = ("size_factors", "size_factor", "Size_Factor")


def read_h5ad(
    path: Path,
    label: str | None = None,
    *,
    time_unit: str,
    time: str = "time",
    times: Mapping[str, float] | None = None,
    genes: Sequence[str] | None = None,
    layer: str | None = None,
    size_factors: str | None = None,
    batch: str | None = None,
    most_entries: int = MOST_ENTRIES,
) -> CellCounts:
    """Return the counts of some genes in every cell of a file.

    Parameters
    ----------
    path, label
        The file, and what messages call it.
    time_unit
        The unit of the times, which the file does not say: ``"h"``, ``"day"``.
    time
        Column of ``obs`` with the time of each cell: numbers, or text or categories that read as numbers.
    times
        For other text: what each stands for, such as ``{"E14.5": 14.5}``.
    genes
        Names of ``var``; all without it.
    layer
        Where the counts are; without it they are looked for.
    size_factors
        Column of ``obs``; without it ``size_factors``, ``size_factor`` or ``Size_Factor`` if one is there,
        else the total of each cell over the mean total.
    batch
        Column of ``obs``; without it ``batch``, if it is there.
    most_entries
        A matrix that declares more stored entries is refused.

    Raises
    ------
    DataError
        If the file is cut, damaged or too large, holds no cells or no counts, or a key is not there; the
        message gives the key, what is allowed and what usually helps.
    """
    label = label or path.name
    check_time_unit(time_unit, label)
    with hdf5.opened(path, label) as file:
        obs = annotations(file, "obs", MOST_CELLS, label)
        if not obs.index.size:
            raise DataError(explain(f"{label}: no cells", "at least one", "leave the file out"))
        place, found, owner = _find(file, layer, label)
        var = annotations(owner, "var", MOST_GENES, label)
        chosen = _positions(var, genes)
        _check_result(obs.index.size * chosen.size, label)
        matrix = Matrix(f"{label}: {found}", place, (obs.index.size, var.index.size), most_entries)
        counts, totals = gather(matrix, chosen)
        factors, origin = _size_factors(obs, size_factors, totals)
        batch = batch or obs.first(["batch"])
        return CellCounts(
            label,
            obs.index,
            tuple(str(name) for name in var.index[chosen]),
            counts,
            totals,
            factors,
            _as_numbers(obs, time, times),
            time_unit,
            None if batch is None else _as_text(obs.column(batch)),
            found,
            origin,
        )


def _find(
    file: h5py.File, layer: str | None, label: str
) -> tuple[h5py.Group | h5py.Dataset, str, h5py.Group]:
    """Return the matrix of counts, its name, and the group whose ``var`` names its genes."""
    layers, raw = (hdf5.child(file, name, label) for name in ("layers", "raw"))
    named = hdf5.names(layers, label) if isinstance(layers, h5py.Group) else []
    if layer is not None and layer not in named:
        given = f"{label}: no layer {layer!r}{near_match(layer, named)}"
        raise DataError(explain(given, ", ".join(named) or "this file has no layers"))
    wanted = layer or ("counts" if "counts" in named else None)
    if wanted is not None and isinstance(layers, h5py.Group):
        place, found, owner = hdf5.child(layers, wanted, label), f"layers[{wanted!r}]", file
    elif isinstance(raw, h5py.Group) and hdf5.child(raw, "X", label) is not None:
        place, found, owner = hdf5.child(raw, "X", label), "raw/X", raw
    else:
        place, found, owner = hdf5.child(file, "X", label), "X", file
    if place is None:
        raise DataError(explain(f"{label}: no matrix {found}", "an h5ad file with counts"))
    return place, found, owner


def _positions(var: Annotations, genes: Sequence[str] | None) -> np.ndarray:
    if genes is None:
        return np.arange(var.index.size)
    names = var.index.tolist()
    positions = []
    for gene in genes:
        count = names.count(gene)
        if count != 1:
            given = f"{var.label}: gene {gene!r} stands {count} times in {var.group.name}"
            near = near_match(gene, names) if count == 0 else ""
            hint = "names are compared letter by letter; some files name genes by their Ensembl identifiers"
            raise DataError(explain(given + near, "a name that is there once", hint))
        positions.append(names.index(gene))
    return np.array(positions, dtype=int)


def _check_result(entries: int, label: str) -> None:
    if entries > MOST_COUNTS:
        given = f"{label}: {entries} counts are asked for"
        raise DataError(explain(given, f"at most {MOST_COUNTS}", "name the genes of the model"))


def _size_factors(obs: Annotations, given: str | None, totals: Array) -> tuple[Array, str]:
    name = given or obs.first(SIZE_FACTORS)
    if name is not None:
        factors, origin = _as_numbers(obs, name, None), f"obs[{name!r}]"
    else:
        factors, origin = totals * (totals.size / max(totals.sum(), 1.0)), "total counts over their mean"
    wrong = np.flatnonzero(~(np.isfinite(factors) & (factors > 0)))
    if wrong.size:
        message = (
            f"{obs.label}: size factor of cell {obs.index[wrong[0]]!r} is {factors[wrong[0]]:g} ({origin})"
        )
        raise DataError(explain(message, "positive numbers", "leave out cells without counts"))
    return factors, origin


def _as_numbers(obs: Annotations, name: str, meanings: Mapping[str, float] | None) -> Array:
    """Return a column as finite numbers; text is looked up, or read as a number."""
    column = obs.column(name)
    if column.dtype != object and meanings is None:
        values = column.astype(float)
    else:
        known = {text: _number(text, obs, name, meanings) for text in set(_as_text(column))}
        values = np.array([known[text] for text in _as_text(column)], dtype=float)
    wrong = np.flatnonzero(~np.isfinite(values))
    if wrong.size:
        given = f"{obs.label}: obs[{name!r}] of cell {obs.index[wrong[0]]!r} is missing"
        raise DataError(explain(given, "a number for every cell", "leave out the cells that have none"))
    return values


def _number(text: str, obs: Annotations, name: str, meanings: Mapping[str, float] | None) -> float:
    if not text:
        return float("nan")
    try:
        return float(meanings[text] if meanings is not None else text)
    except (KeyError, ValueError):
        given = f"{obs.label}: obs[{name!r}] holds {text[:40]!r}, which is no number"
        known = ", ".join(map(str, meanings)) if meanings is not None else "numbers, or text that is one"
        hint = f"say in times what each stands for, such as {text[:40]!r} -> 14.5"
        raise DataError(explain(given, known, hint)) from None


def _as_text(column: np.ndarray) -> np.ndarray:
    return np.array([entry if isinstance(entry, str) else f"{entry:.12g}" for entry in column], dtype=object)
