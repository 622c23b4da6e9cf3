"""`mscale new`: what it writes keeps every promise, and is a calibration as it stands."""

import csv
import re

import numpy as np
import pytest
from typer.testing import CliRunner

from mscale_uq.catalog import load_system
from mscale_uq.cli.commands import app
from mscale_uq.diagnose.contracts import CONTRACTS, units_are_consistent
from mscale_uq.io.units import dimension

WRITTEN = ["__init__.py", "plate.py", "plate.toml", "plate/README.md", "plate/readings.csv"]


def mscale(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def files_below(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*") if path.is_file())


@pytest.fixture(scope="module")
def family(tmp_path_factory, in_catalogue):
    """The folder that `mscale new plate` fills, in the catalogue."""
    root = tmp_path_factory.mktemp("new") / "models"
    done = mscale("new", "plate", "--models", root)
    assert done.exit_code == 0, done.output
    assert f'export MSCALE_UQ_MODELS="{root}"' in done.output
    with in_catalogue(root):
        yield root / "mine"


def test_it_writes_a_system_a_case_data_and_where_they_are_from(family):
    assert files_below(family) == WRITTEN
    for name in WRITTEN:
        assert "_name" not in (family / name).read_text(), "every name is put in"


def test_system_and_case_are_less_than_a_hundred_lines(family):
    lines = [line for name in ("plate.py", "plate.toml") for line in (family / name).read_text().splitlines()]
    assert len(lines) < 100


@pytest.mark.parametrize("contract", CONTRACTS)
def test_the_new_system_keeps_every_promise(family, contract):
    CONTRACTS[contract](load_system("plate"))


def test_the_new_system_has_right_units(family):
    units_are_consistent(load_system("mine/plate"), dimension)


def test_check_has_nothing_to_object_to_in_the_new_case(family):
    done = mscale("check", "plate")
    assert done.exit_code == 0, done.output
    assert "1 experiment, 9 readings, 2 unknowns" in done.output
    assert "9 of 9 readings lie in the 95 % range" in done.output


def test_check_of_the_system_of_the_same_name_is_asked_for(family):
    done = mscale("check", "plate", "--system")
    assert done.exit_code == 0, done.output
    assert "limits hold: 1 limit\n" in done.output


@pytest.mark.slow
def test_the_new_case_finds_the_truth_behind_its_data_and_writes_a_report(family, tmp_path):
    done = mscale("fit", "plate", "--out", tmp_path / "run", "--cores", 0)
    assert done.exit_code == 0, done.output
    assert "resin conductivity  0.25 W/(m K)  95 % interval" in done.output
    page = (tmp_path / "run" / "report.html").read_text()
    assert "How well do the resin layers conduct heat?" in page
    assert "k_eff" in page


def test_the_data_are_made_as_the_readme_says(family):
    with (family / "plate/readings.csv").open() as file:
        header, *rows = csv.reader(file)
    assert header == ["depth [mm]", "temperature [degC]"]
    depth = np.array([float(row[0]) for row in rows]) * 1e-3
    model = load_system("plate").forward(depth=depth, thickness=0.02)
    truth = model.value(model.theta(resin_conductivity=0.25, cold_temperature=290.15)) - 273.15
    expected = truth + 0.3 * np.random.default_rng(1).standard_normal(depth.size)
    for row, value in zip(rows, expected, strict=True):
        assert row[1] in ("", f"{value:.2f}")


WRONG = {
    "slab": "is there already",
    "my-plate": "'my-plate' cannot be a name; .*hint: 'my_plate' would do",
    "class": "'class' cannot be a name; allowed: letters, digits and _, a letter first, no word of Python",
    "2plates": "'2plates' cannot be a name",
    "_plate": "'_plate' cannot be a name; .*hint: 'plate' would do",
    "../plate": "'..' cannot be a name",
    "heat_conduction": "there is 'transport/heat_conduction' already; allowed: another name",
    "mine/proteome_burden": "there is 'cells/proteome_burden' already",
}


@pytest.mark.parametrize("name", WRONG)
def test_a_name_that_cannot_be_is_refused_and_nothing_is_written(tmp_path, name):
    if name == "slab":
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine/slab.toml").write_text("my work")
    before = files_below(tmp_path)
    done = mscale("new", name, "--models", tmp_path)
    assert done.exit_code == 3
    assert done.output.startswith("mscale: ")
    assert done.output.count("\n") == 1
    assert re.search(WRONG[name], done.output)
    assert files_below(tmp_path) == before


def test_what_cannot_be_written_whole_is_not_written(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "slab").write_text("a file where a folder is needed")
    done = mscale("new", "slab", "--models", tmp_path)
    assert done.exit_code == 3
    assert "cannot write" in done.output
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["slab"]


def test_a_new_member_joins_a_shipped_family(tmp_path):
    assert mscale("new", "transport/my_plate", "--models", tmp_path).exit_code == 0
    assert 'name="transport/my_plate"' in (tmp_path / "transport/my_plate.py").read_text()
