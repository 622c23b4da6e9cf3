"""The command line: what it prints, and its exit status."""

import io
import json
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial

import pytest
from known_line import CASE, write_case
from rich.console import Console
from typer.testing import CliRunner

from mscale_uq.case.bare import bare_numbers
from mscale_uq.case.read import read_case
from mscale_uq.catalog import find_case
from mscale_uq.cli import fit as cli_fit
from mscale_uq.cli.check import check_case
from mscale_uq.cli.commands import app
from mscale_uq.run import calibrate

pytestmark = pytest.mark.usefixtures("toys")


def mscale(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_list_shows_the_systems_and_their_cases():
    done = mscale("list")
    assert done.exit_code == 0
    assert re.search(r"transport/heat_conduction +Heat conduction", done.output)
    rows = {row["name"]: row for row in json.loads(mscale("list", "--json").output)}
    assert rows["transport/biofilm_layers"]["cases"] == ["biofilm_layers"]
    assert rows["toys/line"]["summary"].startswith("A straight line")
    assert rows["toys/line"]["cases"] == []


def test_show_prints_parameters_with_units_and_limits():
    done = mscale("show", "heat_conduction")
    assert done.exit_code == 0
    for words in (
        "matrix_conductivity   W/(m K)",
        "0 to 0.785398",
        "steady | transient",
        "doi:10.1098/rspa.1979.0160",
    ):
        assert words in done.output
    assert re.search(r"cell_elements +32 +above 3 ", done.output)
    assert re.search(r"heat_transfer +W/\(m² K\) +10 +above 0 ", done.output)
    assert re.search(r"temperature +K +at least 0 +x, y, time", done.output)


def test_check_measures_gradient_cost_and_the_prior(tmp_path):
    done = mscale("check", write_case(tmp_path))
    assert done.exit_code == 0, done.output
    assert "case and wiring: 2 experiments, 6 readings, 2 unknowns" in done.output
    assert re.search(r"ok +gradient, fast: Taylor remainder of slope", done.output)
    assert re.search(r"value [\d.]+ ms, with gradient [\d.]+ ms: [\d.]+ times", done.output)
    assert "0 of 200 prior draws failed" in done.output
    assert "6 of 6 readings lie in the 95 % range" in done.output


def test_check_says_how_it_reads_numbers_without_a_unit(tmp_path):
    """Zero is zero in every unit, and weights are pure numbers; 330 K is an experiment's own."""
    assert bare_numbers(read_case(write_case(tmp_path))) == [
        "fixed.temperature = 300 K",
        "law.length.sd = 0.1 m",
        "law.end.sd = 0.2 m",
        "experiment.fast.fixed.temperature = 330 K",
        "prior.offset.sd = 1 m",
        "prior.speed.sd = 10 m/s",
    ]
    said = " ".join(mscale("check", tmp_path / "line.toml").output.split())
    assert "numbers without a unit: fixed.temperature = 300 K, law.length.sd = 0.1 m" in said
    with_units = write_case(tmp_path, CASE.replace("sd = 0.1 }", 'sd = "10 cm" }'))
    assert "law.length.sd = 0.1 m" not in bare_numbers(read_case(with_units))


def test_check_doubts_a_file_that_may_have_been_cut_inside_its_last_number(tmp_path):
    case = write_case(tmp_path)
    whole = (tmp_path / "fast.csv").read_text()
    (tmp_path / "fast.csv").write_text(whole.rstrip("\n")[:-1])
    done = mscale("check", case)
    assert "data of fast: fast.csv: the last line does not end" in " ".join(done.output.split())
    assert "slow.csv: the last line" not in done.output


def test_check_asks_of_rows_that_are_the_same_whether_they_were_pasted_twice(tmp_path):
    case = write_case(tmp_path)
    lines = (tmp_path / "fast.csv").read_text().splitlines()
    (tmp_path / "fast.csv").write_text("\n".join([*lines, lines[-1], ""]))
    said = " ".join(mscale("check", case).output.split())
    assert f"fast.csv: a row the same as an earlier one, such as that of line {len(lines)}: pasted" in said
    assert "slow.csv: a row" not in said


def test_check_of_a_system_holds_it_to_its_promises():
    done = mscale("check", "toys/line")
    assert done.exit_code == 1
    assert re.search(r"BAD +limits hold: .*no limit", done.output)
    assert re.search(r"ok +batch equals loop", done.output)


def test_fit_prints_the_posterior_and_the_verdict(line_run, tmp_path):
    done = mscale("fit", line_run.folder.parent / "line.toml", "--out", line_run.folder)
    assert done.exit_code == 0, done.output
    assert re.search(r"speed +m/s +2\.0", done.output)
    assert re.search(r"doubled speed +m/s +4\.", done.output)
    assert "diagnostics met: 0 divergences, 0 failed solves" in done.output
    assert f"report: {line_run.report}" in done.output


def test_quiet_prints_nothing(line_run):
    done = mscale("fit", line_run.folder.parent / "line.toml", "--out", line_run.folder, "--quiet")
    assert (done.exit_code, done.output) == (0, "")


def test_draws_that_do_not_suffice_end_with_status_4(tmp_path):
    done = mscale("fit", write_case(tmp_path), "--out", tmp_path / "run", "--draws", 10, "--chains", 1)
    assert done.exit_code == 4
    assert "diagnostics not met: do not trust these draws yet" in done.output
    assert re.search(r"bulk ESS of \w+ is \d+, below 400", done.output)
    assert mscale("report", tmp_path / "run").exit_code == 4  # the same draws, the same verdict


def test_report_writes_the_page_anew(line_run):
    line_run.report.unlink()
    done = mscale("report", line_run.folder)
    assert done.exit_code == 0
    assert line_run.report.is_file()


def test_where_nobody_watches_a_line_now_and_then_says_how_far_it_is(monkeypatch, capsys):
    monkeypatch.setattr(cli_fit, "LOG_INTERVAL", 0.0)
    with cli_fit.LogLines(600, 2) as progress:
        progress(1, 41, True, {})
        progress(0, 99, False, {})
    assert re.search(r"chain 0: 100/600, chain 1: 42/600; \d+ s, 2 cores, \d+ MiB", capsys.readouterr().err)


def test_on_a_terminal_bars_show_cores_memory_and_time():
    terminal = Console(force_terminal=True, width=120, file=io.StringIO())
    with cli_fit.Bars(100, 2, 2, terminal) as bars:
        bars(0, 49, True, {})
        bars(1, 24, False, {})
        bars._progress.refresh()
        said = terminal.file.getvalue()
    for words in (r"2 cores, \d+ MiB", r"75/200", "chain 0, tuning", "chain 1, drawing", r"0:00:0\d"):
        assert re.search(words, said), words


def test_a_system_that_is_not_smooth_is_said_not_to_be_judged():
    case = read_case(find_case("biofilm_layers"))
    rough = replace(case, system=replace(case.system, smoothness="piecewise"))
    found = {finding.what: finding for finding in check_case(rough)}
    assert "a piecewise system has not" in found["identifiability"].found
    assert found["identifiability"].good is None


@pytest.mark.parametrize(("sampler", "then"), [("nuts", "goes on from here"), ("smc", "chains start over")])
def test_a_stopped_run_says_whether_it_can_be_gone_on_with(sampler, then, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(calibrate, "draw", stop)
    given = ("--out", tmp_path / "run", "--sampler", sampler, "--tune", 5)
    done = mscale("fit", write_case(tmp_path), *given)
    assert (done.exit_code, then in done.output) == (1, True), done.output


@pytest.mark.slow
def test_an_interrupted_run_says_so_and_the_same_command_ends_it(tmp_path):
    command = [sys.executable, "-m", "mscale_uq", "fit", "biofilm_layers", "--out", "run", "--chains", "1"]
    command += ["--draws", "400", "--tune", "400", "--cores", "1"]
    # Shells ignore an interrupt for jobs in the background.
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    pipes = {"stderr": subprocess.PIPE, "text": True, "preexec_fn": heard}
    with subprocess.Popen(command, cwd=tmp_path, **pipes) as running:
        progress = tmp_path / "run" / "progress.jsonl"
        while running.poll() is None and not (progress.is_file() and progress.stat().st_size):
            time.sleep(0.2)
        running.send_signal(signal.SIGINT)
        _, said = running.communicate()
    assert running.returncode == 1
    assert said == "mscale: stopped; the same command goes on from here\n"
    assert not (tmp_path / "run" / "posterior.nc").exists()
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 4  # one chain of 400 has half the effective draws that are asked for
    assert (tmp_path / "run" / "posterior.nc").is_file()


ONE_SPECIMEN = """
system = "transport/heat_conduction"

[[experiment]]
name = "40 % filler"
data = "heat_conduction/filler_40.csv"

[fixed]
filler_fraction = 0.4
heat_transfer = "10 W/(m^2 K)"
heater_power = "50 W/m"
cold_temperature = "290 K"
ambient_temperature = "295 K"

[law]
temperature = { sd = "0.2 K" }

[prior]
matrix_conductivity = { dist = "lognormal", lower = "0.1 W/(m K)", upper = "0.5 W/(m K)", mass = 0.95 }
filler_conductivity = { dist = "lognormal", lower = "1 W/(m K)", upper = "60 W/(m K)", mass = 0.95 }
"""


@pytest.mark.slow
def test_a_check_of_one_specimen_asks_for_another_filler_fraction(tmp_path):
    (tmp_path / "one.toml").write_text(ONE_SPECIMEN)
    said = mscale("check", tmp_path / "one.toml").output
    assert "matrix_conductivity and filler_conductivity enter only through K_eff" in said
    assert "add a specimen with another filler_fraction" in said
    assert "CURVED" in said
    assert "variance contracts by" in said
    assert "worst correlated pair (local): matrix_conductivity, filler_conductivity" in said
    for line in said.splitlines():
        assert "sd as a share" not in line or "local" in line
