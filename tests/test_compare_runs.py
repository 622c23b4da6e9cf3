"""``mscale compare``: two runs of the same data, against evidence and densities that can be written down."""

import json
import re
import shutil

import arviz as az
import numpy as np
import pytest
from known_line import CASE, exact_evidence, exact_held_out, write_case
from typer.testing import CliRunner

from mscale_uq.cli.commands import app
from mscale_uq.errors import CaseError, RunError
from mscale_uq.run.calibrate import fit
from mscale_uq.run.compare import compare_runs

pytestmark = pytest.mark.usefixtures("toys")
# of the speed: mean and sd; the second is five of its widths off
PRIORS = {"line": (0.0, 10.0), "sure": (-3.0, 1.0)}


@pytest.fixture(scope="module")
def runs(line_run, toys, tmp_path_factory):
    """Name -> folder of a run: as it is, and with a prior that is sure of a wrong speed.

    Laplace's approximation is exact for a line and normal priors, and so is its evidence.
    """
    folder = tmp_path_factory.mktemp("sure")
    mean, sd = PRIORS["sure"]
    text = CASE.replace("mean = 0, sd = 10 ", f"mean = {mean}, sd = {sd} ")
    fit(write_case(folder, f'name = "sure"\n{text}'), out=folder / "run")
    return {"line": line_run.folder, "sure": folder / "run"}


def altered(run, folder, facts=(), observed=None):
    """Return a copy of a run with other facts, or other readings."""
    copy = shutil.copytree(run, folder, ignore=shutil.ignore_patterns("chains"))
    data = az.from_netcdf(copy / "posterior.nc", engine="h5netcdf")
    data.load()
    data.close()
    data.attrs["facts"] = json.dumps({**json.loads(data.attrs["facts"]), **dict(facts)})
    if observed is not None:
        observed(data["observed_data"])
    (copy / "posterior.nc").unlink()
    data.to_netcdf(str(copy / "posterior.nc"), engine="h5netcdf")
    return copy


def mscale_compare(one, other):
    return CliRunner().invoke(app, ["compare", str(one), str(other)])


def test_evidence_and_leave_one_out_are_those_of_normal_algebra(runs):
    found, _ = compare_runs(runs["line"], runs["sure"])
    for score, prior in zip(found.scores, PRIORS.values(), strict=True):
        assert score.log_evidence == pytest.approx(exact_evidence(prior), abs=1e-6)
        assert score.elpd.sum() == pytest.approx(exact_held_out(prior).sum(), abs=0.5)
    assert [score.name for score in found.scores] == ["line", "sure"]
    assert len(found.scores[0].elpd) == 6


def test_a_person_reads_the_verdict_and_what_speaks_against_it(runs):
    done = mscale_compare(runs["line"], runs["sure"])
    difference = exact_evidence(PRIORS["line"]) - exact_evidence(PRIORS["sure"])
    assert f"By evidence: line ({difference:.1f} nats, standard error 0.0)" in done.output
    assert "By leave-one-out: " in done.output
    assert f"{exact_evidence(PRIORS['line']):.1f} ± 0.0" in done.output
    assert "error of length, left out (fast)" in done.output
    assert "sure: draws and evidence are those of a normal approximation" in done.output
    assert done.exit_code == 4


def test_runs_without_a_caution_end_with_status_0(runs, tmp_path):
    smc = [altered(run, tmp_path / name, {"sampler": "smc"}) for name, run in runs.items()]
    assert mscale_compare(*smc).exit_code == 0


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_runs_of_smc_give_the_ratio_of_evidences_of_normal_algebra(tmp_path):
    """From case files to what a person reads; the error is the one that the tool itself states."""
    folders = []
    for name, (mean, sd) in PRIORS.items():
        folder = tmp_path / name
        folder.mkdir()
        text = CASE.replace("mean = 0, sd = 10 ", f"mean = {mean}, sd = {sd} ").replace("laplace", "smc")
        path = write_case(folder, f'name = "{name}"\n{text}')
        folders.append(fit(path, out=folder / "run", draws=300, chains=4).folder)
    found, cautions = compare_runs(*folders)
    assert cautions == ()
    errors = np.array([score.evidence_error for score in found.scores])
    for score, prior, error in zip(found.scores, PRIORS.values(), errors, strict=True):
        assert score.log_evidence == pytest.approx(exact_evidence(prior), abs=5 * error)
    assert errors.max() < 0.4
    exact = exact_evidence(PRIORS["line"]) - exact_evidence(PRIORS["sure"])
    said = mscale_compare(*folders)
    assert said.exit_code == 0
    told = re.search(r"By evidence: line \(([\d.]+) nats, standard error ([\d.]+)\)", said.output)
    difference, error = map(float, told.groups())
    assert difference == pytest.approx(exact, abs=5 * np.hypot(*errors) + 0.05)
    assert error == pytest.approx(np.hypot(*errors), abs=0.06)


def test_a_run_whose_diagnostics_are_not_met_is_not_to_be_compared(runs, tmp_path):
    failing = altered(runs["line"], tmp_path / "run", {"sampler": "smc", "failures": 300, "evaluations": 900})
    done = mscale_compare(failing, runs["sure"])
    assert done.exit_code == 4
    assert "do not trust this comparison yet" in done.output
    assert "line: a solver failed in 300 of 900 evaluations" in done.output


def test_runs_of_different_data_are_refused(runs, tmp_path):
    def shift(data):
        data["fast.length"][1] += 1e-9

    other = altered(runs["sure"], tmp_path / "run", observed=shift)
    with pytest.raises(CaseError, match="the same quantities, not all of the same values"):
        compare_runs(runs["line"], other)
    done = mscale_compare(runs["line"], other)
    assert done.exit_code == 3
    assert done.output.startswith("mscale: line and sure: the same quantities")


def test_a_reading_more_is_other_data(runs, tmp_path):
    def lose(data):
        data["fast.length"][1] = np.nan

    other = altered(runs["sure"], tmp_path / "run", observed=lose)
    with pytest.raises(CaseError, match="6 data against 5"):
        compare_runs(runs["line"], other)


def test_other_experiments_are_named(runs, tmp_path):
    def rename(data):
        data["fast.length"].attrs["experiment"] = "quick"

    other = altered(runs["sure"], tmp_path / "run", observed=rename)
    with pytest.raises(CaseError, match="'length' of 'fast' is in line only"):
        compare_runs(runs["line"], other)


def test_a_run_against_itself_or_a_point_is_refused(runs, tmp_path):
    with pytest.raises(RunError, match="twice"):
        compare_runs(runs["line"], runs["line"])
    with pytest.raises(RunError, match="a most probable point, no draws"):
        compare_runs(runs["line"], altered(runs["line"], tmp_path / "run", {"single": True}))


def test_cases_of_one_name_are_told_apart_by_their_folders(runs, tmp_path):
    one_chain = {"log_evidence": [-3.0]}
    found, _ = compare_runs(runs["line"], altered(runs["line"], tmp_path / "later", one_chain))
    assert [score.name for score in found.scores] == ["run", "later"]
    assert re.search(r"By evidence: 0\.1 nats apart, with an error that one chain", found.verdict)
