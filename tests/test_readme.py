"""What the README says of tables and filters is so."""

import re
import runpy
from pathlib import Path

import numpy as np
import pytest

from mscale_uq.case.filter_names import FILTERS
from mscale_uq.case.filters import WIDENING, settings_of
from mscale_uq.case.read import read_case

README = (Path(__file__).parents[1] / "README.md").read_text()
SECTION = README.split("## Assimilate\n")[1].split("\n## ")[0]
ROWS = [line.split("|")[1:4] for line in SECTION.splitlines() if line.startswith("| `")]


def quoted(cell):
    return re.findall("`([a-z_]+)`", cell)


def test_the_table_of_a_persons_own_is_read_by_a_copy_of_the_case_that_is_named(tmp_path):
    section = README.split("### Your own data\n")[1].split("\n## ")[0]
    rows = [line[4:] for line in section.splitlines() if line.startswith("    ")]
    (tmp_path / "mine.csv").write_text("\n".join(rows) + "\n")
    (named,) = re.findall(r"`(models/\S+\.toml)`", section)
    case = (Path(__file__).parents[1] / named).read_text()
    (tmp_path / "my.toml").write_text(re.sub(r"heat_conduction/filler_20\.csv", "mine.csv", case))
    read = read_case(tmp_path / "my.toml").plans[0].seen["temperature"]
    assert read == pytest.approx([25.14 + 273.15, np.nan], nan_ok=True)


def test_the_table_of_filters_names_each_once():
    assert sorted(name for names, _, _ in ROWS for name in quoted(names)) == sorted(FILTERS)


def test_the_table_of_filters_gives_the_settings_they_have():
    told = {
        name: {*quoted(cell), *(WIDENING if "inflation" in cell else ())}
        for names, _, cell in ROWS
        for name in quoted(names)
        if "same" not in cell and "as " not in cell
    }
    assert len(told) >= 10
    for name, settings in told.items():
        assert settings == set(settings_of(name)), name


def test_the_python_example_runs_and_its_reading_narrows_what_is_read(tmp_path, capsys):
    lines = SECTION.split("In Python")[1].splitlines()
    code = [line[4:] for line in lines if line.startswith("    ")]
    assert len(code) >= 8
    (tmp_path / "example.py").write_text("\n".join(code))
    made = runpy.run_path(str(tmp_path / "example.py"))
    before = made["start"](made["Kalman"](), made["space"], made["now"].values).predict_to(1.5).state
    share = before.cov[0, 0] / (before.cov[0, 0] + 0.25)  # the gain of a reading with the sd 0.5
    assert made["now"].state.mean[0] == pytest.approx(before.mean[0] + share * (4.2 - before.mean[0]))
    assert made["ahead"].state.time == 3.0
    assert np.isfinite(made["info"].log_evidence)
    assert capsys.readouterr().out
