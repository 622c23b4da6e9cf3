"""What lies in the models' folders is found, by full or short name, and nothing is imported to list it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mscale_uq.catalog import cases, data_root, find_case, load_system, names, sources, summaries
from mscale_uq.errors import InputError

ROOT = Path(__file__).resolve().parents[1]


def test_a_system_has_a_full_and_a_short_name():
    assert load_system("heat_conduction") is load_system("transport/heat_conduction")
    assert load_system("heat_conduction").name == "transport/heat_conduction"


def test_a_case_is_found_by_name_and_by_path():
    path = find_case("heat_conduction")
    assert path.name == "heat_conduction.toml"
    assert find_case(str(path)) == path
    assert find_case(path.with_suffix("")) == path
    assert find_case("transport/heat_conduction") == path


def test_every_data_file_lies_where_the_cases_look_for_it():
    assert (data_root() / "heat_conduction" / "filler_20.csv").is_file()


@pytest.mark.parametrize(
    ("call", "given", "said"),
    [
        (load_system, "heat_conducton", "no system 'heat_conducton' .did you mean 'heat_conduction'"),
        (load_system, "_lorenz", "no system '_lorenz'"),
        (find_case, "heat_conducton", "no case 'heat_conducton' .did you mean 'heat_conduction'"),
        (
            find_case,
            "mine.toml",
            "no case file 'mine.toml'; allowed: a TOML file, or a shipped case: `mscale list`",
        ),
        (find_case, "unheard_of", r"no case 'unheard_of'; allowed: one of the \d+ that `mscale list` names"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_one(call, given, said):
    with pytest.raises(InputError, match=said):
        call(given)


def test_who_names_the_folder_of_a_run_is_told_the_case_in_it(tmp_path):
    (tmp_path / "case.toml").write_text("")
    with pytest.raises(InputError, match=r"hint: .*case\.toml is the case of the run in it"):
        find_case(tmp_path)


def test_who_has_lost_a_system_of_his_own_is_told_where_it_is_looked_for(monkeypatch):
    monkeypatch.delenv("MSCALE_UQ_MODELS", raising=False)
    with pytest.raises(InputError, match="hint: one of your own: MSCALE_UQ_MODELS names its folder"):
        load_system("mine/plate")
    with pytest.raises(InputError) as caught:
        load_system("heat_conducton")
    assert "MSCALE_UQ_MODELS" not in str(caught.value)


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


def test_a_private_file_that_is_no_system_is_refused(tmp_path):
    private(tmp_path, "wild", "x = 1\n")
    assert "declares no SYSTEM; allowed: SYSTEM = System(...)" in ask(tmp_path, "load_system('mine')").stderr


def test_a_family_may_have_members_in_several_folders(tmp_path):
    text = (ROOT / "models/reference/linear_gaussian.py").read_text()
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        private(tmp_path / folder, "reference", "x = 1\n")
        (tmp_path / folder / "reference/mine.py").unlink()
        own = tmp_path / folder / "reference" / f"line_{folder}.py"
        own.write_text(text.replace("reference/linear_gaussian", f"reference/line_{folder}"))
    code = "print(*[load_system(name).name for name in ('line_a', 'line_b', 'laplace64')])"
    done = ask(f"{tmp_path}/a{os.pathsep}{tmp_path}/b", code)
    assert done.stdout.split() == ["reference/line_a", "reference/line_b", "reference/laplace64"], done.stderr


@pytest.mark.parametrize(("suffix", "call"), [(".py", "load_system"), (".toml", "find_case")])
def test_two_of_one_name_are_refused_with_both_places(tmp_path, suffix, call):
    private(tmp_path, "reference", "x = 1\n")
    (tmp_path / "reference" / f"laplace64{suffix}").write_text("x = 1\n")
    said = ask(tmp_path, f"{call}('laplace64')").stderr
    assert "are called 'reference/laplace64': " in said
    for folder in (ROOT / "models", tmp_path):
        assert str(folder / "reference" / f"laplace64{suffix}") in said
    assert said.rstrip().endswith("; allowed: one; hint: rename your own")


def test_the_sources_of_a_system_are_its_file_and_what_it_imports_of_its_familys():
    found = [path.name for path in sources("sinoatrial_cell")]
    assert found == ["sinoatrial_cell.py", "_beat.py", "_severi2012.py"]
    assert [path.name for path in sources("laplace64")] == ["laplace64.py"]


def test_the_summaries_are_those_of_the_systems():
    assert set(summaries()) == set(names())
    assert set(cases()) >= {"transport/biofilm_layers", "transport/heat_conduction"}
