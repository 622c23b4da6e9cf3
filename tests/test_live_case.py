"""A case with a section [stream]: followed from files and the standard input, gone on with, and refused."""

import json
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from nile import FLOWS, mscale

from mscale_uq.case.live import _live
from mscale_uq.case.read import read_case
from mscale_uq.case.schema import StreamSpec
from mscale_uq.catalog import data_root, find_case
from mscale_uq.filters.loop import run
from mscale_uq.run.live import follow_case
from mscale_uq.stream.records import Objects
from mscale_uq.stream.source import MOST_AT_ONCE
from mscale_uq.stream.view import View


@pytest.fixture(scope="module")
def whole():
    """Return the last law of the level, from all flows in one table."""
    plan = read_case(find_case("local_level")).assimilating
    return list(run(plan.filter, plan.space, plan.theta, plan.stream.observations))[-1][0]


def last(folder):
    with View(folder) as view:
        (change,) = view.recent(1)
        return change.row


def test_a_stream_ends_where_the_table_does(nile, whole, tmp_path):
    done = mscale("assimilate", nile, "--out", tmp_path / "run", "--stop-when-idle", "0")
    assert done.exit_code == 0, done.output
    assert "records: 100 received, 0 late, 0 waiting\nreadings: 100 used\ntime: 1970 year" in done.output
    row = last(tmp_path / "run")
    assert (row["mean"], row["sd"]) == (whole.mean.tolist(), np.sqrt(np.diag(whole.cov)).tolist())
    # Published, in 1e8 m^3, for a filter that begins without knowledge: 798.37 with variance 4032.16.
    assert row["mean"][0] == pytest.approx(79.837, abs=1e-3)
    assert row["sd"][0] == pytest.approx(6.3499, abs=1e-3)
    readings = (tmp_path / "run" / "readings.csv").read_text().splitlines()
    assert len(readings) == 101
    again = mscale("assimilate", nile, "--out", tmp_path / "run", "--stop-when-idle", "0")
    assert again.output == done.output  # nothing is taken in twice
    assert (tmp_path / "run" / "readings.csv").read_text().splitlines() == readings


