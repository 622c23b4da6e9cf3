"""The shipped live case: its movie grows, its dish comes after it; in the layouts that programs write."""

import json
import multiprocessing
import os
import random
import sqlite3
import time
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import pytest
from lab import DISH, HEADER, MINUTES, believed, came, follow, lab, movie, shortened
from typer.testing import CliRunner

from mscale_uq.case.awaited import Awaited
from mscale_uq.case.pooled import FEWEST
from mscale_uq.case.read import read_case
from mscale_uq.case.readers import read_with
from mscale_uq.case.schema import LawSpec, ReaderSpec
from mscale_uq.catalog import load_system
from mscale_uq.cli.commands import app
from mscale_uq.errors import CaseError, DataError, InputError, RunError
from mscale_uq.filters.loop import run
from mscale_uq.run.calibrate import fit
from mscale_uq.run.live import follow_case
from mscale_uq.stream.states import unpack
from mscale_uq.stream.view import View
from mscale_uq.stream.watched import QUIET, WatchedFiles

KILLS = 4
FUSION = load_system("cells/cell_state_fusion")


def write(folder, text):
    (folder / "lab" / "movie.csv").write_text(text)


@pytest.fixture(scope="module")
def in_order(tmp_path_factory):
    """Return folder and status of a run to which everything came before it began."""
    folder = tmp_path_factory.mktemp("in_order")
    case = lab(folder)
    write(folder, "".join(movie()))
    came(DISH, folder / "lab")
    return folder / "run", follow(case, folder / "run")


def test_live_and_at_once_a_movie_and_its_dish_say_the_same_to_the_last_bit(in_order, tmp_path):
    lab(tmp_path)
    write(tmp_path, "".join(movie()))
    came(DISH, tmp_path / "lab")
    text = shortened("cell_state_fusion")
    dishes = "".join(f'    "lab/dish_{k}.h5ad",\n' for k in (1, 2, 3, 4))
    assert dishes in text
    (tmp_path / "whole.toml").write_text(text.replace(dishes, '    "lab/dish_1.h5ad",\n'))
    case = read_case(tmp_path / "whole.toml")
    plan = case.assimilating
    *_, (state, _) = run(plan.filter, plan.space, plan.theta, plan.stream.observations, case.seed)
    live = unpack(believed(in_order[0])[0])
    assert live.time == state.time == MINUTES
    for part in ("points", "log_mass", "means", "cov"):
        assert np.array_equal(getattr(live, part), getattr(state, part))


POOLED = {
    '{ law = "pseudobulk" }': 1,
    '{ law = "factorial_moments", overdispersion = 0.05 }': 2,
}


@pytest.mark.parametrize("law", POOLED)
def test_a_dish_that_comes_later_is_one_reading_or_two_where_the_case_pools_it(law, tmp_path):
    """As in the case on the same files that does not follow them."""
    counts = 'umi = { law = "negative_binomial", overdispersion = 0.05 }'
    case = lab(tmp_path)
    case.write_text(case.read_text().replace(counts, f"umi = {law}"))
    lines = [line for line in movie() if line in movie()[:HEADER] or float(line.split(",")[7]) <= 65.0]
    write(tmp_path, "".join(lines))
    before = follow(case, tmp_path / "run")
    assert before.received == len(lines) - HEADER
    came(DISH, tmp_path / "lab")
    after = follow(case, tmp_path / "run")
    assert (after.late, after.received) == (POOLED[law], before.received + POOLED[law])
    text = shortened("cell_state_fusion").replace(counts, f"umi = {law}")
    dishes = "".join(f'    "lab/dish_{k}.h5ad",\n' for k in (1, 2, 3, 4))
    (tmp_path / "whole.toml").write_text(text.replace(dishes, '    "lab/dish_1.h5ad",\n'))
    whole = read_case(tmp_path / "whole.toml")
    plan = whole.assimilating
    *_, (state, _) = run(plan.filter, plan.space, plan.theta, plan.stream.observations, whole.seed)
    live = unpack(believed(tmp_path / "run")[0])
    for part in ("points", "log_mass", "means", "cov"):
        assert getattr(live, part) == pytest.approx(getattr(state, part), rel=1e-9, abs=1e-12)


