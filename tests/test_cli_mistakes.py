"""Mistakes of a person, a case or a system, as the command line tells them."""

import os
import re
import subprocess
import sys

import pytest
from known_line import CASE, write_case
from typer.testing import CliRunner

from mscale_uq.cli.commands import app

pytestmark = pytest.mark.usefixtures("toys")


def mscale(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_slip_in_a_systems_file_is_told_with_its_line(tmp_path, in_catalogue):
    (tmp_path / "slips").mkdir()
    (tmp_path / "slips" / "__init__.py").write_text("")
    (tmp_path / "slips" / "plate.py").write_text('"""A plate."""\n\nPARAMETERS = (\n')
    with in_catalogue(tmp_path):
        done = mscale("show", "slips/plate")
    assert done.exit_code == 1
    assert "SyntaxError: '(' was never closed" in done.output
    assert "was never closed (plate.py, line 3); hint" in done.output


def test_units_that_a_system_has_wrong_are_told_as_the_systems_mistake(tmp_path, in_catalogue):
    mscale("new", "slips/slip", "--models", tmp_path)
    path = tmp_path / "slips" / "slip.py"
    path.write_text(
        path.read_text().replace('"W/m^2"', '"W/m2"').replace('"W/(m K)", 0.3', '"W/(m KK)", 0.3')
    )
    with in_catalogue(tmp_path):
        done = mscale("check", "slips/slip")
    assert done.exit_code == 3
    assert "slip.toml: 2 mistakes" in done.output
    assert "system: slip.py: resin_conductivity: cannot read the unit 'W/(m KK)'" in done.output
    assert "system: slip.py: heat_flux: cannot read the unit 'W/m2'" in done.output
    assert "write m^2 for m2" in done.output
    alone = mscale_in(in_catalogue, tmp_path, "check", "slips/slip", "--system")
    assert alone.exit_code == 3
    assert "slip.py: resin_conductivity: cannot read the unit 'W/(m KK)'" in alone.output


def mscale_in(in_catalogue, folder, *arguments):
    with in_catalogue(folder):
        return mscale(*arguments)


@pytest.mark.parametrize(
    ("slip", "said"),
    [
        ("np.log(resin_conductivity - 0.3) + 1", "made a value of 'k_eff' that is not finite"),
        ("abs(resin_conductivity) / resin_conductivity", "abs is not analytic"),
    ],
)
def test_a_model_that_breaks_a_promise_is_held_to_the_others_too(slip, said, tmp_path, in_catalogue):
    """No answer at the defaults, or no derivative: the check tells it, and goes on to units and filters."""
    mscale("new", "slips/slip", "--models", tmp_path)
    path = tmp_path / "slips" / "slip.py"
    path.write_text(path.read_text().replace("return 1 / (fibre_share", f"return ({slip}) / (fibre_share"))
    done = mscale_in(in_catalogue, tmp_path, "check", "slips/slip", "--system")
    assert done.exit_code == 1
    assert re.search(rf"BAD  gradient is exact: .*{said}", done.output)
    assert "mscale: " not in done.output
    assert "no filter: the system declares no state in time" in done.output
    if "not finite" in said:
        assert "where nothing exists, let the model raise Infeasible" in done.output


def test_a_table_in_place_of_a_case_is_told_where_it_belongs(tmp_path):
    (tmp_path / "mine.csv").write_text("x [mm],temperature [degC]\n6,24.64\n")
    done = mscale("fit", tmp_path / "mine.csv")
    assert done.exit_code == 3
    assert "mine.csv is a table; allowed: a case file, which is TOML; hint: a case names its" in done.output


WRONG = {
    "an unknown case": (
        ["fit", "heat_conductio"],
        3,
        "no case 'heat_conductio' (did you mean 'heat_conduction'?)",
    ),
    "an unknown file": (["fit", "mine.toml"], 3, "no case file 'mine.toml'"),
    "an unknown system": (["show", "heat"], 3, "no system 'heat'"),
    "an unknown sampler": (
        ["fit", "{case}", "--sampler", "nut"],
        3,
        "sampler = 'nut' (did you mean 'nuts'?); allowed: auto, nuts",
    ),
    "no draws": (["fit", "{case}", "--draws", "0"], 3, "draws = 0; allowed: greater than or equal to 1"),
    "a changed seed": (
        ["fit", "{case}", "--out", "{run}", "--seed", "3"],
        3,
        "holds the run of another case: seed changed (seed was 7, is 3); allowed: the case it was made with",
    ),
    "no run": (["report", "{empty}"], 3, "no finished run in"),
    "no case": (["fit"], 2, "Missing argument"),
    "an unknown option": (["fit", "{case}", "--drws", "3"], 2, "--drws"),
    "an unknown command": (["fitt"], 2, "fitt"),
    "a number that is none": (["fit", "{case}", "--draws", "many"], 2, "--draws"),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_a_mistake_is_one_line_and_a_status(line_run, tmp_path, mistake):
    arguments, status, said = WRONG[mistake]
    places = {"case": line_run.folder.parent / "line.toml", "run": line_run.folder, "empty": tmp_path}
    done = mscale(*(argument.format(**places) for argument in arguments))
    assert done.exit_code == status
    assert said in done.output
    assert "Traceback" not in done.output
    if status == 3:
        assert done.output.startswith("mscale: ")
        assert done.output.count("\n") == 1


def test_every_mistake_in_a_case_is_a_line(tmp_path):
    path = write_case(
        tmp_path, CASE.replace("temperature = 300", 'temperature = "3 m"').replace("sd = 10", "ds = 1")
    )
    done = mscale("check", path)
    assert done.exit_code == 3
    lines = done.output.splitlines()
    assert lines[0] == "mscale: line.toml: 3 mistakes"
    assert [line.split(";")[0].strip() for line in lines[1:]] == [
        "prior.speed.ds: unknown key",
        "fixed.temperature: temperature: '3 m' has the dimension of [length]",
        "prior.speed: normal with mean",
    ]
    path = write_case(
        tmp_path, CASE.replace("temperature = 300", 'temperature = "3 m"').replace("sd = 10", "sd = -1")
    )
    lines = mscale("check", path).output.splitlines()
    assert lines[0] == "mscale: line.toml: 2 mistakes"
    assert [line.split(":")[0].strip() for line in lines[1:]] == ["fixed.temperature", "prior.speed"]


BROKEN = '''
"""A system with a bug."""
from mscale_uq.core.formula import Formula
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.core.system import System
PARAMETERS = (Parameter("x", "1", 1.0),)
def length(x):
    return x + "1"
def forward():
    return ForwardModel([Formula(length, "y")], PARAMETERS, ["y"])
SYSTEM = System("wild/broken", PARAMETERS, (Quantity("y", "1"),), "smooth", forward)
'''


def test_a_bug_in_a_model_is_told_with_its_line_and_with_a_traceback_on_request(tmp_path):
    (tmp_path / "wild").mkdir()
    (tmp_path / "wild" / "__init__.py").write_text("")
    (tmp_path / "wild" / "broken.py").write_text(BROKEN)
    environment = {**os.environ, "MSCALE_UQ_MODELS": str(tmp_path)}
    command = [sys.executable, "-m", "mscale_uq", "check", "wild/broken"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert re.fullmatch(r"mscale: .*Error: .*\(broken.py, line 9\); hint: --debug.*\n", done.stderr)
    done = subprocess.run([*command, "--debug"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert 'return x + "1"' in done.stderr
