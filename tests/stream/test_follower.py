"""What is believed depends on the records alone: not on their order, batches, copies, or interruptions."""

import json
from dataclasses import replace

import numpy as np
import pytest
from streams import ENSEMBLE, SPACE, THETA, begin, followed, opened, readings, records, same, told

from mscale_uq.core.observation import Observation
from mscale_uq.errors import DataError, InputError, RunError, SolveFailed
from mscale_uq.filters.kalman import Kalman
from mscale_uq.filters.loop import run
from mscale_uq.filters.records import Verdict
from mscale_uq.stream.dead_letters import FILE as DEAD
from mscale_uq.stream.dead_letters import write_dead_letters
from mscale_uq.stream.follow import follow
from mscale_uq.stream.journal import Journal
from mscale_uq.stream.policy import Policy
from mscale_uq.stream.records import Objects
from mscale_uq.stream.status import status_of
from mscale_uq.stream.view import View


def in_order(filter, observations, key=5):
    return list(run(filter, SPACE, THETA, observations, key))[-1][0]


@pytest.mark.parametrize("filter", [Kalman(), ENSEMBLE], ids=["kalman", "ensemble"])
def test_the_order_of_arrival_does_not_matter_to_the_last_bit(filter, tmp_path):
    ordered, items = in_order(filter, readings()), records()
    told_in_order = None
    for seed in (None, 0, 1, 2):
        order = range(30) if seed is None else np.random.default_rng(seed).permutation(30)
        state = followed(tmp_path / str(seed), [items[i] for i in order], filter, checkpoint_every=4)
        assert same(state, ordered)
        contents = [json.loads(content) for _, _, content in told(tmp_path / str(seed))]
        told_in_order = told_in_order or contents
        assert contents == told_in_order


def test_a_snapshot_that_comes_after_the_movie_is_as_if_it_had_come_in_time(tmp_path):
    movie, snapshot = readings(80), Observation(17.25, "probe", "amount", 2.0, noise=0.1)
    ordered = sorted([*movie, snapshot], key=lambda o: o.time)
    for filter in (Kalman(), ENSEMBLE):
        state = followed(tmp_path / type(filter).__name__, [*movie, snapshot], filter, window=1.0)
        assert same(state, in_order(filter, ordered))
        with View(tmp_path / type(filter).__name__) as view:
            revisions = {change.row["time"]: change.revision for change in view.steps()}
        assert {time for time, revision in revisions.items() if revision} == {
            o.time
            for o in ordered
            if 17.25 <= o.time < 39.0  # reached: the newest less the window
        }


def test_batches_and_restarts_do_not_matter_to_the_last_byte(tmp_path):
    items = records(40)
    for i in (7, 16):
        items.insert(i + 15, items.pop(i))
    followed(tmp_path / "whole", items, ENSEMBLE, window=2.0)
    for size in (1, 7):
        for first in range(0, len(items), size):
            state = followed(tmp_path / str(size), items[first : first + size], ENSEMBLE, window=2.0)
        assert told(tmp_path / str(size)) == told(tmp_path / "whole")
    assert state.time == 20.0


def test_what_comes_twice_is_taken_in_once(tmp_path):
    items = records()
    twice = [item for item in items for _ in (1, 2)] + items[:3]
    assert same(followed(tmp_path / "a", twice), in_order(Kalman(), readings()))
    followed(tmp_path / "b", items)
    assert told(tmp_path / "a") == told(tmp_path / "b")
    with View(tmp_path / "a") as view:
        assert view.records()["copies"] == 33
        assert view.verdicts() == {"used": 30, "duplicate": 33}


def test_records_without_a_number_are_known_by_their_content(tmp_path):
    followed(tmp_path / "a", readings() * 2)
    followed(tmp_path / "b", readings())
    assert told(tmp_path / "a") == told(tmp_path / "b")


def test_the_same_name_with_another_content_is_an_error_and_what_came_before_stays(tmp_path):
    items = records(5)
    said = (
        r"scope:2 came before with another content: \{.*\}, now \{.*9\.0\}; .*; hint: a correction has a seq"
    )
    with pytest.raises(DataError, match=said):
        followed(tmp_path, [*items, {**items[2], "value": 9.0}])
    with View(tmp_path) as view:
        assert view.records()["accepted"] == 5
    assert same(followed(tmp_path, []), in_order(Kalman(), readings(5)))