def test_a_dish_that_is_sequenced_after_the_movie_ends_as_if_it_had_come_in_time(in_order, tmp_path):
    case, out, lines = lab(tmp_path), tmp_path / "run", movie()
    for last in (len(lines) // 3, 2 * len(lines) // 3, len(lines)):
        write(tmp_path, "".join(lines[:last])[:-7])  # the tracker is in the middle of a line
        status = follow(case, out)
        write(tmp_path, "".join(lines[:last]))
        status = follow(case, out)
        assert (status.late, status.verdicts.get("duplicate", 0)) == (0, 0)
        assert status.received == last - HEADER
    before = believed(out)[1][-1]["learned"]["transcription_rate"]
    came(DISH, tmp_path / "lab")
    status = follow(case, out)
    assert (status.late, status.received) == (1, len(lines) - HEADER + 1)
    assert status.senders == {"movie": MINUTES}
    assert believed(out) == believed(in_order[0])
    after = believed(out)[1][-1]["learned"]["transcription_rate"]
    assert after[2] - after[0] < before[2] - before[0]
    assert follow(case, out).received == status.received  # nothing is taken in twice


def test_a_dish_may_be_sent_as_a_line_beside_the_files(in_order, tmp_path):
    case, out = lab(tmp_path), tmp_path / "run"
    case.write_text(case.read_text().replace("[stream]", '[stream]\nsource = "core.jsonl"'))
    write(tmp_path, "".join(movie()))
    sent = {"source": "core facility", "seq": 1, "type": "umi", "event_time": "1 h"}
    (dish,) = dishes(DISH.parent, "dish_1.h5ad")._read(DISH, DISH.name)
    factors = {"size_factor": dish["coordinates"]["size_factor"]}  # a line is a dish, whatever its number
    whole = {**sent, "value": dish["value"], "coordinates": factors}
    bare = {**sent, "seq": 2, "value": [1, 2], "coordinates": {"dish": 1}}
    short = {**sent, "seq": 3, "value": [1, 2, 3], "coordinates": {"size_factor": [1, 2]}}
    void = {**sent, "seq": 4, "value": [1, 2], "coordinates": {"size_factor": [1, -1]}}
    half = {**sent, "seq": 5, "value": [1, 2.5], "coordinates": {"size_factor": [1, 1]}}
    lines = "".join(json.dumps(record) + "\n" for record in (whole, bare, short, void, half))
    (tmp_path / "core.jsonl").write_text(lines)
    assert follow(case, out).verdicts["conversion_failed"] == 4
    assert believed(out)[0] == believed(in_order[0])[0]
    letters = (out / "dead_letters.jsonl").read_text()
    assert "coordinates dish; allowed: size_factor" in letters
    assert "2 of 'size_factor' for 3 values" in letters
    assert "size_factor = -1 is impossible" in letters
    assert "2.5" in letters


def test_a_movie_that_comes_after_its_dish_is_not_late(in_order, tmp_path):
    case, out = lab(tmp_path), tmp_path / "run"
    came(DISH, tmp_path / "lab")
    assert follow(case, out).time == 60.0
    write(tmp_path, "".join(movie()))
    assert follow(case, out).late == 0
    assert believed(out) == believed(in_order[0])


def test_another_case_is_refused_and_so_is_a_row_that_says_something_else_now(in_order, tmp_path):
    case, out, lines = lab(tmp_path), tmp_path / "run", movie()[: HEADER + 8]
    write(tmp_path, "".join(lines))
    follow(case, out)
    kept, good = believed(out), case.read_text()
    for old, new, what in (
        ("seed = 20261127", "seed = 1", "seed"),
        ('cells = ["0", "1", "2", "3"]', 'cells = ["0", "1", "2"]', "experiments"),
        ("members = 32", "members = 64", "filter"),
        ('late = "replay"', 'late = "drop"', "stream"),
    ):
        case.write_text(good.replace(old, new))
        with pytest.raises(RunError, match=rf"another {what}"):
            follow(case, out)
    case.write_text(good)
    assert ",51.6," in lines[HEADER]
    write(tmp_path, "".join(lines).replace(",51.6,", ",61.6,", 1))
    with pytest.raises(DataError, match=r"movie.csv: intensity, cell 0.0, time 0.0 came before with another"):
        follow(case, out)
    assert believed(out) == kept


def test_the_run_of_a_followed_case_goes_on_from_its_folder(tmp_path):
    case, out, lines = lab(tmp_path), tmp_path / "run", movie()
    write(tmp_path, "".join(lines[: HEADER + 8]))
    follow(case, out)
    write(tmp_path, "".join(lines[: HEADER + 12]))
    assert follow(out / "case.toml", out).received == 12


def test_a_cell_that_comes_later_joins_and_room_for_cells_that_never_come_changes_nothing(tmp_path):
    """Until it is seen, what is known of a cell is what is known of the population."""
    rows = [(line, line.split(",")) for line in movie()]
    late = [line for line, cells in rows if not (cells[2] == "3" and float(cells[7]) < 30.0)]
    found = {}
    for name, cells in (("enough", range(4)), ("room", range(9))):
        case = lab(tmp_path / name)
        named = ", ".join(f'"{cell}"' for cell in cells)
        case.write_text(case.read_text().replace('"0", "1", "2", "3"', named))
        (tmp_path / name / "lab" / "movie.csv").write_text("".join(late[: len(late) // 2]))
        follow(case, tmp_path / name / "run")
        (tmp_path / name / "lab" / "movie.csv").write_text("".join(late))
        assert follow(case, tmp_path / name / "run").late == 0
        found[name] = believed(tmp_path / name / "run")[1]
    with View(tmp_path / "enough" / "run") as view:
        labels = [label for label, _ in view.fact("facts")["state"]]
    (unseen,) = (row["mean"] for row in found["enough"] if row["time"] == 25.0)
    for of_cell, of_all in (("mrna[3]", "mrna_mean"), ("protein[3]", "protein_mean")):
        assert unseen[labels.index(of_cell)] == pytest.approx(unseen[labels.index(of_all)], rel=1e-9)
    for enough, room in zip(*found.values(), strict=True):
        assert enough["log_evidence"] == pytest.approx(room["log_evidence"], rel=1e-9)
        for name, ends in enough["learned"].items():
            assert room["learned"][name] == pytest.approx(ends, rel=1e-9)


def test_a_check_tells_what_is_in_the_files_that_are_followed(tmp_path):
    case = lab(tmp_path)
    write(tmp_path, "".join(movie())[:-5])
    told = CliRunner().invoke(app, ["check", str(case)])
    text = " ".join(told.output.split())
    assert told.exit_code == 1
    assert "movie.csv: the last line has no end" in text
    assert "followed by dishes: nothing is there yet" in text
    write(tmp_path, "".join(movie()))
    came(DISH, tmp_path / "lab")
    told = CliRunner().invoke(app, ["check", str(case)])
    text = " ".join(told.output.split())
    assert told.exit_code == 0, text
    assert "movie.csv: 4 cells in 16 frames" in text
    assert "dish_1.h5ad: 200 cells at 1 h" in text
    assert "not judged: the readings come while the case is assimilated" in text


def test_a_followed_case_has_nothing_to_fit(tmp_path):
    with pytest.raises(CaseError, match=r"experiment 'movie' is followed, and brings no reading yet"):
        fit("cell_state_fusion_live", out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="forks, as Linux does")
def test_killed_at_any_moment_a_lab_that_is_followed_ends_with_the_same_bytes(in_order, tmp_path):
    """The moments are random on purpose: the claim is that none matters."""
    case, out, text = read_case(lab(tmp_path)), tmp_path / "run", "".join(movie())
    context, pieces = multiprocessing.get_context("fork"), [len(text) * i // KILLS for i in range(KILLS + 1)]
    for number, (first, last) in enumerate(pairwise(pieces)):
        before = records(out)
        run = context.Process(target=follow_case, args=(case, out))
        run.start()
        with (tmp_path / "lab" / "movie.csv").open("a") as file:
            file.write(text[first:last])  # it breaks off in the middle of a line
        if number == KILLS // 2:
            came(DISH, tmp_path / "lab")
        while run.is_alive() and len(records(out)) == len(before):
            time.sleep(0.02)
        time.sleep(random.uniform(0.0, 0.5))
        assert run.is_alive()
        run.kill()
        run.join()
        assert run.exitcode == -9
    status = follow_case(case, out, stop_when_idle=0)
    assert believed(out) == believed(in_order[0])
    assert records(out) == records(in_order[0])
    assert "duplicate" not in status.verdicts


def records(out):
    """Return name and content of every record that was taken in."""
    try:
        with View(out) as view:
            return set(view._db.execute("SELECT name, digest, verdict, copies FROM record").fetchall())
    except (RunError, sqlite3.Error):
        return set()


# ---- files -----------------------------------------------------------------


def dishes(folder, files="*.h5ad", quiet=QUIET):
    reader = ReaderSpec(format="h5ad", columns={"umi": "reporter"}, time_unit="h")
    one = Awaited("dishes", (folder / files,), reader, FUSION)
    return WatchedFiles("dishes", one.patterns, one._records, by_lines=False, quiet=quiet)


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
