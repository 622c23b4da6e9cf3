"""The failure ledger, from a case to its report: a solver fails where 30 % of the posterior mass would be.

The model counts its own failures, in a file, so that nothing the package counts is asked about itself.
"""

import re

import numpy as np
import pandas as pd
import pytest
from known_posteriors import NOISE, PLACES, PRIOR_MEAN, PRIOR_SD, READINGS, limit_with_mass_above
from typer.testing import CliRunner

from mscale_uq.cli.commands import app
from mscale_uq.infer.methods import METHODS
from mscale_uq.report.failures import failures
from mscale_uq.results.result import read_result

pytestmark = pytest.mark.usefixtures("toys")
MASS = 0.3
LIMIT, COARSE_LIMIT = float(limit_with_mass_above(MASS)), float(limit_with_mass_above(0.35))
CASE = """
system = "toys/gate"
seed = 5

[[experiment]]
name = "line"
data = "line.csv"
options = {{ limit = {limit}, above = "{above}" }}

[law]
reading = {{ sd = {noise} }}

[prior]
level = {{ dist = "normal", mean = {mean[0]}, sd = {sd[0]} }}
slope = {{ dist = "normal", mean = {mean[1]}, sd = {sd[1]} }}

[method]
sampler = "{sampler}"
draws = {draws}
tune = {tune}
chains = 2
cores = {cores}
"""
DRAWS = {
    "demetropolisz": 1000,
    "pcn": 1000,
    "mlda": 500,
    "smc": 200,
    "nuts": 150,
    "nutpie": 150,
    "slice": 150,
}


@pytest.fixture
def counter(tmp_path, monkeypatch):
    """Return how many evaluations the model itself has failed in."""
    path = tmp_path / "counter"
    path.write_bytes(b"")
    monkeypatch.setenv("TOY_GATE_COUNTER", str(path))
    return lambda: path.stat().st_size


def write_case(folder, sampler, above, cores=0, tune=200):
    rows = [f"{place},{reading}" for place, reading in zip(PLACES, READINGS, strict=True)]
    (folder / "line.csv").write_text("\n".join(["place [m],reading [m]", *rows]) + "\n")
    settings = {"sampler": sampler, "draws": DRAWS.get(sampler, 150), "tune": tune, "cores": cores}
    text = CASE.format(
        above=above, limit=LIMIT, noise=NOISE, mean=PRIOR_MEAN.tolist(), sd=PRIOR_SD.tolist(), **settings
    )
    if sampler == "mlda":  # the coarse model fails in a little more; failures of both are counted
        text += f"levels = [{{ limit = {COARSE_LIMIT} }}]\nsubchain = 3\n"
    (folder / "gate.toml").write_text(text)
    return folder / "gate.toml"


def mscale_fit(case, out):
    return CliRunner().invoke(app, ["fit", str(case), "--out", str(out)])


# Where a model fails inside the prior's range there is no surrogate (tests/stats/test_surrogate.py); failures
# outside it have no weight and are counted (tests/infer/test_surrogate.py).
# What is not a number is a failed solve of its stage before any sampler sees it: two samplers will do.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("sampler", "above"),
    [
        *((name, "give_up") for name in METHODS if name != "surrogate"),
        ("nuts", "not_a_number"),
        ("demetropolisz", "not_a_number"),
    ],
)
def test_a_failing_region_is_counted_left_out_reported_and_ends_with_status_4(
    sampler, above, tmp_path, counter
):
    done = mscale_fit(write_case(tmp_path, sampler, above), tmp_path / "run")
    result = read_result(tmp_path / "run")
    assert done.exit_code == 4, done.output
    assert re.search(r"a solver failed in \d+ of \d+ evaluations", done.output)
    table = pd.read_csv(tmp_path / "run" / "failures.csv")
    assert counter() == len(table)
    assert result.diagnostics.failures == len(table) > 0
    assert table["level"].min() > (COARSE_LIMIT if sampler == "mlda" else LIMIT)
    assert result.idata["posterior"]["level"].max() <= LIMIT
    assert np.isfinite(result.idata["posterior_predictive"]["line.reading"]).all()
    assert set(table["stage"]) == {"gate"}
    text = result.report.read_text()
    assert "Where solvers failed" in text
    assert "Solvers fail where level is high" in " ".join(failures(result)["findings"])


