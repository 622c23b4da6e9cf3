"""Counts of an h5ad file are those that anndata reads; what is no count, or not whole, is refused."""

import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from mscale_uq.errors import DataError
from mscale_uq.io.h5ad import read_h5ad

anndata = pytest.importorskip("anndata")
CELLS, GENES = 60, 40


def made(seed=1):
    rng = np.random.default_rng(seed)
    counts = rng.poisson(rng.gamma(1.0, 1.0, GENES), (CELLS, GENES))
    obs = pd.DataFrame(
        {
            "time": pd.Categorical(rng.choice(["0", "12", "24.5"], CELLS)),
            "day": rng.choice([0.0, 0.5, 1.0], CELLS),
            "stage": pd.Categorical(rng.choice(["E14.5", "E15.5"], CELLS)),
            "written": rng.choice(["0", "12"], CELLS),
            "size_factors": rng.lognormal(0.0, 0.3, CELLS),
            "batch": pd.Categorical(rng.choice(["dish a", "dish b"], CELLS)),
            "passage": rng.integers(3, 5, CELLS),
        },
        index=[f"cell{i}" for i in range(CELLS)],
    )
    var = pd.DataFrame(index=[f"gene{i}" for i in range(GENES)])
    return anndata.AnnData(X=np.log1p(counts).astype(np.float32), obs=obs, var=var), counts


def saved(tmp_path, data, **options):
    path = tmp_path / "cells.h5ad"
    data.write_h5ad(path, **options)
    return path


FORMS = {
    "csr": sparse.csr_matrix,
    "csc": sparse.csc_matrix,
    "dense": np.asarray,
    "csr of decimals": lambda counts: sparse.csr_matrix(counts.astype(np.float32)),
    "unsorted csr": lambda counts: sparse.csr_matrix(counts)[:, ::-1][:, ::-1],
}


@pytest.mark.parametrize("compression", [None, "gzip"])
@pytest.mark.parametrize("form", FORMS)
def test_counts_are_those_that_anndata_reads(tmp_path, form, compression):
    data, counts = made()
    data.layers["counts"] = FORMS[form](counts)
    path = saved(tmp_path, data, compression=compression)
    there = anndata.read_h5ad(path)
    snapshot = read_h5ad(path, time_unit="h", genes=["gene7", "gene2"])
    expected = there[:, ["gene7", "gene2"]].layers["counts"]
    expected = expected.toarray() if sparse.issparse(expected) else np.asarray(expected)
    assert np.array_equal(snapshot.counts, expected)
    assert np.array_equal(snapshot.totals, np.asarray(there.layers["counts"].sum(axis=1)).ravel())
    assert np.array_equal(snapshot.times, there.obs["time"].astype(float))
    assert np.array_equal(snapshot.size_factors, there.obs["size_factors"])
    assert snapshot.batches.tolist() == there.obs["batch"].tolist()
    assert snapshot.cells.tolist() == there.obs_names.tolist()
    assert snapshot.genes == ("gene7", "gene2")
    assert snapshot.counts_from == "layers['counts']"


@pytest.mark.parametrize("chunks", [None, (CELLS, 1), (1, GENES), (7, 13), (CELLS, GENES)])
@pytest.mark.parametrize("step", [1, 50, 10**6])
def test_a_dense_matrix_is_read_in_steps_whatever_its_chunks(tmp_path, monkeypatch, chunks, step):
    path, (_, counts) = whole(tmp_path), made()
    with h5py.File(path, "r+") as file:
        del file["layers/counts"]
        file.create_dataset("layers/counts", data=counts, chunks=chunks)
    monkeypatch.setattr("mscale_uq.io.counts.STEP", step)
    snapshot = read_h5ad(path, time_unit="h")
    assert np.array_equal(snapshot.counts, counts)
    assert np.array_equal(snapshot.totals, counts.sum(axis=1))


