import multiprocessing
import os
import time

import numpy as np
import pytest

from mscale_uq.errors import RunError
from mscale_uq.files import RecordWriter, frame, parse, read_records, replace

PAYLOADS = (b"first", b"", b"a longer third record", bytes(range(256)))


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "log"
    with RecordWriter(path) as writer:
        for payload in PAYLOADS:
            writer.append(payload)
    return path


def test_records_come_back_as_they_were_written(log):
    found = read_records(log)
    assert found.payloads == PAYLOADS
    assert found.end == log.stat().st_size


def test_a_log_cut_anywhere_yields_the_records_before_the_cut(log):
    content = log.read_bytes()
    ends = parse(content).ends
    for length in range(len(content)):
        whole = sum(end <= length for end in ends)
        assert parse(content[:length]).payloads == PAYLOADS[:whole]


def test_a_flipped_bit_anywhere_ends_the_log_before_its_record(log):
    content = log.read_bytes()
    ends = parse(content).ends
    for position in range(len(content)):
        for bit in (0, 7):
            damaged = bytearray(content)
            damaged[position] ^= 1 << bit
            whole = sum(end <= position for end in ends)
            assert parse(bytes(damaged)).payloads == PAYLOADS[:whole]


def test_a_tail_of_zeros_is_no_record():
    assert parse(frame(b"good") + bytes(64)).payloads == (b"good",)


def test_random_bytes_hold_no_record():
    rng = np.random.default_rng(5)
    assert all(not parse(rng.bytes(200)).payloads for _ in range(2000))


def test_a_writer_goes_on_behind_the_last_good_record(log):
    with log.open("ab") as file:
        file.write(b"half a record")
    with RecordWriter(log) as writer:
        assert writer.found.payloads == PAYLOADS
        writer.append(b"more")
    assert read_records(log).payloads == (*PAYLOADS, b"more")


def test_a_writer_cuts_off_damage_at_the_end_and_refuses_damage_in_front_of_good_records(log):
    content = log.read_bytes()
    ends = parse(content).ends
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 1
        log.write_bytes(damaged)
        if position < ends[-2]:
            byte = ([0, *ends])[sum(end <= position for end in ends)]
            with pytest.raises(RunError, match=rf"log is damaged at byte {byte}, .* --fresh"):
                RecordWriter(log)
            assert log.read_bytes() == damaged
        else:
            with RecordWriter(log, patience=0.0) as writer:
                assert writer.found.payloads == PAYLOADS[:-1]
            assert log.read_bytes() == content[: ends[-2]]


def test_a_writer_cuts_off_a_tail_of_zeros(log):
    content = log.read_bytes()
    log.write_bytes(content + bytes(5000))
    RecordWriter(log).close()
    assert log.read_bytes() == content


def test_a_writer_goes_back_where_it_is_told(log):
    with RecordWriter(log) as writer:
        writer.cut(writer.found.ends[1])
        writer.append(b"other")
    assert read_records(log).payloads == (*PAYLOADS[:2], b"other")


def test_a_missing_log_is_empty(tmp_path):
    found = read_records(tmp_path / "none")
    assert found.payloads == ()
    assert found.end == 0


def test_a_log_has_one_writer_and_the_second_changes_nothing(log):
    before = log.read_bytes()
    with RecordWriter(log), pytest.raises(RunError, match="being written by another process"):
        RecordWriter(log, patience=0.0)
    assert log.read_bytes() == before


def _hold(path, ready):
    with RecordWriter(path):
        ready.set()
        time.sleep(60)


def test_a_killed_writer_holds_no_lock(log):
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    holder = context.Process(target=_hold, args=(log, ready), daemon=True)
    holder.start()
    assert ready.wait(10)
    with pytest.raises(RunError):
        RecordWriter(log, patience=0.0)
    holder.kill()
    holder.join()
    with RecordWriter(log, patience=0.0) as writer:
        assert writer.found.payloads == PAYLOADS


def test_replacing_changes_all_or_nothing(tmp_path, monkeypatch):
    path = tmp_path / "state"
    replace(path, b"old")
    monkeypatch.setattr(os, "fsync", _no_space)
    with pytest.raises(OSError, match="No space"):
        replace(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def _no_space(descriptor):
    raise OSError(28, "No space left on device")


def test_two_who_replace_one_file_at_once_do_not_meet(tmp_path, monkeypatch):
    path, fsync, met = tmp_path / "state", os.fsync, []

    def another_comes_in_between(descriptor):
        if not met:
            met.append(descriptor)
            replace(path, b"of the other")
            assert path.read_bytes() == b"of the other"
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", another_comes_in_between)
    replace(path, b"of the last")
    assert path.read_bytes() == b"of the last"
    assert list(tmp_path.iterdir()) == [path]


def test_replacing_leaves_only_the_new_content(tmp_path):
    path = tmp_path / "state"
    for content in (b"old", b"new"):
        replace(path, content)
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]
