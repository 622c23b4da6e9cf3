"""Divisions that cannot be, and who does not follow those that can."""

import pytest
from dividing import movie
from division_tables import as_own_table, own_table, write

from mscale_uq.case.read import read_case
from mscale_uq.case.readers import read_with
from mscale_uq.case.schema import ReaderSpec
from mscale_uq.catalog import load_system
from mscale_uq.cli.check import check_case
from mscale_uq.errors import CaseError, DataError
from mscale_uq.run.calibrate import fit

FUSION = load_system("cells/cell_state_fusion")


def test_a_fit_says_that_only_a_filter_follows_a_division(tmp_path):
    path = write(tmp_path / "lab", movie()[0])
    with pytest.raises(CaseError, match=r"cells of experiment 'movie' divide.*mscale assimilate"):
        fit(read_case(path), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    alone = path.read_text().replace('intensity = "light" }', 'intensity = "light" }, cells = ["1", "2"]')
    path.write_text(alone)
    law = read_case(path).plans[0].operators["intensity"].law
    assert not law.divides


def test_a_check_says_so_too_and_finds_nothing_bad(tmp_path):
    found = list(check_case(read_case(write(tmp_path / "lab", movie()[0]))))
    assert all(one.good is not False for one in found)
    assert "cells of experiment 'movie' divide" in found[-1].found


MISTAKES = {
    "a mother that is not read": ("", "", ["2", "3", "4"], "comes from '1', which is not read"),
    "a gap": ("3", "", None, "cell '4' alone comes from '1'"),
    "three daughters": ("", "7,1,65,300\n", None, "3 cells come from '1': 3, 4, 7"),
    "a mother that lives on": ("", "1,1,65,300\n", None, "cell '1' is seen at 65, her daughter at 65"),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_a_wrong_lineage_is_refused(what, tmp_path):
    without, more, cells, said = MISTAKES[what]
    lines = [line for line in movie()[0] if line.split(",")[0] != without] + [more]
    path = write(tmp_path / "lab", lines).parent / "movie.csv"
    columns = {"cell": "track", "parent": "mother", "time": "t", "intensity": "light"}
    reader = ReaderSpec(format="csv", columns=columns, cells=cells)
    with pytest.raises(DataError, match=said):
        read_with(reader, {"movie.csv": path}, FUSION)


IMPOSSIBLE = {
    "a mother after her division": (
        "",
        "1.1,1,1,2.5,300\n",
        "cell 1 is read at 66; allowed: before it divides",
    ),
    "a cell before its birth": (
        "",
        "1.1,5,4,112.5,300\n",
        "cell 5 is read at 66; allowed: from its birth at",
    ),
    "a birth at the start": (
        "",
        "1.1,7,7,,\n1.1,8,7,0,300\n",
        "born = 0, and the model starts at 0; allowed: a later division",
    ),
    "a birth before the mother's": ("112.5", "62.5", "cell 5, born at 62.5, is not younger than its mother"),
    "no birth": ("112.5", "", "cell 5 has a mother, and no 'born'"),
}


@pytest.mark.parametrize("what", IMPOSSIBLE)
def test_what_a_table_says_of_divisions_is_told_with_its_file_if_it_cannot_be(what, tmp_path):
    old, new, said = IMPOSSIBLE[what]
    table = own_table(movie()[0])
    table = table.replace(f",{old},", f",{new},") if old else table + new
    with pytest.raises(CaseError, match=rf"experiment 'movie', movie.csv: {said}"):
        read_case(as_own_table(tmp_path / "lab", table))
