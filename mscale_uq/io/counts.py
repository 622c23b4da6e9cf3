"""A matrix of counts in an h5ad file, dense or sparse, read in steps of bounded size.

What is kept are the genes that a model names and the total of every cell, so that memory grows with cells and
genes of the model, not with the genes of the assay.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import h5py
import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.errors import DataError, explain
from mscale_uq.io import hdf5

STEP = 2**20  # entries that are read at once
TOLERANCE = 1e-6  # how far from a whole number a count may lie


@final
@dataclass(frozen=True)
class Block:
    """Some entries of a matrix: ``rows``, ``columns`` and ``values``, each ``(entries,)``."""

    rows: np.ndarray
    columns: np.ndarray
    values: Array


@final
@dataclass(frozen=True)
class Matrix:
    """A matrix that is read in blocks.

    Attributes
    ----------
    label
        What messages call the file and the matrix.
    place
        Where it lies.
    shape
        Cells and genes.
    most_entries
        The largest number of stored entries that is read.
    """

    label: str
    place: h5py.Group | h5py.Dataset
    shape: tuple[int, int]
    most_entries: int

    def blocks(self) -> Iterator[Block]:
        """Return all entries that are stored, in pieces.

        Raises
        ------
        DataError
            If the matrix is none of these cells and genes, is damaged or too large.
        """
        if isinstance(self.place, h5py.Dataset):
            return self._dense(self.place)
        return self._sparse(self.place)

    def _dense(self, data: h5py.Dataset) -> Iterator[Block]:
        self._check_shape(data.shape)
        self._check_size(self.shape[0] * self.shape[1])
        high, wide = self._tile(data)
        for top in range(0, self.shape[0], high):
            for left in range(0, self.shape[1], wide):
                where = (
                    slice(top, min(top + high, self.shape[0])),
                    slice(left, min(left + wide, self.shape[1])),
                )
                yield from self._entries(hdf5.numbers(data, where, self.label), top, left)

    def _tile(self, data: h5py.Dataset) -> tuple[int, int]:
        """Return the height and width that are read at once: whole chunks, each unpacked once."""
        high, wide = data.chunks or (1, self.shape[1])
        wide *= max(1, min(-(-self.shape[1] // max(wide, 1)), STEP // max(1, high * wide)))
        return (high if wide < self.shape[1] else high * max(1, STEP // max(1, high * wide))), max(wide, 1)

    def _entries(self, part: np.ndarray, top: int, left: int) -> Iterator[Block]:
        columns = np.arange(left, left + part.shape[1])
        step = max(1, STEP // max(1, columns.size))
        for start in range(0, len(part), step):
            some = part[start : start + step]
            rows = np.arange(top + start, top + start + len(some))
            yield Block(np.repeat(rows, columns.size), np.tile(columns, len(some)), some.ravel())

    def _sparse(self, group: h5py.Group) -> Iterator[Block]:
        by_cell = self._is_by_cell(group)
        data, indices = (hdf5.dataset(group, name, self.label) for name in ("data", "indices"))
        stored = hdf5.vector_length(data, self.most_entries, self.label)
        major, minor = self.shape if by_cell else self.shape[::-1]
        ends = self._ends(hdf5.dataset(group, "indptr", self.label), major, stored)
        if indices.shape != data.shape:
            given = f"{self.label}: data has shape {data.shape}, indices {indices.shape}"
            raise DataError(explain(given, "the same", "is the file whole?"))
        for start in range(0, stored, STEP):
            part = slice(start, min(start + STEP, stored))
            values, inner = (hdf5.numbers(one, part, self.label) for one in (data, indices))
            self._check_inner(inner, minor)
            outer = np.searchsorted(ends, np.arange(part.start, part.stop), side="right") - 1
            rows, columns = (outer, inner) if by_cell else (inner, outer)
            yield Block(rows, columns, values)

    def _is_by_cell(self, group: h5py.Group) -> bool:
        kind = hdf5.attribute(group, "encoding-type", self.label)
        if kind not in ("csr_matrix", "csc_matrix"):
            given = f"{self.label} is encoded as {kind!r}"
            hint = "files of very old versions are read and written once by a current anndata"
            raise DataError(explain(given, "csr_matrix, csc_matrix, or a dense array", hint))
        shape = np.asarray(hdf5.attribute(group, "shape", self.label))
        if shape.shape != (2,) or shape.dtype.kind not in "iu":
            raise DataError(explain(f"{self.label} has no shape", "two numbers", "is the file whole?"))
        self._check_shape(tuple(int(n) for n in shape))
        return bool(kind == "csr_matrix")

    def _ends(self, data: h5py.Dataset, major: int, stored: int) -> np.ndarray:
        length = hdf5.vector_length(data, major + 1, self.label)
        ends = hdf5.numbers(data, slice(0, length), self.label)
        whole = ends.dtype.kind in "iu" and length == major + 1
        if not whole or ends[0] != 0 or ends[-1] != stored or np.any(ends[1:] < ends[:-1]):
            given = f"{self.label}: indptr does not lead from 0 to {stored} in {major} steps"
            raise DataError(explain(given, "a compressed sparse matrix", "is the file whole?"))
        return ends.astype(np.int64)

    def _check_inner(self, inner: np.ndarray, minor: int) -> None:
        if inner.dtype.kind not in "iu" or np.any((inner < 0) | (inner >= minor)):
            given = f"{self.label}: an index outside 0 to {minor - 1}"
            raise DataError(explain(given, "a compressed sparse matrix", "is the file whole?"))

    def _check_shape(self, shape: tuple[int, ...]) -> None:
        if tuple(shape) != self.shape:
            given = f"{self.label} has shape {tuple(shape)}"
            hint = "obs and var do not belong to this matrix; is the file whole?"
            raise DataError(explain(given, f"{self.shape}: cells of obs, genes of var", hint))

    def _check_size(self, entries: int) -> None:
        if entries > self.most_entries:
            given = f"{self.label} declares {entries} entries"
            hint = "raise most_entries if the file is whole, or store the counts as a sparse matrix"
            raise DataError(explain(given, f"at most {self.most_entries}", hint))


def gather(matrix: Matrix, chosen: np.ndarray) -> tuple[Array, Array]:
    """Return the counts ``(cells, chosen)`` of the chosen genes, and every cell's total ``(cells,)``.

    Raises
    ------
    DataError
        If an entry is negative or no whole number.
    """
    cells, genes = matrix.shape
    place = np.full(genes, -1)
    place[chosen] = np.arange(chosen.size)
    counts, totals = np.zeros((cells, chosen.size)), np.zeros(cells)
    for block in matrix.blocks():
        values = _whole(block, matrix.label)
        totals += np.bincount(block.rows, values, minlength=cells)
        column = place[block.columns]
        wanted = column >= 0
        np.add.at(counts, (block.rows[wanted], column[wanted]), values[wanted])
    return counts, totals


def _whole(block: Block, label: str) -> Array:
    values = np.asarray(block.values, dtype=float)
    whole = np.round(values)
    wrong = np.flatnonzero(~(np.abs(values - whole) <= TOLERANCE) | (values < -TOLERANCE))
    if wrong.size:
        first = wrong[0]
        given = (
            f"{label}: cell {block.rows[first]}, gene {block.columns[first]} (from zero) holds "
            f"{values[first]:g}, which is no count"
        )
        hint = (
            "log-normalised or scaled data have lost the noise of counting: name the layer that holds "
            "the raw counts, or store them in layers['counts']"
        )
        raise DataError(explain(given, "whole numbers from 0", hint))
    return np.asarray(whole)
