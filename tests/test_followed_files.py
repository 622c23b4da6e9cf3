"""The shipped live case: its movie grows, its dish comes after it; in the layouts that programs write."""

import json
import multiprocessing
import random
import sqlite3
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from journal_rows import asked
from lab import DISH, HEADER, MINUTES, believed, came, dishes, follow, lab, movie, shortened, write
from typer.testing import CliRunner

from mscale_uq.case.read import read_case
from mscale_uq.cli.commands import app
from mscale_uq.errors import CaseError, DataError, RunError
from mscale_uq.filters.loop import run
from mscale_uq.run.calibrate import fit
from mscale_uq.run.live import follow_case
from mscale_uq.stream.states import unpack
from mscale_uq.stream.view import View

KILLS = 4


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
        return set(asked(out, "SELECT name, digest, verdict, copies FROM record"))
    except sqlite3.Error:
        return set()
