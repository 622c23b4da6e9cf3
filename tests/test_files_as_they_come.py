"""Files that come, grow or are broken while they are followed."""

import json
import os
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from lab import DISH, FUSION, HEADER, came, dishes, follow, lab, movie, write

from mscale_uq.case.awaited import Awaited
from mscale_uq.case.pooled import FEWEST
from mscale_uq.case.read import read_case
from mscale_uq.case.readers import read_with
from mscale_uq.case.schema import LawSpec, ReaderSpec
from mscale_uq.errors import InputError


def test_dishes_of_one_name_in_two_folders_are_two_dishes(tmp_path):
    for day in ("monday", "tuesday"):
        (tmp_path / day).mkdir()
        came(DISH, tmp_path / day)
    reader = ReaderSpec(format="h5ad", columns={"umi": "reporter"}, time_unit="h")
    patterns = tuple(tmp_path / day / "*.h5ad" for day in ("monday", "tuesday"))
    told = Awaited("dishes", patterns, reader, FUSION).source().read(0)
    names = ["monday/dish_1.h5ad: umi, time 1.0", "tuesday/dish_1.h5ad: umi, time 1.0"]
    assert [one.message.id for one in told] == names
    assert told[0].message.coordinates["dish"] != told[1].message.coordinates["dish"]
    (alone,) = Awaited("dishes", patterns[1:], reader, FUSION).source().read(0)
    assert alone.message.id == "dish_1.h5ad: umi, time 1.0"  # where there is one folder, a name is enough


def test_a_dish_that_the_run_cannot_pool_is_told_as_such_and_by_its_file(tmp_path, monkeypatch):
    came(DISH, tmp_path)
    reader = ReaderSpec(format="h5ad", columns={"umi": "reporter"}, time_unit="h")
    files = Awaited("dishes", (tmp_path / "*.h5ad",), reader, FUSION, {"umi": LawSpec(law="pseudobulk")})
    assert [good for good, _ in files.there()] == [True]
    monkeypatch.setitem(FEWEST, "pseudobulk", 201)
    ((good, said),) = files.there()
    assert not good
    assert said.startswith("dish_1.h5ad: umi: 200 cells; allowed: at least 201")