def test_readings_of_one_time_are_one_joint_update_however_they_come(tmp_path):
    one, two = records(1)[0], {**records(1)[0], "seq": 9, "value": 5.0}
    state = followed(tmp_path / "a", [two, one])
    assert same(state, followed(tmp_path / "b", [one, two]))
    pair = [Observation(0.5, "probe", "amount", value) for value in (float(one["value"]), 5.0)]
    assert same(state, in_order(Kalman(), pair))


def test_a_late_record_may_be_dropped_and_the_file_of_dead_letters_says_so(tmp_path):
    items = records()
    journal, follower = opened(tmp_path, late="drop", window=1.0)
    with journal:
        follow(follower, journal, Objects([*items[1:], items[0]]))
        assert same(follower.now.state, in_order(Kalman(), readings()[1:]))
        assert write_dead_letters(journal, tmp_path) == 1
        assert write_dead_letters(journal, tmp_path) == 1
    (letter,) = map(json.loads, (tmp_path / DEAD).read_text().splitlines())
    assert letter["verdict"] == Verdict.TOO_LATE
    assert letter["reason"] == "late: 14 had been reached"
    assert json.loads(letter["record"])["seq"] == 0


def test_inside_the_window_nothing_is_late(tmp_path):
    items = records()
    swapped = [*items[:10], items[12], items[11], items[10], *items[13:]]
    assert same(followed(tmp_path, swapped, late="error", window=1.0), in_order(Kalman(), readings()))


def test_a_late_record_may_be_an_error(tmp_path):
    items = records()
    with pytest.raises(DataError, match=r"record scope:0 of time 0\.5 is late: 15 has been reached"):
        followed(tmp_path, [*items[1:], items[0]], late="error")


def test_a_record_older_than_the_history_is_too_late(tmp_path):
    items = records()
    state = followed(tmp_path / "a", [*items[1:], items[0]], history=5.0)
    assert same(state, in_order(Kalman(), readings()[1:]))
    state = followed(tmp_path / "b", [*items[:25], *items[26:], items[25]], history=5.0)
    assert same(state, in_order(Kalman(), readings()))
    with View(tmp_path / "a") as view:
        assert view.verdicts() == {"used": 29, "too_late": 1}


def test_a_missing_value_is_a_record_like_any_other(tmp_path):
    items = [{**record, "value": None if record["seq"] == 3 else record["value"]} for record in records(6)]
    observations = [replace(o, value=np.nan) if i == 3 else o for i, o in enumerate(readings(6))]
    assert same(followed(tmp_path, items), in_order(Kalman(), observations))
    with View(tmp_path) as view:
        assert view.verdicts() == {"used": 5, "missing": 1}


