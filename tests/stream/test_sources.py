"""Files that grow, pipes and iterables: whole lines alone, wherever writing was cut."""

import json
import os
import time
from contextlib import suppress

import numpy as np
import pytest
from streams import as_lines, opened, readings, records

from mscale_uq.core.observation import Observation
from mscale_uq.errors import DataError
from mscale_uq.stream.follow import follow
from mscale_uq.stream.lines import FileLines, PipeLines
from mscale_uq.stream.message import parse
from mscale_uq.stream.records import JsonLines, Objects, as_message
from mscale_uq.stream.table import GrowingTable


def read_all(source, position=0):
    """Return the deliveries there are, and the position behind them."""
    made = []
    while batch := source.read(position):
        made += batch
        position = batch[-1].position
    return made, position


def test_a_file_cut_at_any_byte_gives_its_whole_lines_and_goes_on_from_there(tmp_path):
    content, path = as_lines(records(6)).encode(), tmp_path / "a.jsonl"
    for cut in range(0, len(content), 7):
        path.write_bytes(content[:cut])
        first, position = read_all(JsonLines(FileLines(path)))
        assert len(first) == content[:cut].count(b"\n")
        path.write_bytes(content)
        rest, _ = read_all(JsonLines(FileLines(path)), position)
        assert [d.message.seq for d in (*first, *rest)] == list(range(6))
        assert all(not d.reason for d in (*first, *rest))


def test_a_file_that_is_not_there_yet_is_waited_for(tmp_path):
    source = JsonLines(FileLines(tmp_path / "later.jsonl"))
    assert source.read(0) == []
    assert not source.ended
    (tmp_path / "later.jsonl").write_text(as_lines(records(2)))
    assert len(source.read(0)) == 2


