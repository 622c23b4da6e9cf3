"""Tables of annotations in an h5ad file: one row per cell or gene, columns of text, numbers or categories.

The layout is that of the on-disk format of AnnData, https://anndata.readthedocs.io/en/stable/fileformat-prose.html.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import h5py
import numpy as np

from mscale_uq.errors import DataError, explain, near_match
from mscale_uq.io import hdf5


@final
@dataclass(frozen=True)
class Annotations:
    """One of the tables ``obs`` and ``var``.

    Attributes
    ----------
    label
        What messages call the file.
    group
        Where the table lies.
    index
        ``(rows,)`` names of the rows, as text.
    """

    label: str
    group: h5py.Group
    index: np.ndarray

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        return [name for name in hdf5.names(self.group, self.label) if not name.startswith("_")]

    def column(self, name: str) -> np.ndarray:
        """Return a column ``(rows,)``: text as `str`, or numbers; a missing text is ''.

        Raises
        ------
        DataError
            If there is no such column, or it has another length.
        """
        found = hdf5.child(self.group, name, self.label) if "/" not in name else None
        if found is None:
            given = f"{self.label}: {self.group.name} has no column {name!r}{near_match(name, self.names)}"
            raise DataError(explain(given, ", ".join(self.names) or "none is there"))
        values = self._values(found)
        if values.shape != self.index.shape:
            given = f"{self.label}: {found.name} has shape {values.shape}"
            raise DataError(explain(given, f"({self.index.size},)", "is the file whole?"))
        return values

    def first(self, names: Sequence[str]) -> str | None:
        """Return the first of these columns that is there."""
        there = (name for name in names if hdf5.child(self.group, name, self.label) is not None)
        return next(there, None)

    def _values(self, found: h5py.Group | h5py.Dataset) -> np.ndarray:
        if isinstance(found, h5py.Dataset):
            return self._plain(found)
        kind = _word(hdf5.attribute(found, "encoding-type", self.label))
        if kind == "categorical":
            return self._categories(
                hdf5.dataset(found, "codes", self.label), hdf5.dataset(found, "categories", self.label)
            )
        if kind.startswith("nullable"):
            values = self._plain(hdf5.dataset(found, "values", self.label))
            mask = self._plain(hdf5.dataset(found, "mask", self.label)).astype(bool)
            if mask.shape == values.shape:
                return np.where(mask, "" if values.dtype == object else np.nan, values)
        given = f"{self.label}: {found.name} is encoded as {kind!r}"
        raise DataError(explain(given, "text, numbers, or categories", "write it with a current anndata"))

    def _plain(self, data: h5py.Dataset) -> np.ndarray:
        length = hdf5.vector_length(data, self.index.size, self.label)
        if data.dtype.kind in "OSU":
            return hdf5.texts(data, self.index.size, self.label)
        return hdf5.numbers(data, slice(0, length), self.label)

    def _categories(self, codes: h5py.Dataset, categories: h5py.Dataset) -> np.ndarray:
        code = self._plain(codes)
        # There are no more categories than rows, but for a table that was cut down and kept them.
        count = hdf5.vector_length(categories, max(self.index.size, 100_000), self.label)
        is_text = categories.dtype.kind in "OSU"
        known = (
            hdf5.texts(categories, count, self.label)
            if is_text
            else hdf5.numbers(categories, slice(0, count), self.label).astype(float)
        )
        if code.dtype.kind not in "iu" or np.any((code < -1) | (code >= known.size)):
            given = f"{self.label}: {codes.name} names a category that is not there"
            raise DataError(explain(given, f"0 to {known.size - 1}, or -1", "is the file whole?"))
        missing = np.array(["" if is_text else np.nan], dtype=object if is_text else float)
        return np.concatenate([known, missing])[code]


def annotations(file: h5py.Group, name: str, most: int, label: str) -> Annotations:
    """Return the table ``obs`` or ``var`` of a file or of its group ``raw``.

    Raises
    ------
    DataError
        If it is not there, or of another layout, or declares more than `most` rows.
    """
    group = hdf5.child(file, name, label)
    if not isinstance(group, h5py.Group):
        given = f"{label}: no table {name!r}"
        hint = "files of very old versions are read and written once by a current anndata"
        raise DataError(explain(given, "an h5ad file with obs and var", hint))
    key = _word(hdf5.attribute(group, "_index", label)) or "_index"
    index = hdf5.texts(hdf5.dataset(group, key, label), most, label)
    return Annotations(label, group, index)


def _word(given: object) -> str:
    return given if isinstance(given, str) else ""
