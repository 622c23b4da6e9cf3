"""What lies in the models' folders is found, by full or short name, and nothing is imported to list it."""

import os
import subprocess
import sys

import pytest

from mscale_uq.catalog import cases, data_root, find_case, load_system, names, summaries
from mscale_uq.errors import InputError


def test_a_system_has_a_full_and_a_short_name():
    assert load_system("heat_conduction") is load_system("transport/heat_conduction")
    assert load_system("heat_conduction").name == "transport/heat_conduction"


def test_a_case_is_found_by_name_and_by_path():
    path = find_case("heat_conduction")
    assert path.name == "heat_conduction.toml"
    assert find_case(str(path)) == path
    assert find_case("transport/heat_conduction") == path


def test_every_data_file_lies_where_the_cases_look_for_it():
    assert (data_root() / "heat_conduction" / "filler_20.csv").is_file()


@pytest.mark.parametrize(
    ("call", "given", "said"),
    [
        (load_system, "heat_conducton", "no system 'heat_conducton' .did you mean 'heat_conduction'"),
        (load_system, "_lorenz", "no system '_lorenz'"),
        (find_case, "heat_conducton", "no case 'heat_conducton' .did you mean 'heat_conduction'"),
        (find_case, "mine.toml", "no case file 'mine.toml'; allowed: a TOML file, or a shipped case: "),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_one(call, given, said):
    with pytest.raises(InputError, match=said):
        call(given)


def private(tmp_path, family, text):
    (tmp_path / family).mkdir()
    (tmp_path / family / "__init__.py").write_text("")
    (tmp_path / family / "mine.py").write_text(text)
    (tmp_path / family / "_shared.py").write_text("")


def ask(tmp_path, code):
    environment = {**os.environ, "MSCALE_UQ_MODELS": str(tmp_path)}
    command = [sys.executable, "-c", f"from mscale_uq.catalog import *\n{code}"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_listing_reads_the_first_line_and_runs_nothing(tmp_path):
    private(tmp_path, "wild", '"""Runs away.\n\nMore."""\nraise SystemExit("imported")\n')
    done = ask(tmp_path, "print(summaries()['wild/mine'], 'wild/_shared' in names())")
    assert done.stdout.strip() == "Runs away. False", done.stderr


def test_a_file_that_is_no_python_is_listed_as_such(tmp_path):
    private(tmp_path, "wild", "def (\n")
    assert ask(tmp_path, "print(summaries()['wild/mine'])").stdout.startswith("(cannot be read: ")


@pytest.mark.parametrize(
    ("family", "text", "said"),
    [
        ("wild", "x = 1\n", "declares no SYSTEM; allowed: SYSTEM = System(...)"),
        ("transport", "x = 1\n", "a private family needs a name of its own"),
    ],
)
def test_a_private_file_that_cannot_be_a_system_is_refused(tmp_path, family, text, said):
    private(tmp_path, family, text)
    assert said in ask(tmp_path, f"load_system('{family}/mine')").stderr


def test_the_summaries_are_those_of_the_systems():
    assert set(summaries()) == set(names())
    assert set(cases()) >= {"transport/biofilm_layers", "transport/heat_conduction"}