def test_a_file_that_shrank_is_an_error(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(as_lines(records(3)))
    _, position = read_all(JsonLines(FileLines(path)))
    path.write_text(as_lines(records(2)))
    with pytest.raises(DataError, match=r"a\.jsonl is shorter than it was"):
        JsonLines(FileLines(path)).read(position)


def test_many_lines_come_in_batches_and_none_is_lost(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(as_lines(records(1000)))
    source = JsonLines(FileLines(path))
    assert len(source.read(0)) == 256
    assert [d.message.seq for d in read_all(source)[0]] == list(range(1000))


def test_a_pipe_gives_what_has_come_and_ends_when_its_writer_does():
    out, into = os.pipe()
    source = JsonLines(PipeLines(out, "pipe"))
    content = as_lines(records(3)).encode()
    os.write(into, content[:-10])
    assert [d.message.seq for d in source.read(0)] == [0, 1]
    assert source.read(0) == []
    assert not source.ended
    os.write(into, content[-10:-1])
    os.close(into)
    last = [d for _ in range(3) for d in source.read(0)]
    assert [d.message.seq for d in last] == [2]  # a JSON object ends with itself
    assert source.ended
    os.close(out)


def test_a_table_that_grows_is_the_same_stream_as_a_table_in_one_piece(tmp_path):
    path, rows = tmp_path / "a.csv", [f"{o.time},{float(o.value)!r}" for o in readings(8)]
    content = "\n".join(["time,amount", *rows]) + "\n"
    for cut in (0, 5, 12, 40, 41, 80, len(content)):
        path.write_text(content[:cut])
        source = GrowingTable(FileLines(path), "time", ("amount",))
        first, position = read_all(source)
        path.write_text(content)
        rest, _ = read_all(source, position)
        again, _ = read_all(GrowingTable(FileLines(path), "time", ("amount",)), position)
        assert [d.text for d in again] == [d.text for d in rest]
        made = [d.message for d in (*first, *rest)]
        assert [float(m.value) for m in made] == [float(o.value) for o in readings(8)]
        assert len({m.name for m in made}) == 8


def test_columns_of_a_table_may_have_other_names_units_and_neighbours(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(
        "frame,t (s),Depth [mm],signal,other\n1,60,0.2,3.5,x\n2,120,0.2,,y\n# a note\n3,180,0.4\n"
    )
    source = GrowingTable(
        FileLines(path),
        "time",
        ("level",),
        ("depth",),
        {"time": "t (s)", "depth": "Depth", "level": "signal [mV]", "seq": "frame"},
    )
    first, second, cut = read_all(source)[0]
    assert first.message.coordinates == {"depth": "0.2 mm"}
    assert (first.message.time, first.message.units, float(first.message.value)) == (60.0, "mV", 3.5)
    assert (first.message.seq, second.message.seq) == (1, 2)
    assert np.isnan(second.message.value)
    assert cut.message is None
    assert "a row of 3 cells; allowed: 5, as in the header" in cut.reason


def test_a_founder_of_a_growing_table_has_no_mother_whether_the_cell_is_empty_or_nan(tmp_path):
    path, past = tmp_path / "a.csv", {"amount": ("parent", "born")}
    path.write_text("time,cell,parent,born [h],amount\n5,1,nan,nan,300\n5,2,,,310\n5,3,1,4.5,150\n")
    found = read_all(GrowingTable(FileLines(path), "time", ("amount",), ("cell",), past=past))[0]
    assert [one.reason for one in found] == [""] * 3
    told = [{"cell": 1.0}, {"cell": 2.0}, {"cell": 3.0, "parent": 1.0, "born": "4.5 h"}]
    assert [one.message.coordinates for one in found] == told


WRONG_TABLES = {
    "no time": ("tim,amount\n", r"no column 'time' \(did you mean 'tim'\?\).*columns = \{ time = "),
    "nothing measured": ("time,amuont\n", "no measured column; allowed: amount"),
}


@pytest.mark.parametrize("what", WRONG_TABLES)
def test_a_table_without_its_columns_is_an_error(what, tmp_path):
    content, message = WRONG_TABLES[what]
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(DataError, match=message):
        GrowingTable(FileLines(tmp_path / "a.csv"), "time", ("amount",)).read(0)


def test_a_row_with_two_readings_is_behind_only_after_its_second(tmp_path):
    (tmp_path / "a.csv").write_text("time,a,b\n1,2,3\n")
    one, two = GrowingTable(FileLines(tmp_path / "a.csv"), "time", ("a", "b")).read(0)
    assert (one.position, two.position) == (len("time,a,b\n"), len("time,a,b\n1,2,3\n"))
    assert one.message.name != two.message.name


def test_observations_mappings_and_json_are_all_records(tmp_path):
    one = records(1)[0]
    same_thing = [one, json.dumps(one), json.dumps(one).encode()]
    assert len({as_message(item).name for item in same_thing}) == 1
    observed = Observation(0.5, "probe", "amount", [1.0, np.nan], noise=[0.1, 0.2])
    message = as_message(observed)
    assert np.array_equal(message.value, [1.0, np.nan], equal_nan=True)
    assert np.array_equal(message.error, [0.1, 0.2])
    with pytest.raises(DataError, match="a float; allowed: an observation"):
        as_message(2.0)


def test_a_slow_iterable_is_followed_item_by_item(tmp_path):
    seen = []

    def slow():
        for item in records(3):
            seen.append(len(made))
            time.sleep(0.05)
            yield item

    made = []
    journal, follower = opened(tmp_path)
    with journal:
        follow(follower, journal, Objects(slow()), after_batch=lambda: made.append(follower.now.state.time))
    assert seen == [0, 1, 2]
    assert made[:3] == [0.5, 1.0, 1.5]


BROKEN = {
    "no JSON": (b'{"source": ', "no JSON"),
    "a list": (b"[1, 2]", "one JSON object in a line"),
    "no value": (b'{"source": "a", "event_time": 1}', "no key 'value'"),
    "not a number": (b'{"source": "a", "event_time": 1, "value": NaN}', "NaN is no JSON number"),
    "infinite": (b'{"source": "a", "event_time": 1, "value": 1e999}', "a finite number; null is missing"),
    "text": (b'{"source": "a", "event_time": 1, "value": "4"}', "value = '4'; allowed: a number"),
    "a switch": (b'{"source": "a", "event_time": true, "value": 4}', "event_time = True"),
    "ragged": (b'{"source": "a", "event_time": 1, "value": [[1], [1, 2]]}', "value = "),
    "not UTF-8": (b'{"source": "\xff"}', "not UTF-8"),
    "a deep list": (b'{"source": "a", "event_time": 1, "value": ' + b"[" * 100_000, "no JSON"),
    "a huge number": (b'{"source": "a", "event_time": 1, "value": 1' + b"0" * 400 + b"}", "finite number"),
    "another schema": (
        b'{"source": "a", "event_time": 1, "value": 1, "schema": 2}',
        "schema = 2; allowed: 1",
    ),
    "a name with control characters": (b'{"source": "a\\u0007", "event_time": 1, "value": 1}', "printable"),
    "half a letter": (b'{"source": "\\ud800", "event_time": 1, "value": 1}', "printable"),
    "half a number": (
        b'{"source": "a", "seq": 1.5, "event_time": 1, "value": 1}',
        "seq = 1.5; allowed: a whole",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_line_that_says_nothing_is_refused_in_words(what):
    line, message = BROKEN[what]
    with pytest.raises(DataError) as caught:
        parse(line)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 500


def test_damaged_lines_never_stop_a_run(tmp_path):
    rng, good = np.random.default_rng(3), as_lines(records(1)).encode()
    damaged = []
    for _ in range(200):
        line = bytearray(good[:-1])
        line[rng.integers(len(line))] ^= 1 << rng.integers(8)
        damaged.append(bytes(line).replace(b"\n", b" "))
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join([*damaged, *good.splitlines(), b""]))
    journal, follower = opened(tmp_path / "run")
    with journal:
        for delivery in read_all(JsonLines(FileLines(path)))[0]:
            with suppress(DataError):  # a flipped bit may leave a record, with the name of another
                follower.take("a", [delivery])
        follower.settle()
        assert len(journal.refused(0)) > 100
