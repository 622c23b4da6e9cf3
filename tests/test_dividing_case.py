"""A case whose cells divide: from the table of a tracker, all at once and while it grows."""

import json

import numpy as np
import pytest
from dividing import BRANCHES, CASE, FRAMES, GAIN, LIVE, RATES, movie
from division_tables import as_own_table, own_table, write
from lab import believed, follow

from mscale_uq.case.laws import followed
from mscale_uq.case.read import read_case
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.parameter import Quantity
from mscale_uq.core.system import System
from mscale_uq.errors import CaseError
from mscale_uq.filters.loop import run
from mscale_uq.io.measurements import Measurements
from mscale_uq.observe.laws import Gaussian
from mscale_uq.stream.states import unpack
from mscale_uq.stream.view import View

NAMES = list(BRANCHES)


AT = 'at = { transcription_rate = "2 1/min", gain = 1.5 }'


def filtered(path):
    case = read_case(path)
    plan = case.assimilating
    return list(run(plan.filter, plan.space, plan.theta, plan.stream.observations, case.seed))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return the numbers in the cells, and the steps of a filter on their movie."""
    lines, cells = movie()
    return cells, filtered(write(tmp_path_factory.mktemp("whole"), lines))


def test_truths_lie_where_the_filter_says_and_its_innovations_are_as_large_as_it_expects(whole):
    cells, steps = whole
    state, _ = steps[-1]
    sd = np.sqrt(state.variances)
    rate, gain = state.mean[-2:]
    assert abs(rate - np.log(RATES["transcription_rate"])) < 3 * sd[-2]
    assert abs(gain - np.log(GAIN)) < 3 * sd[-1]
    now = {name: cells[name][-1] for name, (_, _, last) in BRANCHES.items() if last == FRAMES}
    first = 5  # the population's moments come before the cells
    for name, numbers in now.items():
        places = first + np.array([0, len(NAMES)]) + NAMES.index(name)
        assert np.all(np.abs(state.mean[places] - numbers) < 3.5 * sd[places])
    squares = [
        (info.innovation**2 / np.diag(info.innovation_cov))[~np.isnan(info.innovation)] for _, info in steps
    ]
    readings = np.concatenate(squares)
    assert readings.size == sum(last - first + 1 for _, first, last in BRANCHES.values())
    assert readings.mean() == pytest.approx(1.0, abs=3.5 * np.sqrt(2 / readings.size))


def test_daughters_that_appear_in_a_growing_table_are_what_they_are_in_the_whole_one(whole, tmp_path):
    lines, _ = movie()
    path = write(tmp_path / "lab", [], LIVE)
    out, frames = tmp_path / "run", [float(line.split(",")[2]) for line in lines]
    for until in (60.0, 65.0, 115.0, 150.0):
        write(tmp_path / "lab", [line for line, t in zip(lines, frames, strict=True) if t <= until], LIVE)
        status = follow(path, out)
        assert (status.time, status.late) == (until, 0)
        assert set(status.verdicts) <= {"used", "missing"}
    live, last = unpack(believed(out)[0]), whole[1][-1][0]
    assert [kind.shape for kind in live.blocks.kinds] == [kind.shape for kind in last.blocks.kinds]
    for part in ("points", "log_mass", "means", "cov"):
        assert np.array_equal(getattr(live, part), getattr(last, part))


def test_a_table_with_parents_and_births_is_what_the_trackers_file_is(whole, tmp_path):
    path = as_own_table(tmp_path / "lab", own_table(movie()[0]))
    state, _ = filtered(path)[-1]
    assert state.mean == pytest.approx(whole[1][-1][0].mean, rel=1e-9)
    wrong = own_table(movie()[0]).replace(",1,62.5,", ",1,61.5,", 1)
    (tmp_path / "lab" / "movie.csv").write_text(wrong)
    with pytest.raises(CaseError, match="'born' of one individual is not the same in all its rows"):
        read_case(path)


def test_other_filters_follow_divisions_too(tmp_path):
    """With known parameters all is linear, but for the noise: slopes, sigma points and members agree."""
    known = CASE.replace('learn = ["transcription_rate", "gain"]', AT)
    ends = {}
    for name, more in (("unscented", ""), ("extended", ""), ("etkf", "members = 400")):
        text = known.replace('filter = "gaussian_sum"', f'filter = "{name}"').replace("members = 32", more)
        ends[name] = filtered(write(tmp_path / name, movie()[0], text))[-1][0]
    exact = ends["unscented"]
    sd = np.sqrt(np.diag(exact.cov))
    assert np.all(
        np.abs(ends["extended"].mean - exact.mean) < 1e-2 * sd + 1e-6
    )  # a law knows its noise at the mean
    left = np.abs(ends["etkf"].mean - exact.mean)
    unsure = sd > 1e-2
    assert unsure.sum() == 2 * 4 + 4  # four cells are there, and dishes may come
    assert np.all(left[unsure] < 0.5 * sd[unsure])
    assert left[~unsure] == pytest.approx(0.0, abs=1e-6)


def test_a_sister_that_is_found_late_changes_what_her_family_is_from_the_division_on(whole, tmp_path):
    """Until then a lone daughter waits: she may be a gap in a track."""
    lines, _ = movie()
    path, out = write(tmp_path / "lab", [], LIVE), tmp_path / "run"
    waiting = [line for line in lines if line.split(",")[0] != "3"]
    write(tmp_path / "lab", waiting, LIVE)
    lone = follow(path, out)
    assert lone.received == len([line for line in waiting if line.split(",")[0] in ("1", "2")])
    write(tmp_path / "lab", lines, LIVE)
    come = [line for line in lines if line.split(",")[0] not in ("1", "2")]
    assert follow(path, out).late == len([line for line in come if ",150," not in line])
    assert np.array_equal(unpack(believed(out)[0]).cov, whole[1][-1][0].cov)


def test_a_line_may_say_whose_daughter_a_cell_is_once_and_for_all(tmp_path):
    """Sent as lines: a daughter without a known mother, or of two, is set aside with its reason."""
    lines, _ = movie()
    live = LIVE.replace("[stream]", '[stream]\nsource = "scope.jsonl"')
    path = write(tmp_path / "lab", lines[:24], live)  # both founders, until the first of them divides
    daughter = {"source": "scope", "type": "intensity", "event_time": 65, "value": 2000}
    past = {"cell": 3, "parent": 1, "born": "62.5 min"}
    sent = [
        (past, 65), ({**past, "born": "61 min"}, 70), ({"cell": 4, "parent": 9, "born": 62.5}, 65),
        ({"cell": 4, "parent": 1}, 65), ({"cell": 4, "parent": 1, "born": 64}, 65), ({"cell": 3}, 70),
    ]  # fmt: skip
    records = [
        {**daughter, "seq": i, "coordinates": where, "event_time": time}
        for i, (where, time) in enumerate(sent)
    ]
    (tmp_path / "lab" / "scope.jsonl").write_text("".join(json.dumps(one) + "\n" for one in records))
    out = tmp_path / "run"
    status = follow(path, out)
    assert (status.verdicts["used"], status.verdicts["conversion_failed"]) == (26, 4)
    letters = (out / "dead_letters.jsonl").read_text()
    for reason in ("another mother, or birth, of cell 3", "no place at cell = 9", "parent and born together"):
        assert reason in letters
    assert "at most two, born at one time" in letters
    assert status.time == 70.0


def sent(folder, orders):
    """Follow the first hour of the movie, and then lines; return run folder and status."""
    live = LIVE.replace("[stream]", '[stream]\nsource = "scope.jsonl"')
    path = write(folder, movie()[0][:24], live)
    records = [
        {"source": "scope", "type": "intensity", "seq": number, "event_time": time, "value": 2000,
         "coordinates": where}
        for number, (where, time) in orders
    ]  # fmt: skip
    (folder / "scope.jsonl").write_text("".join(json.dumps(one) + "\n" for one in records))
    return folder / "run", follow(path, folder / "run")


def test_a_growing_table_says_whose_daughter_a_cell_is(whole, tmp_path):
    """The first hour comes as the tracker's file, the rest as lines of a table, daughters at their birth."""
    lines, _ = movie()
    path = write(tmp_path / "lab", lines[:24], LIVE.replace("[stream]", '[stream]\nsource = "scope.csv"'))
    times, told = {name: 5.0 * first - 2.5 for name, (_, first, _) in BRANCHES.items()}, set()
    table = "time [min],cell,parent,born [min],intensity\n"
    for name, mother, time, light in (line.strip().split(",") for line in lines[24:]):
        past = "," if name == mother or name in told else f"{mother},{times[name]}"
        table += f"{time},{name},{past},{light}\n"
        told.add(name)
    for until in (len(table) // 2, len(table)):  # a line is torn
        (tmp_path / "lab" / "scope.csv").write_text(table[:until])
        status = follow(path, tmp_path / "run")
    assert set(status.verdicts) <= {"used", "missing"}
    live, last = unpack(believed(tmp_path / "run")[0]), whole[1][-1][0]
    assert np.array_equal(live.means, last.means)
    assert np.array_equal(live.log_mass, last.log_mass)


DAUGHTER, SISTER = ({"cell": 3, "parent": 1, "born": 62.5}, 65), ({"cell": 4, "parent": 1, "born": 62.5}, 70)


def test_a_reading_of_a_cell_that_is_not_there_is_set_aside_whenever_its_division_is_told(tmp_path):
    gone, unborn = ({"cell": 1}, 80), ({"cell": 4}, 62)
    alone = {"cell": 3, "parent": 1, "born": 62.5}, 62.4  # contradicts itself
    lines = list(enumerate([DAUGHTER, SISTER, gone, unborn, alone]))
    only = sent(tmp_path / "only", lines[:2])[0]
    for name, order in {"after": lines, "before": lines[::-1], "between": lines[2:] + lines[:2]}.items():
        out, status = sent(tmp_path / name, order)
        assert believed(out) == believed(only), name
        assert (status.verdicts["used"], status.verdicts["conversion_failed"]) == (26, 3)
        letters = (out / "dead_letters.jsonl").read_text()
        assert "cell 1 is read at 80; allowed: before it divides at 62.5" in letters
        assert "cell 4 is read at 62; allowed: from its birth at 62.5 on" in letters
        assert "cell 3 is read at 62.4; allowed: from its birth at 62.5 on" in letters


def test_a_frame_sent_as_one_vector_leaves_cells_empty_that_are_not_there(tmp_path):
    """As null: what the others say counts as if it were sent cell by cell."""
    one = sent(tmp_path / "one", list(enumerate([DAUGHTER, ({"cell": 4, "parent": 1, "born": 62.5}, 65)])))[0]
    live = LIVE.replace("[stream]", '[stream]\nsource = "scope.jsonl"')
    path = write(tmp_path / "frame", movie()[0][:24], live)
    told = [{"coordinates": DAUGHTER[0], "value": None}, {"coordinates": SISTER[0], "value": None}]
    frame = {"value": [None, None, 2000, 2000, None, None]}
    records = [
        {"source": "scope", "type": "intensity", "seq": number, "event_time": 65, **record}
        for number, record in enumerate([*told, frame])
    ]
    (path.parent / "scope.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    status = follow(path, tmp_path / "run")
    assert "conversion_failed" not in status.verdicts
    ends = [unpack(believed(run)[0]) for run in (one, tmp_path / "run")]
    assert ends[0].means == pytest.approx(ends[1].means, rel=1e-9)


@pytest.mark.parametrize("apart", [("worm",), ("worm", "plate")])
def test_individuals_need_not_be_called_cells_and_may_lie_on_plates(apart):
    past = (Quantity(name, "1", lineage=True) for name in ("parent", "born"))
    along = Quantity("hour", "h"), *(Quantity(name, "1") for name in apart), *past
    length = Quantity("length", "1", "", ("hour", *apart, "parent", "born"), tracked=True)
    system = System(
        name="toys/worms",
        parameters=(),
        outputs=(length,),
        coordinates=along,
        smoothness="smooth",
        forward=lambda: None,
    )
    columns = {"hour": [1, 1, 2, 2], "worm": [7, 8, 7, 8], "plate": [3, 3, 3, 3], "born": [np.nan] * 4}
    for mothers, divides in (([7, 8, 7, 8], False), ([7, 7, 7, 7], True)):
        table = {
            name: np.array(column, dtype=float) for name, column in {**columns, "parent": mothers}.items()
        }
        data = Measurements(table, {"length": np.ones(4)})
        law = followed(ObservationOperator("length", Gaussian(1.0)), data, length, system).law
        assert (law.individual, law.time, law.divides) == ((0, 1, 0, 1), (0, 0, 1, 1), divides)


def test_a_cell_without_a_mother_may_leave_its_past_empty(whole, tmp_path):
    bare = own_table(movie()[0]).replace(",1,1,2.5,", ",1,,,").replace(",2,2,2.5,", ",2,2,,")
    path = as_own_table(tmp_path / "lab", bare)
    assert ",1,,," in bare
    state, _ = filtered(path)[-1]
    assert state.mean == pytest.approx(whole[1][-1][0].mean, rel=1e-9)
    founders = [
        line for line in bare.splitlines(keepends=True) if line.split(",")[1] in ("cell [1]", "1", "2")
    ]
    alone = read_case(as_own_table(tmp_path / "alone", "".join(founders)))
    assert not alone.plans[0].operators["intensity"].law.divides


def test_a_birth_at_the_start_is_a_dead_letter_and_a_cell_that_is_its_own_mother_says_nothing(tmp_path):
    early = [({"cell": 5, "parent": 2, "born": born}, 65) for born in (0, "-1 min")]
    own = [({"cell": 2, "parent": 2, "born": born}, time) for born, time in (("nowhere", 65), (0, 70))]
    out, status = sent(tmp_path / "lab", list(enumerate([*early, *own])))
    assert (status.verdicts["used"], status.verdicts["conversion_failed"]) == (26, 2)
    assert "born = 0 min; allowed: later than 0 min" in (out / "dead_letters.jsonl").read_text()
    with View(out) as view:
        assert view.fact("known") is None
        assert {change.revision for change in view.steps()} == {0}


def test_steps_that_a_division_changes_are_told_as_revised_though_nothing_came_late(tmp_path):
    before = [({"cell": 2}, 65), ({"cell": 2}, 75)]
    out, status = sent(tmp_path / "lab", list(enumerate([*before, (DAUGHTER[0], 80), (SISTER[0], 85)])))
    assert status.late == 0
    with View(out) as view:
        revised = {change.row["time"]: change.revision for change in view.steps() if change.revision}
    assert revised == {65.0: 2, 75.0: 1}  # the sister is told when 75 has been reached, too
