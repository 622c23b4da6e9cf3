"""Counts of an h5ad file are those that anndata reads; what is no count, or not whole, is refused."""

import h5py
import numpy as np
import pytest
from scipy import sparse
from sequenced_files import CELLS, GENES, anndata, made, saved, whole

from mscale_uq.errors import DataError
from mscale_uq.io.h5ad import read_h5ad

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
