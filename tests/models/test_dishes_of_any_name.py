"""Files of sequenced cells as laboratories have them go into the fusion, whatever their dishes are called."""

import numpy as np
import pytest
from scipy.stats import nbinom, norm

from mscale_uq.case.read import read_case
from mscale_uq.errors import CaseError
from mscale_uq.filters.loop import run

CASE = """
system = "cells/cell_state_fusion"
seed = 5

[[experiment]]
name = "dishes"
data = [{files}]
reader = {{ format = "h5ad", columns = {{ umi = "reporter" }}, time_unit = "h" }}

[fixed]
translation_rate = 4
mrna_decay = 0.2
protein_decay = 0.02
capture = 0.1

[law]
umi = {{ law = "negative_binomial", overdispersion = 0.05 }}

[prior]
transcription_rate = {{ dist = "lognormal", median = 2, factor = 2 }}
dish_offset = {{ dist = "normal", mean = 0, sd = 0.1 }}

[method]
sampler = "nuts"

[assimilate]
filter = "gaussian_sum"
members = 32
learn = ["transcription_rate"]
"""
SIZES = np.array([0.5, 1.0, 1.5])
KINDS = {  # times and batches of the cells of each file
    "letters": [([1, 1, 1], "A"), ([6, 6, 6], "B")],
    "from zero": [([1, 1, 1], "0"), ([6, 6, 6], "1"), ([6, 6, 6], "2")],
    "no batch": [([6, 6, 6], None)],
    "no batch in two files of a time": [([6, 6, 6], None), ([6, 6, 6], None)],
    "one batch in all": [([1, 1, 1], "1"), ([6, 6, 6], "1"), ([6, 6, 6], "1")],
    "one file of all times": [([1, 1, 6], "1"), ([1, 6, 6], None)],
    "replicates": [([hour] * 3, batch) for hour in (1, 6, 18) for batch in "ab"],
}
DISHES = {  # of each cell, in order
    "letters": [0, 0, 0, 1, 1, 1],
    "from zero": [0, 0, 0, 1, 1, 1, 2, 2, 2],
    "no batch": [0, 0, 0],
    "no batch in two files of a time": [0, 0, 0, 1, 1, 1],
    "one batch in all": [0, 0, 0, 1, 1, 1, 2, 2, 2],
    "one file of all times": [0, 0, 1, 2, 3, 3],
    "replicates": np.repeat(np.arange(6), 3),
}


def case_of(folder, files):
    """Write files of three cells each, and return what the case reads, with all counts and hours."""
    anndata, pandas = pytest.importorskip("anndata"), pytest.importorskip("pandas")
    rng, names, counts = np.random.default_rng(3), [], []
    for place, (hours, batch) in enumerate(files):
        obs = pandas.DataFrame({"time": np.array(hours, float), "size_factors": SIZES}, index=list("xyz"))
        if batch is not None:
            obs["batch"] = batch
        counts.append(rng.poisson(2.0 * SIZES))
        data = anndata.AnnData(counts[-1][:, None].astype(float), obs)
        data.var_names = ["reporter"]
        names.append(f"plate_{9 - place}.h5ad")  # so that the order is that of the case, not of names
        data.write_h5ad(folder / names[-1])
    (folder / "case.toml").write_text(CASE.format(files=", ".join(f'"{name}"' for name in names)))
    hours = np.concatenate([hours for hours, _ in files])
    return read_case(folder / "case.toml"), np.concatenate(counts), hours


@pytest.mark.parametrize("kind", KINDS)
def test_each_dish_has_an_offset_of_its_own_in_the_fit_and_the_filter_takes_all_in(kind, tmp_path):
    case, counts, hours = case_of(tmp_path, KINDS[kind])
    posterior, dish = case.posterior(), np.array(DISHES[kind])
    mean = 0.1 * np.tile(SIZES, len(KINDS[kind])) * 2.0 / 0.2 * -np.expm1(-0.2 * 60 * hours)

    def exact(offset):
        seen = mean * np.exp(offset[dish])
        return nbinom.logpmf(counts, 20, 1 / (1 + 0.05 * seen)).sum() + norm.logpdf(offset, 0, 0.1).sum()

    def density(offset):
        return posterior.logpdf(posterior.pack({"transcription_rate": 2.0, "dish_offset": offset}))

    drawn, none = np.linspace(-0.3, 0.2, dish.max() + 1), np.zeros(dish.max() + 1)
    assert density(drawn) - density(none) == pytest.approx(exact(drawn) - exact(none), rel=1e-9)
    plan = case.assimilating
    *_, (state, _) = run(plan.filter, plan.space, plan.theta, plan.stream.observations, case.seed)
    assert np.isfinite(state.mean).all()


def test_more_dishes_of_one_time_than_a_filter_tells_apart_are_refused_when_the_case_is_read(tmp_path):
    with pytest.raises(CaseError, match=r"sequencer: 5 of 'dish' at time 360; allowed: at most 4"):
        case_of(tmp_path, [([6, 6, 6], batch) for batch in "abcde"])