def test_a_half_written_dish_waits_and_a_broken_one_is_told_with_its_reason(tmp_path):
    source, content = dishes(tmp_path, quiet=0.3), DISH.read_bytes()
    there = tmp_path / "dish.h5ad"
    there.write_bytes(content[: len(content) // 2])
    assert source.read(0) == []
    assert source.pending
    there.write_bytes(content)
    assert source.read(0) == []
    time.sleep(0.35)
    (one,) = source.read(0)
    assert not source.pending
    assert one.message.value.size == 200
    assert source.read(0) == []
    there.write_bytes(content[: len(content) // 2])
    os.utime(there, (0, 0))
    (one,) = source.read(0)
    assert one.message is None
    assert "dish.h5ad" in one.reason
    assert source.read(0) == []  # told once


def test_a_dish_without_cells_is_told_when_it_comes(tmp_path):
    anndata = pytest.importorskip("anndata")
    anndata.read_h5ad(DISH)[:0].write_h5ad(tmp_path / "dish.h5ad")
    os.utime(tmp_path / "dish.h5ad", (0, 0))
    (one,) = dishes(tmp_path).read(0)
    assert one.message is None
    assert "dish.h5ad: no cells" in one.reason


def test_a_dish_of_normalised_counts_is_a_dead_letter_and_the_movie_goes_on(tmp_path):
    case, out = lab(tmp_path), tmp_path / "run"
    write(tmp_path, "".join(movie()[: HEADER + 8]))
    came(DISH, tmp_path / "lab")
    with h5py.File(tmp_path / "lab" / DISH.name, "r+") as file:
        normalised = np.log1p(file["layers/counts/data"][:])
        del file["layers/counts/data"]
        file["layers/counts/data"] = normalised
    os.utime(tmp_path / "lab" / DISH.name, (0, 0))
    for _ in range(2):
        status = follow(case, out)
        assert status.verdicts["conversion_failed"] == 1
        assert status.time == 5.0
    (letter,) = map(json.loads, (out / "dead_letters.jsonl").read_text().splitlines())
    assert letter["record"].startswith("dish_1.h5ad of ")
    assert "whole numbers" in letter["reason"]


LAYOUTS = {
    "btrack": (
        {"format": "btrack", "frame_interval": "5 min"},
        ["ID t x y z parent root state generation dummy light"],
        lambda cell, t: f"{cell} {t} 1.0 2.0 0.0 {cell} {cell} 5 0 False {100 + cell + t}.5",
    ),
    "csv": (
        {"format": "csv", "units": {"time": "s"}},
        ["track_id,t,light"],
        lambda cell, t: f"{cell},{300 * t},{100 + cell + t}.5",
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_table_of_tracks_that_grows_is_told_once_and_in_order(layout, tmp_path):
    form, header, row = LAYOUTS[layout]
    columns = {"intensity": "light"}
    columns |= {"cell": "track_id", "time": "t"} if layout == "csv" else {}
    reader = ReaderSpec(**form, columns=columns, cells=["7", "3"])
    one = Awaited("movie", (tmp_path / "tracks.*",), reader, FUSION)
    source, path, told = one.source(), tmp_path / "tracks.csv", []
    assert source.read(0) == []  # nothing there yet
    for last in (0, 1, 3, 4):  # sorted by cell, as some programs write it: anew every time
        rows = [row(cell, t) for cell in (3, 7, 9) for t in range(last)]
        text = "".join(f"{line}\n" for line in [*header, *rows])
        path.write_text(text[:-2] if last == 3 else text)
        told += source.read(0)
    messages = [delivery.message for delivery in told]
    found = {(m.time, m.coordinates["cell"]): m.value.item() for m in messages}
    unit = ("min", 5.0) if layout == "btrack" else ("s", 300.0)
    expected = {(f"{unit[1] * t!r} {unit[0]}", float(c)): 100.5 + c + t for c in (3, 7) for t in range(4)}
    assert found == expected
    assert len(messages) == len(expected)
    assert not source.pending


def test_a_header_alone_is_no_mistake_and_a_table_of_something_else_is(tmp_path):
    one = Awaited("movie", (tmp_path / "movie.csv",), _trackmate(), FUSION)
    source, path = one.source(), tmp_path / "movie.csv"
    for lines in (movie()[:1], movie()[:HEADER]):
        path.write_text("".join(lines))
        os.utime(path, (0, 0))
        assert source.read(0) == []
    path.write_text("a,b\n" * 6)
    os.utime(path, (0, 0))
    (one,) = source.read(0)
    assert "no key 'TRACK_ID'" in one.reason


def test_a_short_table_of_something_else_and_one_that_may_not_be_read_are_told(tmp_path, monkeypatch):
    path = tmp_path / "movie.csv"
    reader = ReaderSpec(format="csv", columns={"intensity": "light", "cell": "id", "time": "t"}, cells=["1"])
    source = Awaited("movie", (path,), reader, FUSION).source()
    path.write_text("id,t,lihgt\n1,0,5\n1,1,6\n")
    os.utime(path, (0, 0))
    (one,) = source.read(0)
    assert "light" in one.reason

    def forbidden(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", forbidden)
    os.utime(path, (1, 1))
    (one,) = source.read(0)
    assert one.reason == "movie.csv: Permission denied; allowed: a file that may be read"


def _trackmate():
    return ReaderSpec(
        format="trackmate", columns={"intensity": "MEAN_INTENSITY_CH1"}, cells=["0", "1", "2", "3"]
    )


def test_a_cell_has_the_number_that_its_name_is_and_others_come_in_the_order_of_names(tmp_path):
    (tmp_path / "t.csv").write_text("id,time [s],light\nb,1,1\na,1,2\nc,1,3\n")
    columns = {"cell": "id", "time": "time", "intensity": "light"}
    reader = ReaderSpec(format="csv", columns=columns, cells=["c", "a"])
    ((table, _),) = read_with(reader, {"t": tmp_path / "t.csv"}, FUSION, growing=True)
    found = {column.name: column.values.tolist() for column in table.columns}
    assert (found["cell"], found["intensity"]) == ([0.0, 1.0], [2.0, 3.0])


def test_cells_may_be_named_by_the_first_and_the_last_of_their_numbers(tmp_path):
    case = lab(tmp_path)
    listed = read_case(case).resolved()
    case.write_text(case.read_text().replace('["0", "1", "2", "3"]', '"0..3"'))
    assert '"0..3"' in case.read_text()
    assert read_case(case).resolved() == listed


@pytest.mark.parametrize("given", ['"3..0"', '"0..9999999"', '"a..c"', "4", "[1, 2]", '"0"'])
def test_cells_that_are_neither_names_nor_numbers_in_order_are_refused(given, tmp_path):
    case = lab(tmp_path)
    case.write_text(case.read_text().replace('["0", "1", "2", "3"]', given))
    with pytest.raises(InputError, match=r"cells.*'0\.\.299'"):
        read_case(case)


MISTAKES = {
    "no cell": (', cells = ["0", "1", "2", "3"]', "", "follow: no cell is named"),
    "no folder": ('"lab/movie.csv"', '"lib/movie.csv"', "no folder"),
    "no stream": ('[stream]\nlate = "replay"\n', "", "'movie' is followed, and there is no section [stream]"),
    "no output": ('umi = "reporter"', 'uni = "reporter"', "'uni' (did you mean 'umi'?)"),
    "no unit": (', time_unit = "h"', "", "reader.time_unit is not there"),
    "no reader": (
        'reader = { format = "h5ad"',
        'options = { format = "h5ad"',
        "follow = true without a reader",
    ),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_a_mistake_in_what_is_followed_is_told(what, tmp_path):
    old, new, said = MISTAKES[what]
    case = lab(tmp_path)
    text = case.read_text()
    assert old in text
    case.write_text(text.replace(old, new))
    with pytest.raises(InputError) as caught:
        read_case(case)
    assert said in str(caught.value)