def test_the_standard_input_is_a_source(nile, tmp_path):
    lines = [
        json.dumps({"source": "gauge", "seq": i, "event_time": f"{year} year", "value": flow, "type": "flow"})
        for i, (year, flow) in enumerate(line.split(",") for line in FLOWS[11:])
    ]
    text = "\n".join(lines).replace('"value": "', '"value": ').replace('", "type"', ', "type"')
    command = [sys.executable, "-m", "mscale_uq", "assimilate", nile, "--source", "-"]
    changed = nile.read_text().replace("[stream]", '[stream]\nformat = "jsonl"')
    nile.write_text(changed)
    done = subprocess.run(
        [*map(str, command), "--out", str(tmp_path / "run")],
        check=False,
        input=text,
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    assert "records: 100 received" in done.stdout
    assert last(tmp_path / "run")["mean"][0] == pytest.approx(79.837, abs=1e-3)


def test_a_changed_case_is_refused_and_nothing_is_changed(nile, tmp_path):
    out = tmp_path / "run"
    assert mscale("assimilate", nile, "--out", out, "--stop-when-idle", "0").exit_code == 0
    good = nile.read_text()
    with View(out) as view:
        before = view.changes()
    for old, new, what in (
        ("seed = 20261120", "seed = 1", "seed"),
        ("level_sd = 3.833", "level_sd = 4", "filter"),
        ('reorder_window = "2 year"', 'late = "drop"', "stream"),
        ("median = 12", "median = 13", "priors"),
    ):
        assert old in good
        nile.write_text(good.replace(old, new))
        done = mscale("assimilate", nile, "--out", out, "--stop-when-idle", "0")
        assert done.exit_code == 3
        assert f"the folder holds a run with another {what}" in done.output
    nile.write_text(good)
    (tmp_path / "first.csv").write_text("\n".join(FLOWS[:10]) + "\n")
    done = mscale("assimilate", nile, "--out", out, "--stop-when-idle", "0")
    assert done.exit_code == 3
    assert "another data: 'first.csv' of SHA-256" in " ".join(done.output.split())
    with View(out) as view:
        assert view.changes() == before
    assert mscale("assimilate", nile, "--out", out, "--stop-when-idle", "0", "--fresh").exit_code == 0


def test_a_date_is_no_time_and_the_weekend_ends_with_the_reason(nile, tmp_path):
    dates = [
        {
            "source": "gauge",
            "seq": i,
            "event_time": f"2026-11-{i + 1:02d}T12:00:00Z",
            "value": 1e3,
            "type": "flow",
        }
        for i in range(12)
    ]
    (tmp_path / "live.jsonl").write_text("".join(json.dumps(one) + "\n" for one in dates))
    nile.write_text(nile.read_text().replace("live.csv", "live.jsonl"))
    done = mscale("assimilate", nile, "--out", tmp_path / "run", "--stop-when-idle", "0")
    assert done.exit_code == 4, done.output
    said = "event_time = '2026-11-12T12:00:00Z', a date; allowed: the time since the model's start"
    assert f"not taken in: each with its reason in dead_letters.jsonl; the newest: {said}" in done.output
    assert f"12 of the last 22 records could not be taken in, the newest for: {said}" in done.output


def test_the_folder_alone_goes_on(nile, tmp_path):
    out = tmp_path / "run"
    mscale("assimilate", nile, "--out", out, "--stop-when-idle", "0")
    (tmp_path / "first.csv").unlink()
    done = mscale("assimilate", out / "case.toml", "--out", out, "--stop-when-idle", "0")
    assert done.exit_code == 0, done.output
    assert "records: 100 received" in done.output


def test_the_status_of_a_run_is_told_to_people_and_programs(nile, tmp_path):
    out = tmp_path / "run"
    mscale("assimilate", nile, "--out", out, "--stop-when-idle", "0", "--quiet")
    told = mscale("status", out)
    assert told.exit_code == 0
    assert re.search(r"squared innovations are [\d.]+ of what they should be", told.output)
    found = json.loads(mscale("status", out, "--json").output)
    assert (found["steps"], found["time"], found["newest"], found["lag"]) == (100, 1970.0, 1970.0, 0.0)
    assert found["verdicts"] == {"used": 100}
    refused = mscale("status", tmp_path)
    assert refused.exit_code == 3
    assert "holds no run that follows a stream" in refused.output


def test_the_status_of_a_run_under_way_tells_how_far_it_is_behind(nile, tmp_path):
    """Of a full batch, order is waited for: senders at 2135 and 2136, less 2 years, have reached 2133."""
    flow, told = {"value": 900.0, "type": "flow"}, []
    records = [
        {"source": ("north", "south")[year % 2], "seq": year, "event_time": f"{year} year", **flow}
        for year in range(1881, 1881 + MOST_AT_ONCE)
    ]
    (tmp_path / "live.jsonl").write_text("".join(json.dumps(one) + "\n" for one in records))
    nile.write_text(nile.read_text().replace("live.csv", "live.jsonl"))

    def ask(folder):
        told.append([mscale("status", folder, *how).output for how in ((), ("--json",))])

    follow_case(read_case(nile), tmp_path / "run", stop_when_idle=0.0, after_batch=ask)
    first, last = (json.loads(one[1]) for one in (told[0], told[-1]))
    assert "time: 2132 year of 2136 year, 4 year behind, in 262 steps" in told[0][0]
    assert (first["time"], first["newest"], first["lag"], first["waiting"]) == (2132.0, 2136.0, 4.0, 4)
    assert (last["time"], last["lag"], last["waiting"]) == (2136.0, 0.0, 0)


def test_where_all_there_is_are_counts_they_tell_the_time(nile, tmp_path):
    """What is counted is destroyed by it, but a stream of nothing else has reached what it counts."""
    text = nile.read_text().replace('law = "gaussian", sd = "reading_sd"', 'law = "negative_binomial"')
    for old, new in (
        ("reading_sd = {", "# {"),
        ('reading_sd = "12.288 km^3", ', ""),
        ('"kalman"', '"laplace"'),
    ):
        assert old in text
        text = text.replace(old, new)
    nile.write_text(text)
    whole = "\n".join([FLOWS[0], *(f"{y},{round(float(f))}" for y, f in (r.split(",") for r in FLOWS[1:]))])
    (tmp_path / "first.csv").write_text("\n".join(whole.split("\n")[:11]) + "\n")
    (tmp_path / "live.csv").write_text("\n".join([FLOWS[0], *whole.split("\n")[11:]]) + "\n")
    live = read_case(nile).live
    assert live.snapshots == ()
    assert live.policy.aside == {"table"}
    done = mscale("assimilate", nile, "--out", tmp_path / "run", "--stop-when-idle", "0")
    assert done.exit_code in (0, 4), done.output
    late = "1880,60\n"
    with (tmp_path / "live.csv").open("a") as file:
        file.write(late)
    done = mscale("assimilate", nile, "--out", tmp_path / "run", "--stop-when-idle", "0")
    assert "records: 101 received, 1 late" in done.output


def test_counts_beside_a_movie_do_not_tell_the_time_whoever_says_that_they_destroy(tmp_path):
    """The law of counts says so where the operator says nothing."""
    plan = read_case(find_case("cell_state_fusion_live")).assimilating
    operators = plan.space.observations
    unsaid = {**operators, "sequencer": replace(operators["sequencer"], destructive=None)}
    alive = {**unsaid, "sequencer": replace(operators["sequencer"], destructive=False)}
    for read, rare in ((unsaid, ("umi",)), (alive, ())):
        live = _live(StreamSpec(source="a.jsonl"), plan.stream, read, (), tmp_path)
        assert live.snapshots == rare
        assert live.policy.aside == {"table", *("sequencer" for _ in rare)}


def test_a_filter_that_is_too_sure_ends_with_status_4(nile, tmp_path):
    nile.write_text(nile.read_text().replace('"12.288 km^3"', '"4 km^3"'))
    done = mscale("assimilate", nile, "--out", tmp_path / "run", "--stop-when-idle", "0")
    assert done.exit_code == 4
    assert "do not trust this filter yet: the filter is too sure of itself" in done.output
    assert mscale("status", tmp_path / "run").exit_code == 4


def test_readings_at_places_are_found_by_their_coordinates(tmp_path):
    """Thermocouples one by one, in other units and out of order, are the table."""
    header, *table = (data_root() / "heat_conduction" / "filler_40_warming.csv").read_text().splitlines()
    assert header == "time [s],x [mm],y [mm],temperature [degC]"
    rows = [[float(cell) for cell in line.split(",")] for line in table]
    times = sorted({row[0] for row in rows})[:3]
    for name, there in (("first.csv", times[:1]), ("all.csv", times)):
        chosen = [line for line, row in zip(table, rows, strict=True) if row[0] in there]
        (tmp_path / name).write_text("\n".join([header, *chosen]) + "\n")
    case = find_case("heat_conduction_warming").read_text().replace("members = 40", "members = 6")
    (tmp_path / "all.toml").write_text(case.replace("heat_conduction/filler_40_warming.csv", "all.csv"))
    live = case.replace("heat_conduction/filler_40_warming.csv", "first.csv")
    (tmp_path / "live.toml").write_text(live + '\n[stream]\nsource = "a.jsonl"\n')
    records = [
        {
            "source": "logger",
            "seq": i,
            "type": "temperature",
            "event_time": f"{seconds / 60} min",
            "value": celsius,
            "units": "degC",
            "coordinates": {"x": f"{x} mm", "y": f"{y / 10} cm"},
        }
        for i, (seconds, x, y, celsius) in enumerate(rows)
        if seconds in times[1:]
    ]
    state = list(_states(read_case(tmp_path / "all.toml")))[-1]
    follow_case(read_case(tmp_path / "live.toml"), tmp_path / "run", source=Objects(records[::-1]))
    row = last(tmp_path / "run")
    assert len(row["value"]) == len(
        read_case(tmp_path / "all.toml").assimilating.stream.places["thermocouples"].points
    )
    assert np.array_equal(row["spread"], np.sqrt(np.mean(np.var(state.members, axis=0, ddof=1))))


def _states(case):
    plan = case.assimilating
    return [s for s, _ in run(plan.filter, plan.space, plan.theta, plan.stream.observations, case.seed)]


def test_each_sender_may_have_its_own_window(nile, tmp_path):
    windows = 'reorder_window = { "live.csv flow" = "3 year", others = "365.25 day" }'
    nile.write_text(nile.read_text().replace('reorder_window = "2 year"', windows))
    policy = read_case(nile).live.policy
    assert policy.window == pytest.approx(1.0, rel=1e-3)
    assert policy.window_of("live.csv flow") == 3.0
    done = mscale("assimilate", nile, "--out", tmp_path / "run", "--stop-when-idle", "0")
    assert done.exit_code == 0, done.output
    again = mscale(
        "assimilate", tmp_path / "run" / "case.toml", "--out", tmp_path / "run", "--stop-when-idle", "0"
    )
    assert again.exit_code == 0, again.output
    nile.write_text(nile.read_text().replace('"3 year"', '"3 km"'))
    refused = mscale("assimilate", nile, "--out", tmp_path / "other")
    assert refused.exit_code == 3
    assert "reorder_window.live.csv flow: '3 km' has the dimension" in " ".join(refused.output.split())
