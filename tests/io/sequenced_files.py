"""Files of sequenced cells."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

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


def whole(tmp_path):
    data, counts = made()
    data.layers["counts"] = sparse.csr_matrix(counts)
    return saved(tmp_path, data)
