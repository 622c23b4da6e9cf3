"""A sampler that nobody asked for is chosen once, and kept with its reason in the run's folder."""

import importlib
import re
import tomllib
from dataclasses import replace

import numpy as np
import pytest
from known_line import CASE, ROWS, exact_posterior, write_case
from typer.testing import CliRunner

from mscale_uq.case.read import read_case
from mscale_uq.catalog import find_case
from mscale_uq.cli.commands import app
from mscale_uq.core.stretch import Stretch
from mscale_uq.errors import RunError
from mscale_uq.run import calibrate, choice
from mscale_uq.run.choice import decide, kept
from mscale_uq.run.folder import prepare

pytestmark = pytest.mark.usefixtures("toys")
AUTO = {"sampler": "auto", "draws": 100, "tune": 100}


@pytest.fixture
def no_pilot(monkeypatch):
    """Another pilot would be seen."""

    def refuse(*_):
        raise AssertionError("a second pilot")

    return lambda: monkeypatch.setattr(choice, "explore", refuse)


def test_a_run_that_was_begun_goes_on_with_the_sampler_it_has(tmp_path, no_pilot):
    case, folder = read_case(write_case(tmp_path)), tmp_path / "run"
    chosen, why = decide(case, AUTO, folder)
    assert chosen.method.sampler == "nuts"
    assert why.startswith("the system has exact derivatives (pilot of ")
    prepare(folder, chosen, False, why)
    assert tomllib.loads((folder / "case.toml").read_text())["run"]["chosen"] == why
    no_pilot()
    again, reason = decide(case, {**AUTO, "draws": 200}, folder)
    assert (again.method.sampler, reason, again.hash) == ("nuts", why, chosen.hash)
    with pytest.raises(AssertionError, match="a second pilot"):
        decide(case, AUTO, folder, fresh=True)


def test_a_run_begun_with_another_sampler_keeps_it(tmp_path, no_pilot):
    case, folder = read_case(write_case(tmp_path)), tmp_path / "run"
    asked, why = decide(case, {"sampler": "slice"}, folder)
    prepare(folder, asked, False, why)
    no_pilot()
    assert decide(case, AUTO, folder)[0].method.sampler == "slice"


def test_a_folder_with_something_else_in_it_is_refused_before_a_pilot(tmp_path, no_pilot):
    (tmp_path / "notes.txt").write_text("mine")
    no_pilot()
    with pytest.raises(RunError, match="holds no run"):
        decide(read_case(write_case(tmp_path)), AUTO, tmp_path)


def test_what_a_pilot_could_not_change_needs_none(tmp_path, no_pilot):
    no_pilot()
    rough, why = decide(read_case(find_case("traffic_flow")), AUTO, tmp_path / "rough")
    assert rough.method.sampler == "demetropolisz"
    assert "smooth in pieces" in why
    many, why = decide(read_case(find_case("porous_medium")), AUTO, tmp_path / "many")
    assert many.method.sampler == "nuts"
    assert "20 unknowns" in why


def test_a_choice_made_from_the_command_line_outlives_a_stop(tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(calibrate, "draw", stop)
    given = ["fit", str(write_case(tmp_path)), "--out", str(tmp_path / "run"), "--sampler", "auto"]
    done = CliRunner().invoke(app, [*given, "--draws", "20", "--tune", "20", "--chains", "1"])
    assert "goes on from here" in done.output
    assert "pilot of 4 evaluations" in kept(tmp_path / "run").why


@pytest.mark.slow
def test_a_run_that_is_long_enough_ends_in_a_surrogate_and_says_why(tmp_path, monkeypatch):
    """Solves are counted, not timed, so that the end of a line is as dear as a cell."""
    monkeypatch.setenv("MSCALE_UQ_CACHE", str(tmp_path / "cache"))
    line = importlib.import_module("mscale_uq.models.toys.line")
    stretch = Stretch("end", plain=("offset", "speed", "stretch"))
    monkeypatch.setattr(line, "SYSTEM", replace(line.SYSTEM, stretches=(stretch,)))
    text = re.sub(r'\[\[experiment\]\]\nname = "fast".*?\n\n', "", CASE, flags=re.DOTALL)
    case = write_case(tmp_path, text.replace('sampler = "laplace"\n', ""))
    result = calibrate.fit(case, out=tmp_path / "run", draws=100, tune=660, chains=2, cores=0)
    assert result.facts["sampler"] == "surrogate"
    assert not result.facts["surrogate"]["fell_back"]
    assert result.facts["surrogate"]["exact"] == 200
    mean, covariance = exact_posterior(rows=ROWS[:4])
    for name, exact, sd in zip(("offset", "speed"), mean, np.sqrt(np.diag(covariance)), strict=True):
        draws = result.idata["posterior"][name].to_numpy()
        assert abs(draws.mean() - exact) < 4 * sd / np.sqrt(100)  # of 200 draws at most every second depends
        assert draws.std() == pytest.approx(sd, rel=0.25)
    why = kept(tmp_path / "run").why
    assert "the cell is dear, and a trial says that its surrogate stands for it (k-hat" in why
    report = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert f"surrogate was chosen: {why}" in report
