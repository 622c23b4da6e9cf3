"""A run: its numbers against the exact posterior, its folder, and what may be done in it twice."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import arviz as az
import numpy as np
import pandas as pd
import pytest
from known_line import CASE, exact_posterior, write_case

from mscale_uq.case.read import read_case
from mscale_uq.cli.fit import verdict_lines
from mscale_uq.errors import CaseError, RunError
from mscale_uq.results.result import read_result
from mscale_uq.results.summary import ONE_CHAIN
from mscale_uq.run.calibrate import fit
from mscale_uq.stats.priors import Normal

pytestmark = pytest.mark.usefixtures("toys")
DRAWS = 600


def test_the_table_agrees_with_the_exact_normal_posterior(line_run):
    mean, covariance = exact_posterior()
    sd = np.sqrt(np.diag(covariance))
    table = line_run.summary.loc[["offset", "speed"]]
    # five standard errors of a mean and of a standard deviation from 600 independent draws
    assert np.all(np.abs(table["mean"] - mean) < 5 * sd / np.sqrt(DRAWS))
    assert np.all(np.abs(table["sd"] / sd - 1) < 5 / np.sqrt(2 * DRAWS))
    assert list(table["unit"]) == ["m", "m/s"]
    assert np.allclose(table["contraction"], 1 - (table["sd"] / [1.0, 10.0]) ** 2)
    assert np.allclose(table["97.5 %"] - table["2.5 %"], 2 * 1.96 * table["sd"], rtol=0.2)


def test_effective_quantities_follow_from_the_unknowns_draw_by_draw(line_run):
    derived, posterior = line_run.idata["derived"], line_run.idata["posterior"]
    at = posterior["speed"].sel(draw=derived["draw"])
    assert np.allclose(derived["doubled_speed"], 2 * at)
    assert derived["doubled_speed"].attrs["derived"] == 1
    assert derived["doubled_speed"].attrs["unit"] == "m/s"
    # the ruler's stretch differs between experiments, but not between draws
    assert np.allclose(derived["stretch"].mean(("chain", "draw")), [1.0, 1.1])
    assert list(derived["stretch"]["stretch_experiment"].to_numpy()) == ["10 % <slow>", "fast"]


def test_predictions_and_log_densities_are_those_of_the_laws(line_run):
    from scipy.stats import norm

    data = line_run.idata
    at = data["posterior"].sel(draw=data["posterior_predictive"]["draw"])
    line = at["offset"].to_numpy()[..., None] + at["speed"].to_numpy()[..., None] * np.array([0, 1, 2, 3])
    assert np.allclose(data["predicted"]["10_slow.length"], line)
    spread = (data["posterior_predictive"]["10_slow.length"] - data["predicted"]["10_slow.length"]).to_numpy()
    assert abs(spread.std() / 0.1 - 1) < 5 / np.sqrt(2 * spread.size)
    expected = np.where(np.arange(4) == 2, 0.0, norm(line, 0.1).logpdf([0.52, 2.41, np.nan, 6.6]))
    assert np.allclose(data["log_likelihood"]["10_slow.length"], expected)
    assert data["observed_data"]["10_slow.end"].item() == 20.6
    assert np.array_equal(data["observed_data"]["fast.time"], [1.0, 2.0])


def test_the_prior_group_is_the_prior(line_run):
    draws = line_run.idata["prior"]["speed"].to_numpy()
    assert abs(draws.mean()) < 5 * 10 / np.sqrt(draws.size)
    assert abs(draws.std() / 10 - 1) < 5 / np.sqrt(2 * draws.size)


def test_the_file_is_arviz_and_says_where_it_comes_from(line_run):
    data = az.from_netcdf(line_run.folder / "posterior.nc", engine="h5netcdf")
    groups = {"prior", "posterior", "posterior_predictive", "log_likelihood", "observed_data", "sample_stats"}
    assert groups <= set(data.groups())
    assert data.attrs["seed"] == 7
    assert data.attrs["hash"] == line_run.facts["hash"]
    assert json.loads(data.attrs["versions"])["numpy"] == np.__version__
    assert line_run.facts["thinned"] == "300 of 600 draws"


def test_the_folder_alone_repeats_the_run(line_run, tmp_path):
    moved = shutil.copytree(line_run.folder, tmp_path / "copy", ignore=shutil.ignore_patterns("chains"))
    case = read_case(moved / "case.toml")
    assert case.question == "How fast does the line grow, and where did it start?"
    again = fit(case, out=tmp_path / "again")
    for name in ("offset", "speed"):
        assert np.array_equal(again.idata["posterior"][name], line_run.idata["posterior"][name])


def test_the_same_call_again_changes_no_number(line_run):
    before = (line_run.folder / "posterior.nc").stat()
    again = fit(line_run.folder.parent / "line.toml", out=line_run.folder)
    after = (line_run.folder / "posterior.nc").stat()
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)
    pd.testing.assert_frame_equal(again.summary, line_run.summary)


def test_fewer_draws_than_there_are_throw_none_away(line_run):
    before = (line_run.folder / "posterior.nc").read_bytes(), (line_run.folder / "case.toml").read_bytes()
    again = fit(line_run.folder.parent / "line.toml", out=line_run.folder, draws=20)
    after = (line_run.folder / "posterior.nc").read_bytes(), (line_run.folder / "case.toml").read_bytes()
    assert after == before
    assert again.facts["settings"] == line_run.facts["settings"]


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


CHANGES = {
    "seed": {"seed": 8},
    "method": {"target_accept": 0.5},
    "priors": ("sd = 10", "sd = 11"),
    "experiments": ("temperature = 330", "temperature = 331"),
    "data": None,
}


DIFFERS = {
    "seed": "seed was 7, is 8",
    "method": "method.target_accept was .*, is 0.5",
    "priors": "prior.* was .*10.*, is .*11.*",
    "experiments": r"experiment\[1\].*temperature was .*330.*, is .*331.*",
    "data": "the content of .*fast.csv",
}


@pytest.mark.parametrize("part", CHANGES)
def test_a_changed_case_is_refused_and_nothing_is_touched(line_run, tmp_path, part):
    change = CHANGES[part]
    path = write_case(tmp_path, CASE.replace(*change) if isinstance(change, tuple) else CASE)
    if change is None:
        (tmp_path / "fast.csv").write_text("time [s],length [m]\n1,2.8\n2,4.95\n")
    before = contents(line_run.folder)
    said = rf"another case: {part} changed \({DIFFERS[part]}\); .*--fresh starts over"
    with pytest.raises(RunError, match=said):
        fit(path, out=line_run.folder, **(change if isinstance(change, dict) else {}))
    assert contents(line_run.folder) == before


def test_a_folder_with_something_else_in_it_is_refused_even_afresh(tmp_path):
    (tmp_path / "thesis.tex").write_text("ten years of work")
    before = contents(tmp_path)
    path = write_case(tmp_path)
    for fresh in (False, True):
        with pytest.raises(RunError, match="is not empty, and holds no run"):
            fit(path, out=tmp_path, fresh=fresh)
    assert (tmp_path / "thesis.tex").read_text() == "ten years of work"
    assert before.items() <= contents(tmp_path).items()


def test_afresh_means_another_case_may_take_the_folder_and_keeps_what_is_not_ours(line_run, tmp_path):
    folder = shutil.copytree(line_run.folder, tmp_path / "run")
    (folder / "notes.txt").write_text("mine")
    (tmp_path / "case").mkdir()
    path = write_case(tmp_path / "case", CASE.replace("sd = 10 ", "sd = 20 "))
    result = fit(path, out=folder, fresh=True, draws=20, chains=1)
    assert result.summary.loc["speed", "contraction"] > 0.999
    assert (folder / "notes.txt").read_text() == "mine"


def test_a_damaged_posterior_is_made_again_from_the_chains(line_run, tmp_path):
    folder = shutil.copytree(line_run.folder, tmp_path / "run")
    (folder / "posterior.nc").write_bytes(b"no such thing")
    with pytest.raises(RunError, match="cannot be read"):
        read_result(folder)
    again = fit(line_run.folder.parent / "line.toml", out=folder)
    pd.testing.assert_frame_equal(again.summary, line_run.summary)


def test_a_folder_without_a_run_has_no_result(tmp_path):
    with pytest.raises(RunError, match="no finished run"):
        read_result(tmp_path)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"drws": 3}, "'drws' is no setting .did you mean 'draws'"),
        ({"draws": 0}, "draws = 0; allowed: greater than or equal to 1"),
        ({"sampler": "nut"}, "sampler = 'nut'"),
        ({"sampler": "pcn", "tune": 0}, "tune = 0, and sampler 'pcn' .* hint: without tuning: 'slice'"),
        ({"seed": -1}, "seed = -1; allowed: a whole number, zero or more"),
        (
            {"seed": 10**26},
            "seed = 1000+; allowed: a whole number, .* at most 9223372036854775807",
        ),
    ],
)
def test_an_impossible_setting_is_refused_before_a_folder_is_made(tmp_path, settings, said):
    path = write_case(tmp_path)
    with pytest.raises(CaseError, match=said):
        fit(path, out=tmp_path / "run", **settings)
    assert not (tmp_path / "run").exists()


@pytest.fixture(scope="module")
def short(toys, tmp_path_factory):
    """Fit far too short a chain, in the folder that is taken if nobody names one."""
    home, seen = Path.cwd(), []
    folder = tmp_path_factory.mktemp("short")
    os.chdir(folder)
    try:
        case = write_case(folder)
        result = fit(case, draws=10, chains=1, on_progress=lambda *report: seen.append(report[:3]))
        return replace(result, folder=result.folder.absolute()), seen
    finally:
        os.chdir(home)


@pytest.mark.slow
def test_a_sampler_that_nobody_asked_for_is_told_with_the_reason(line_run, tmp_path):
    settings = {"sampler": "auto", "draws": 10, "tune": 10, "chains": 1, "cores": 0}
    result = fit(write_case(tmp_path), out=tmp_path / "run", **settings)
    why = "nuts was chosen: the system has exact derivatives"
    assert any(line.startswith(why) for line in verdict_lines(result))
    assert why in result.report.read_text(encoding="utf-8")
    assert not any("was chosen" in line for line in verdict_lines(line_run))


def test_runs_go_into_a_folder_of_the_cases_name(short):
    result, _ = short
    assert result.folder.parts[-2:] == ("runs", "line")
    assert result.report.is_file()


def test_progress_is_reported_and_kept(short):
    result, seen = short
    assert {chain for chain, _, _ in seen} == {0}
    lines = [json.loads(line) for line in (result.folder / "progress.jsonl").read_text().splitlines()]
    assert lines[0]["chain"] == 0
    assert lines[0]["draw"] == 0
    assert lines[0]["cores"] == 1
    assert 1e7 < lines[0]["memory"] < 1e11  # bytes, of an interpreter with its libraries
    assert lines[0]["seconds"] >= 0


def test_the_verdict_names_every_condition_that_is_not_met(short, line_run):
    assert line_run.diagnostics.ok
    assert "a normal approximation" in line_run.diagnostics.notes[0]
    result, _ = short
    assert not result.diagnostics.ok
    reasons = " ".join(result.diagnostics.reasons)
    assert "bulk ESS of" in reasons
    assert "below 400" in reasons
    assert result.diagnostics.notes[0] == ONE_CHAIN


def test_a_most_probable_point_is_not_judged_as_if_it_were_a_sample(tmp_path):
    result = fit(write_case(tmp_path), out=tmp_path / "run", sampler="map", chains=1)
    mean, _ = exact_posterior()
    assert np.allclose(result.summary["mean"], mean, rtol=1e-5)
    assert result.summary[["sd", "2.5 %", "contraction"]].isna().all(axis=None)
    assert "nothing is said about uncertainty" in result.report.read_text()
    assert result.diagnostics.ok
    assert "nothing is said about uncertainty" in result.diagnostics.notes[0]


def test_unknowns_of_a_prior_keep_their_family(line_run):
    assert read_case(line_run.folder / "case.toml").unknowns["speed"].prior == Normal(0.0, 10.0)


def test_an_effective_quantity_is_held_against_its_own_prior(line_run):
    """Twice a normal speed: its prior has twice the sd, and its contraction is the speed's."""
    prior = line_run.idata["prior_derived"]["doubled_speed"].to_numpy().ravel()
    assert prior.size == 300
    assert abs(prior.std() / 20 - 1) < 5 / np.sqrt(2 * prior.size)
    row = line_run.effective.loc["doubled_speed"]
    assert row["contraction"] == pytest.approx(1 - (row["sd"] / prior.std(ddof=1)) ** 2, rel=1e-12)
    assert np.isnan(line_run.effective.loc["stretch[fast]", "contraction"]), "a constant learns nothing"
