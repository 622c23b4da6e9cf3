"""Files of sequenced cells that are refused, with the key and the reason."""

import h5py
import numpy as np
import pytest
from sequenced_files import GENES, made, saved, whole

from mscale_uq.errors import DataError
from mscale_uq.io.h5ad import read_h5ad


def test_log_normalised_data_are_refused_with_what_helps(tmp_path):
    data, _ = made()
    with pytest.raises(DataError, match=r"X: cell 0, gene .* which is no count.*name the layer that holds"):
        read_h5ad(saved(tmp_path, data), time_unit="h")


@pytest.mark.parametrize(("off", "ok"), [(5e-7, True), (2e-6, False), (-2.0, False), (np.nan, False)])
def test_a_count_is_whole_to_a_millionth_and_not_negative(tmp_path, off, ok):
    data, counts = made()
    wrong = counts.astype(float)
    wrong[3, 4] = 0.0 + off
    counts[3, 4] = 0
    data.layers["counts"] = wrong
    path = saved(tmp_path, data)
    if ok:
        assert np.array_equal(read_h5ad(path, time_unit="h").counts, counts)
    else:
        with pytest.raises(DataError, match="cell 3, gene 4"):
            read_h5ad(path, time_unit="h")


KEYS = {
    "layer": ({"layer": "count"}, "no layer 'count' .did you mean 'counts'"),
    "time": ({"time": "tme"}, "/obs has no column 'tme' .did you mean 'time'"),
    "gene": ({"genes": ["gene400"]}, "gene 'gene400' stands 0 times in /var .did you mean"),
    "batch": ({"batch": "dish"}, "/obs has no column 'dish'"),
    "size factors": ({"size_factors": "batch"}, r"obs\['batch'\] holds 'dish .', which is no number"),
    "unit": ({"time_unit": "um"}, "unit of time 'um'"),
    "word": ({"time_unit": "hpf"}, "cannot read the unit 'hpf'"),
    "entries": ({"most_entries": 10}, "declares .* entries; allowed: at most 10"),
}


@pytest.mark.parametrize("key", KEYS)
def test_a_key_that_is_not_there_is_named_with_what_is(tmp_path, key):
    options, message = KEYS[key]
    with pytest.raises(DataError, match=message):
        read_h5ad(whole(tmp_path), **{"time_unit": "h", **options})


def empty(file, name, shape, **options):
    """A dataset that declares a size and stores nothing."""
    del file[name]
    file.create_dataset(name, shape, **options)


def dense_bomb(file):
    del file["layers/counts"]
    matrix = file.create_dataset("layers/counts", (10**6, 10**6), "f4", chunks=(1000, 1000))
    matrix.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})


def sparse_bomb(file):
    empty(file, "layers/counts/data", (10**12,), dtype="f4", chunks=(1000,))
    empty(file, "layers/counts/indices", (10**12,), dtype="i4", chunks=(1000,))


def chunk_bomb(file):
    empty(file, "layers/counts/data", (2**28,), dtype="f8", chunks=(2**28,), compression="gzip")


def name_bomb(file):
    empty(file, "obs/_index", (10**12,), dtype=h5py.string_dtype(), chunks=(1000,))


def shape_bomb(file):
    file["layers/counts"].attrs["shape"] = np.array([10**6, 10**6])


def elsewhere(file):
    del file["layers/counts/data"]
    file["layers/counts/data"] = h5py.ExternalLink("other.h5", "/data")


def raw_file(file):
    del file["layers/counts/data"]
    file.create_dataset("layers/counts/data", (100,), "f8", external=[("/etc/hostname", 0, 800)])


def short_indptr(file):
    values = file["layers/counts/indptr"][:-1]
    del file["layers/counts/indptr"]
    file["layers/counts/indptr"] = values


def far_index(file):
    file["layers/counts/indices"][5] = GENES


def other_codes(file):
    file["obs/time/codes"][0] = 7


def missing_time(file):
    file["obs/time/codes"][0] = -1


DAMAGE = {
    dense_bomb: "declares [0-9]+ bytes and stores none",
    sparse_bomb: "declares [0-9]+ bytes and stores none",
    chunk_bomb: "is unpacked in pieces of [0-9]+ bytes",
    name_bomb: "obs/_index declares [0-9]+ bytes and stores none",
    shape_bomb: "has shape .1000000, 1000000.; allowed: .60, 40.",
    elsewhere: "layers/counts/data lies in another file",
    raw_file: "layers/counts/data lies in another file",
    short_indptr: "indptr does not lead from 0 to",
    far_index: "an index outside 0 to 39",
    other_codes: "/obs/time/codes names a category that is not there",
    missing_time: r"obs\['time'\] of cell 'cell0' is missing",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_file_that_declares_what_it_does_not_hold_is_refused_unread(tmp_path, damage):
    path = whole(tmp_path)
    with h5py.File(path, "r+") as file:
        damage(file)
    with pytest.raises(DataError, match=DAMAGE[damage]):
        read_h5ad(path, time_unit="h")


def test_a_matrix_of_too_many_entries_is_refused_unread(tmp_path):
    path = whole(tmp_path)
    with h5py.File(path, "r+") as file:
        sparse_bomb(file)
        for name in ("data", "indices"):
            file[f"layers/counts/{name}"][0] = 1
    with pytest.raises(DataError, match="declares 1000000000000 entries; allowed: at most"):
        read_h5ad(path, time_unit="h")


def test_a_file_without_cells_is_refused(tmp_path):
    data, counts = made()
    data.X = counts
    with pytest.raises(DataError, match=r"cells\.h5ad: no cells; allowed: at least one"):
        read_h5ad(saved(tmp_path, data[:0]), time_unit="h", time="day")


def test_a_file_that_is_none_is_refused(tmp_path):
    path = tmp_path / "cells.h5ad"
    with pytest.raises(DataError, match="no such file"):
        read_h5ad(path, time_unit="h")
    path.write_text("cell,gene\n")
    with pytest.raises(DataError, match="is no whole HDF5 file"):
        read_h5ad(path, time_unit="h")


@pytest.mark.parametrize("size", [0, 4000, 2**63])
def test_a_heap_that_leads_nowhere_is_refused_in_bounded_time(tmp_path, size):
    path = whole(tmp_path)
    content = bytearray(path.read_bytes())
    heap = content.index(b"GCOL\x01")
    content[heap + 24 : heap + 32] = size.to_bytes(8, "little")  # of the first text
    path.write_bytes(content)
    with pytest.raises(DataError, match="damaged"):
        read_h5ad(path, time_unit="h")
