"""Gene expression under the microscope and in the sequencer: one case, two experiments, one filter."""

import subprocess
import sys
from itertools import islice

import h5py
import numpy as np
import pytest
from mscale_uq.models.cells import cell_state_fusion as fusion

from mscale_uq.case.read import read_case
from mscale_uq.catalog import data_root, find_case
from mscale_uq.core.law import ObservationOperator
from mscale_uq.errors import CaseError, WiringError
from mscale_uq.filters.augment import unknown_values
from mscale_uq.filters.estimate import deviation
from mscale_uq.filters.laplace import LaplaceKalman
from mscale_uq.filters.loop import simultaneous, start
from mscale_uq.filters.sight import look
from mscale_uq.observe.counts import NegativeBinomial
from mscale_uq.observe.followed import Followed

TRUTH = {
    "transcription_rate": 2.0,
    "mrna_decay": np.log(2) / 5,
    "protein_decay": np.log(2) / 30,
    "gain": 1.5,
    "capture": 0.1,
    "dish_offset": np.array([-0.0727, 0.0351, -0.0470, 0.0830]),
}


@pytest.fixture(scope="module")
def case():
    return read_case(find_case("cell_state_fusion"))


def test_the_case_reads_the_movie_and_the_dishes_in_their_own_layouts(case):
    movie, dishes = case.plans
    intensity = movie.data.outputs["intensity"]
    assert 0.97 < intensity.size / (4 * 577) < 0.99  # 2 % of the spots were not found
    assert 0.005 < np.isnan(intensity).mean() < 0.02  # 1 % have no intensity
    assert set(movie.data.coordinates["cell"]) == {0.0, 1.0, 2.0, 3.0}
    assert list(np.unique(dishes.data.coordinates["time"])) == [60.0, 360.0, 1080.0, 2160.0]  # given in hours
    assert list(np.unique(dishes.data.coordinates["dish"])) == [1.0, 2.0, 3.0, 4.0]
    assert dishes.data.outputs["umi"].size == 800
    assert isinstance(movie.operators["intensity"].law, Followed)
    assert isinstance(dishes.operators["umi"].law, NegativeBinomial)