@pytest.mark.slow
def test_in_processes_of_their_own_chains_count_as_well(tmp_path, counter):
    done = mscale_fit(write_case(tmp_path, "slice", "give_up", cores=2, tune=20), tmp_path / "run")
    assert done.exit_code == 4
    table = pd.read_csv(tmp_path / "run" / "failures.csv")
    assert counter() == len(table)


BEYOND = """
[[experiment]]
name = "beyond"
data = "line.csv"
hold_out = true
options = {{ limit = {limit}, above = "{above}" }}

[law]"""


def write_case_beyond(folder, above, limit):
    """Write a case whose line fails above a limit, but only where its readings are held out."""
    case = write_case(folder, "laplace", above)
    text = case.read_text().replace(f"limit = {LIMIT}", "limit = 1e9").replace("draws = 150", "draws = 500")
    case.write_text(text.replace("[law]", BEYOND.format(limit=limit, above=above)))
    return case


@pytest.mark.parametrize("above", ["give_up", pytest.param("not_a_number", marks=pytest.mark.slow), "absent"])
def test_every_draw_without_a_held_out_prediction_is_a_row_of_the_ledger_and_told(above, tmp_path, counter):
    done = mscale_fit(write_case_beyond(tmp_path, above, LIMIT), tmp_path / "run")
    result = read_result(tmp_path / "run")
    table, predicted = result.failures, result.idata["posterior_predictive"]["beyond.reading"]
    assert 0 < counter() == len(table) < predicted.sizes["chain"] * predicted.sizes["draw"]
    assert set(table["during"]) == {"prediction"}
    assert set(table["experiment"]) == {"beyond"}
    gone = predicted.isnull().any("beyond.place").stack(at=("chain", "draw"))
    assert set(gone["at"].values[gone.values]) == set(zip(table["chain"], table["draw"], strict=True))
    levels = result.idata["posterior"]["level"].values
    assert table["level"].to_numpy() == pytest.approx(levels[table["chain"], table["draw"]], rel=1e-15)
    assert table["level"].min() > LIMIT
    whose = "the model says that there is none" if above == "absent" else "a solver failed"
    said = f"{len(table)} of {gone.size} draws have no prediction of 'beyond'"
    text = " ".join(result.report.read_text().replace("&#39;", "'").split())
    assert said in text
    assert whose in text
    assert said in " ".join(done.output.split())
    assert done.exit_code == (0 if above == "absent" else 4), done.output
    assert ("Where solvers failed" in text) == (above != "absent")


def test_a_held_out_experiment_that_is_predicted_nowhere_is_reported_as_such(tmp_path, counter):
    done = mscale_fit(write_case_beyond(tmp_path, "give_up", -1e9), tmp_path / "run")
    assert done.exit_code == 4
    result = read_result(tmp_path / "run")
    predicted = result.idata["posterior_predictive"]["beyond.reading"]
    assert predicted.isnull().all()
    assert np.isfinite(result.idata["posterior_predictive"]["line.reading"]).all()
    assert counter() == len(result.failures) == predicted.sizes["chain"] * predicted.sizes["draw"]
    assert "a solver failed in" in " ".join(result.report.read_text().split())


@pytest.mark.parametrize("cores", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_bug_stops_a_fit_with_its_own_message_and_line_also_from_another_process(cores, tmp_path, counter):
    case = write_case(tmp_path, "slice", "bug", cores=cores)
    done = mscale_fit(case, tmp_path / "run")
    assert done.exit_code == 1
    assert re.search(r"mscale: .*(Type|UFunc).*Error: .*\(gate.py, line \d+\); hint: --debug", done.output)
    assert counter() >= 1