def test_without_a_choice_all_genes_are_read(tmp_path):
    data, counts = made()
    data.layers["counts"] = counts
    assert np.array_equal(read_h5ad(saved(tmp_path, data), time_unit="h").counts, counts)


def test_counts_are_looked_for_in_the_layer_then_in_raw_then_in_x(tmp_path):
    data, counts = made()
    data.X = counts
    assert read_h5ad(saved(tmp_path, data), time_unit="h").counts_from == "X"
    data.raw = data.copy()
    data.X = np.log1p(counts)
    snapshot = read_h5ad(saved(tmp_path, data), time_unit="h")
    assert snapshot.counts_from == "raw/X"
    assert np.array_equal(snapshot.counts, counts)
    data.layers["counts"] = 2 * counts
    data.layers["spliced"] = 3 * counts
    path = saved(tmp_path, data)
    assert np.array_equal(read_h5ad(path, time_unit="h").counts, 2 * counts)
    assert np.array_equal(read_h5ad(path, time_unit="h", layer="spliced").counts, 3 * counts)


def test_raw_has_its_own_genes(tmp_path):
    data, counts = made()
    whole = data.copy()
    whole.X = counts
    data = data[:, 20:].copy()
    data.raw = whole
    snapshot = read_h5ad(saved(tmp_path, data), time_unit="h", genes=["gene3"])
    assert np.array_equal(snapshot.counts[:, 0], counts[:, 3])


def test_without_size_factors_the_depth_of_a_cell_is_its_share_of_the_mean_total(tmp_path):
    data, counts = made()
    del data.obs["size_factors"]
    data.layers["counts"] = sparse.csr_matrix(counts)
    snapshot = read_h5ad(saved(tmp_path, data), time_unit="h", genes=["gene1"])
    assert np.allclose(snapshot.size_factors, counts.sum(1) / counts.sum(1).mean(), rtol=1e-14)
    assert np.isclose(snapshot.size_factors.mean(), 1.0)


@pytest.mark.parametrize("column", ["time", "day", "written"])
def test_times_are_categories_numbers_or_text(tmp_path, column):
    data, counts = made()
    data.layers["counts"] = counts
    snapshot = read_h5ad(saved(tmp_path, data), time=column, time_unit="day", genes=["gene1"])
    assert np.array_equal(snapshot.times, data.obs[column].astype(float))
    assert np.allclose(snapshot.times_in("h"), 24 * snapshot.times)


def test_other_names_of_times_are_explained_by_the_user(tmp_path):
    data, counts = made()
    data.layers["counts"] = counts
    path = saved(tmp_path, data)
    with pytest.raises(DataError, match=r"obs\['stage'\] holds 'E1[45].5', which is no number"):
        read_h5ad(path, time="stage", time_unit="day")
    snapshot = read_h5ad(path, time="stage", time_unit="day", times={"E14.5": 14.5, "E15.5": 15.5})
    assert np.array_equal(snapshot.times, data.obs["stage"].str[1:].astype(float))


def test_a_whole_number_may_name_a_batch(tmp_path):
    data, counts = made()
    data.layers["counts"] = counts
    snapshot = read_h5ad(saved(tmp_path, data), time_unit="h", batch="passage")
    assert set(snapshot.batches) == {"3", "4"}


def test_a_snapshot_splits_into_its_times(tmp_path):
    data, counts = made()
    data.layers["counts"] = counts
    snapshot = read_h5ad(saved(tmp_path, data), time_unit="h")
    parts = snapshot.by_time()
    assert [part.times[0] for part in parts] == [0.0, 12.0, 24.5]
    assert np.array_equal(parts[1].counts, counts[(data.obs["time"] == "12").to_numpy()])
    assert sum(len(part.cells) for part in parts) == CELLS


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


def whole(tmp_path):
    data, counts = made()
    data.layers["counts"] = sparse.csr_matrix(counts)
    return saved(tmp_path, data)


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