BAD = {
    "before the start": ({"event_time": -1.0}, Verdict.TOO_LATE, "before the start at 0"),
    "marked bad by its sender": ({"qc": 4}, Verdict.INCOMING_QC, "qc = 4"),
    "no such instrument": (
        {"type": "prob"},
        Verdict.CONVERSION_FAILED,
        "type 'prob' (did you mean 'probe'?); allowed: probe",
    ),
    "another quantity": ({"quantity": "mass"}, Verdict.CONVERSION_FAILED, "quantity 'mass'; allowed: amount"),
    "another shape": ({"value": [1, 2]}, Verdict.CONVERSION_FAILED, "value of shape (2,); allowed: shape ()"),
    "an impossible error": ({"error": -1}, Verdict.CONVERSION_FAILED, "finite and not negative"),
    "a misspelt key": ({"eror": 1}, Verdict.CONVERSION_FAILED, "unknown key 'eror' (did you mean 'error'?)"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_record_that_is_no_use_does_not_stop_the_run_and_is_kept_with_the_reason(what, tmp_path):
    change, verdict, reason = BAD[what]
    items = records(6)
    bad = {**items[3], "seq": 99, **change}
    journal, follower = opened(tmp_path)
    with journal:
        follow(follower, journal, Objects([*items[:3], bad, *items[3:]]))
        ((_, code, said),) = journal.refused(0)
        assert same(follower.now.state, in_order(Kalman(), readings(6)))
    assert code == verdict
    assert reason in said


@pytest.mark.parametrize(("bad", "warned"), [(2, False), (4, True)])
def test_a_stream_of_which_more_than_a_tenth_cannot_be_read_says_so_and_why(bad, warned, tmp_path):
    """Of 20 records and a few that lack their value; what could be read is believed as before."""
    wrong = [{"source": "scope", "seq": 90 + i, "event_time": 1.0} for i in range(bad)]
    followed(tmp_path, [*records(20), *wrong])
    found = status_of(tmp_path)
    assert (found.unread, found.recent) == (bad, 20 + bad)
    assert found.reason.startswith("no key 'value'; allowed: a record with source, event_time, value")
    sentence = f"{bad} of the last {20 + bad} records could not be taken in, the newest for: no key 'value'"
    assert any(reason.startswith(sentence) for reason in found.reasons) is warned


def test_a_filter_that_is_too_sure_tells_the_time_of_the_reading_that_it_did_not_expect(tmp_path):
    items = records(20)
    items[12] = {**items[12], "value": 4e6}  # in ng, taken for mg
    followed(tmp_path, items)
    assert status_of(tmp_path).worst == items[12]["event_time"]
    (reason,) = status_of(tmp_path).reasons
    assert reason.endswith("most of it at 6.5")
    followed(tmp_path / "good", records(20))
    assert status_of(tmp_path / "good").worst is None


def test_a_dead_letter_that_a_crash_cut_is_written_anew(tmp_path):
    journal, follower = opened(tmp_path)
    with journal:
        follow(follower, journal, Objects([{"no": 1}, {"no": 2}, {"no": 3}]))
        write_dead_letters(journal, tmp_path)
        whole = (tmp_path / DEAD).read_bytes()
        (tmp_path / DEAD).write_bytes(whole[:-20])
        assert write_dead_letters(journal, tmp_path) == 3
    assert (tmp_path / DEAD).read_bytes() == whole


def test_a_model_that_fails_undoes_its_batch_and_no_other(tmp_path, monkeypatch):
    items = records(20)
    journal, follower = opened(tmp_path)
    with journal:
        follow(follower, journal, Objects(items[:10]))
        before = follower.now.state
        monkeypatch.setattr(Kalman, "analyse", _fails)
        with pytest.raises(SolveFailed):
            follow(follower, journal, Objects(items[10:], taken=10))
        assert same(follower.now.state, before)
        assert journal.position("objects") == 10
        monkeypatch.undo()
        follow(follower, journal, Objects(items[10:], taken=10))
        assert same(follower.now.state, in_order(Kalman(), readings(20)))


def _fails(*given):
    raise SolveFailed("tracer", {}, "no convergence")


def test_two_processes_do_not_follow_into_one_folder(tmp_path):
    journal, _ = opened(tmp_path)
    with journal, pytest.raises(RunError, match="is being written by another process"):
        opened(tmp_path)
    opened(tmp_path)[0].close()


def test_a_folder_with_another_run_is_refused_and_not_changed(tmp_path):
    followed(tmp_path, records(5))
    before = told(tmp_path)
    with pytest.raises(RunError, match="the folder holds a run with another case, seed"):
        opened(tmp_path, identity={"case": "b", "seed": "1"})
    assert told(tmp_path) == before


def test_a_file_that_is_no_journal_is_refused(tmp_path):
    (tmp_path / "journal.sqlite").write_bytes(b"not a database, but long enough to have a header" * 99)
    with pytest.raises(RunError, match="file is not a database"):
        opened(tmp_path)
    with pytest.raises(RunError, match="file is not a database"):
        View(tmp_path)
    with pytest.raises(RunError, match="holds no run that follows a stream"):
        View(tmp_path / "nothing")


@pytest.mark.parametrize(
    "wrong", [{"late": "ignore"}, {"window": -1.0}, {"history": -1.0}, {"checkpoint_every": 0}]
)
def test_an_impossible_policy_is_refused(wrong):
    with pytest.raises(InputError, match=r"late|window"):
        Policy(**wrong)


def test_a_state_is_counted_from_the_start_before_any_record(tmp_path):
    assert same(followed(tmp_path, []), begin().state)


def test_a_reader_who_stops_halfway_may_outlive_the_journal(tmp_path):
    with Journal(tmp_path) as journal:
        for number in range(3):
            journal.add_record(str(number), "digest", "text", time=float(number))
        texts = journal.texts(-1.0, 9.0)
        assert next(texts) == (0.0, "text")
    texts.close()  # used to complain of the closed database, out of sight, whenever memory was tidied