@pytest.mark.slow
def test_the_script_with_its_seed_writes_the_files_that_are_shipped(tmp_path):
    folder = data_root() / "cell_state_fusion"
    subprocess.run([sys.executable, folder / "make_data.py"], cwd=tmp_path, check=True, capture_output=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["dish_1.h5ad", *DISHES, "movie.csv"]
    assert (tmp_path / "movie.csv").read_bytes() == (folder / "movie.csv").read_bytes()
    for name in ("dish_1.h5ad", *DISHES):
        with h5py.File(tmp_path / name) as made, h5py.File(folder / name) as shipped:
            assert contents(made) == contents(shipped)


DISHES = ["dish_2.h5ad", "dish_3.h5ad", "dish_4.h5ad"]


def contents(file):
    """Everything in a file: groups, arrays and attributes, as plain values."""
    found = {"/": sorted(file.attrs.items())}

    def add(name, part):
        marks = {key: np.asarray(mark).tolist() for key, mark in part.attrs.items()}
        found[name] = marks, part[()].tolist() if isinstance(part, h5py.Dataset) else None

    file.visititems(add)
    return found


def test_the_dishes_are_what_anndata_reads():
    anndata = pytest.importorskip("anndata")
    path = data_root() / "cell_state_fusion" / "dish_2.h5ad"
    found = anndata.read_h5ad(path)
    assert found.shape == (200, 3)
    assert list(found.obs["batch"]) == ["2"] * 200
    assert np.all(found.obs["time"] == 6.0)
    counts = found.layers["counts"].toarray()
    assert counts.dtype.kind == "i"
    with h5py.File(path) as file:
        assert file["layers/counts/data"][:].sum() == counts.sum()
    assert not np.allclose(found.X.toarray(), counts)  # log-normalised, and so no counts


def test_the_posterior_of_both_experiments_has_the_slope_of_its_differences(case):
    posterior = case.posterior()
    theta = posterior.pack(TRUTH)
    _, slope = posterior.logpdf_gradient(theta)
    for k, unit in enumerate(np.eye(theta.size)):
        h = 1e-5 * max(abs(theta[k]), 0.1)
        difference = (posterior.logpdf(theta + h * unit) - posterior.logpdf(theta - h * unit)) / (2 * h)
        assert slope[k] == pytest.approx(difference, rel=1e-4, abs=1e-3)


def test_a_camera_that_saturates_is_fitted_and_filtered_by_one_law(tmp_path):
    text = find_case("cell_state_fusion").read_text()
    text = text.replace("background = 100 }", "background = 100, saturation = 4800 }")
    (tmp_path / "case.toml").write_text(text)
    full = read_case(tmp_path / "case.toml")
    movie, plan = full.plans[0], full.assimilating
    law = movie.operators["intensity"].law
    assert law.censored(movie.data.outputs["intensity"]).sum() > 5
    assert law.noise == plan.space.observations["microscope"].law
    posterior = full.posterior()
    theta = posterior.pack(TRUTH)
    move = 1e-5 * np.maximum(np.abs(theta), 0.1) * np.where(np.arange(theta.size) % 2, 1, -0.7)
    difference = (posterior.logpdf(theta + move) - posterior.logpdf(theta - move)) / 2
    assert posterior.logpdf_gradient(theta)[1] @ move == pytest.approx(difference, rel=1e-5)


def intervals(now):
    """Ends of the 95 % interval of each learned parameter."""
    ends = unknown_values(now.space, now.state.mean + np.outer([-1.96, 1.96], deviation(now.state)))
    return {name: (pair.min(), pair.max()) for name, pair in ends.items()}


def spread(now, name):
    """Standard deviation of the logarithm of a learned parameter, by the state of a filter."""
    return float(np.diff(np.log(intervals(now)[name])).item() / 2 / 1.96)


def after_hours(case, hours):
    """The filter before the last dish of the first hours, with the frame alone, and with the dish."""
    plan = case.assimilating
    now = start(plan.filter, plan.space, plan.theta, case.seed)
    for together in simultaneous(plan.stream.observations):
        before, (now, info) = now, now.update(*together)
        assert info.note == ""
        if together[0].time == 60.0 * hours:
            break
    assert [o.source for o in together] == ["microscope", "sequencer"]
    return before.update(together[0])[0], now


@pytest.fixture(scope="module")
def six_hours(case):
    return after_hours(case, 6)


def test_the_truth_lies_in_the_intervals_of_the_first_six_hours(six_hours):
    _, fused = six_hours
    for name, (low, high) in intervals(fused).items():
        assert low < TRUTH[name] < high, name
    assert spread(fused, "gain") < 0.11  # 0.08; before, 0.62 by the prior
    assert spread(fused, "transcription_rate") < 0.18  # 0.14; before, 0.98


def test_a_dish_narrows_gain_and_rate(six_hours):
    without, fused = six_hours
    for name in ("gain", "transcription_rate"):
        assert spread(fused, name) < spread(without, name)


def test_with_one_normal_law_a_dish_adds_the_information_of_its_counts(case):
    plan = case.assimilating
    now = start(LaplaceKalman(), plan.space, plan.theta)
    for together in islice(simultaneous(plan.stream.observations), 13):  # the first hour, dish and all
        before, (now, info) = now, now.update(*together)
    assert info.note == ""
    without, _ = before.update(together[0])
    sight = look(plan.space, now.values, together[1:], now.state.time)
    expected, slope = (part[sight.seen] for part in sight.linearize(now.state.mean)[:2])
    assert len(expected) == 200
    # All counts of a dish have one mean but for their size factors, and speak of its logarithm alone. That of
    # 200 negative binomial counts tells sum mu / (1 + a mu) about it, and the normal laws add informations.
    q = slope[0] / expected[0]
    assert slope == pytest.approx(expected[:, None] * q)
    told = np.sum(expected / (1 + 0.05 * expected))
    alone, both = (q @ at.state.cov @ q for at in (without, now))
    assert 1 / both == pytest.approx(1 / alone + told, rel=0.05)  # the movie is read at another mode, too


def test_a_dish_is_no_reading_of_a_tracked_cell():
    space = fusion.space(cell=(0.0, 1.0), size_factor=(1.0, 0.7))
    assert space.observations["sequencer"].destructive
    wrong = {"sequencer": ObservationOperator("mrna", NegativeBinomial(0.0), destructive=True)}
    with pytest.raises(WiringError, match="tracked"):
        type(space)([], space.dynamics, wrong, space.parameters, space.constants)


def test_the_counts_of_a_dish_are_no_intensity_of_a_followed_cell(tmp_path):
    text = find_case("cell_state_fusion").read_text(encoding="utf-8")
    path = tmp_path / "wrong.toml"
    path.write_text(text.replace('{ umi = "reporter" }', '{ intensity = "reporter" }'), encoding="utf-8")
    with pytest.raises(CaseError, match="'intensity' is read in cells that are followed"):
        read_case(path)


def test_experiments_that_do_not_exist_are_not_joined(tmp_path):
    text = (
        find_case("cell_state_fusion")
        .read_text(encoding="utf-8")
        .replace('["movie", "dishes"]', '["movie", "dish"]')
    )
    path = tmp_path / "wrong.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CaseError, match=r"'dish' \(did you mean 'dishes'\?\)"):
        read_case(path)
