"""A chain that stops goes on as if nothing had happened; here in this process, in `test_chains` in others."""

import os
from dataclasses import replace

import numpy as np
import pytest
from known_posteriors import limit_with_mass_above, straight

from mscale_uq.errors import RunError
from mscale_uq.files import read_records
from mscale_uq.infer import store
from mscale_uq.infer.chain import run_chain
from mscale_uq.infer.job import Job
from mscale_uq.infer.ledger import Failure
from mscale_uq.infer.records import CHECKPOINT, DRAWS, FAILURES, PREVIOUS
from mscale_uq.infer.samples import read_chain
from mscale_uq.infer.settings import Settings

RESUMABLE = ["nuts", "demetropolisz", "slice"]
TUNE, DRAWS_ASKED = 130, 60
# A quarter of the mass fails, so that the ledger has to go on exactly as well.
TARGET = straight(limit_with_mass_above(0.25))


class Crash(Exception):
    pass


def job(sampler, folder, draws=DRAWS_ASKED, **changes):
    settings = Settings(sampler, draws=draws, tune=TUNE, seed=9, checkpoint_seconds=0.0)
    return Job(TARGET, replace(settings, **changes), 0, folder)


def go_on(draw, tuning, stats):
    return True


def stop_after(count):
    return lambda draw, tuning, stats: draw + 1 < count


def crash_after(count):
    def report(draw, tuning, stats):
        if draw + 1 >= count:
            raise Crash
        return True

    return report


@pytest.fixture(autouse=True, scope="module")
def no_waiting_for_the_disk():
    """A crash of the program loses nothing that was written, only one of the machine would."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Sampler -> folder of an uninterrupted chain."""
    made = {sampler: tmp_path_factory.mktemp(sampler) for sampler in RESUMABLE}
    for sampler, folder in made.items():
        run_chain(job(sampler, folder), go_on)
    return made


@pytest.fixture(params=RESUMABLE)
def whole(request, folders):
    return request.param, folders[request.param]


@pytest.fixture
def one(folders):
    """What the store does is the same for every sampler."""
    return "demetropolisz", folders["demetropolisz"]


def assert_same(folder, other):
    for name in (DRAWS, FAILURES):
        assert (folder / name).read_bytes() == (other / name).read_bytes()


def test_stopped_at_any_draw_a_chain_goes_on_byte_by_byte(whole, tmp_path):
    sampler, folder = whole
    for count in (1, TUNE, TUNE + 30):
        run_chain(job(sampler, tmp_path), stop_after(count))
        assert len(read_records(tmp_path / DRAWS).payloads) == count + 1
    run_chain(job(sampler, tmp_path), go_on)
    assert_same(tmp_path, folder)


def test_after_a_crash_a_chain_goes_on_byte_by_byte(whole, tmp_path):
    sampler, folder = whole
    # A checkpoint that is never due leaves the chain with nothing but its log; one at every draw, with all.
    for count, seconds in ((50, 0.0), (TUNE + 7, 1e9)):
        with pytest.raises(Crash):
            run_chain(job(sampler, tmp_path, checkpoint_seconds=seconds), crash_after(count))
    run_chain(job(sampler, tmp_path), go_on)
    assert_same(tmp_path, folder)


def test_failures_on_the_climb_to_the_mode_are_counted_once(tmp_path):
    """A chain that goes on climbs again; this one's climb crosses where solves fail."""
    for name, stops in (("whole", ()), ("stopped", (1, 5))):
        climbing = replace(job("nuts", tmp_path / name, draws=5), chain=57)
        for count in stops:
            run_chain(climbing, stop_after(count))
        run_chain(climbing, go_on)
    _, *rows = read_records(tmp_path / "whole" / FAILURES).payloads
    assert sum(Failure.from_bytes(row).draw == -1 for row in rows) > 10
    assert_same(tmp_path / "stopped", tmp_path / "whole")


def test_more_draws_extend_a_finished_chain(whole, tmp_path):
    sampler, folder = whole
    run_chain(job(sampler, tmp_path, draws=10), go_on)
    run_chain(job(sampler, tmp_path), go_on)
    assert_same(tmp_path, folder)


def test_a_finished_chain_is_left_alone_also_when_fewer_draws_are_asked_for(one, tmp_path):
    sampler, folder = one
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    run_chain(job(sampler, folder), crash_after(0))
    run_chain(job(sampler, folder, draws=5), crash_after(0))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    few, all_of_them = (read_chain(job(sampler, folder, draws=n)).rows for n in (5, DRAWS_ASKED))
    assert np.array_equal(few, all_of_them[: TUNE + 5])


@pytest.mark.parametrize(
    ("name", "damage"), [(DRAWS, "cut"), (DRAWS, "flip"), (FAILURES, "flip"), (CHECKPOINT, "cut")]
)
def test_a_damaged_end_falls_back_to_the_last_good_checkpoint(one, tmp_path, name, damage):
    sampler, folder = one
    run_chain(job(sampler, tmp_path), stop_after(TUNE + 40))
    content = bytearray((tmp_path / name).read_bytes())
    if damage == "cut":
        del content[-3:]
    else:
        content[-3] ^= 16
    (tmp_path / name).write_bytes(content)
    run_chain(job(sampler, tmp_path), go_on)
    assert_same(tmp_path, folder)


def test_without_any_checkpoint_a_chain_begins_again_and_ends_the_same(one, tmp_path):
    sampler, folder = one
    run_chain(job(sampler, tmp_path), stop_after(TUNE))
    for name in (CHECKPOINT, PREVIOUS):
        (tmp_path / name).write_bytes(b"nonsense")
    run_chain(job(sampler, tmp_path), go_on)
    assert_same(tmp_path, folder)


@pytest.mark.parametrize("change", [{"seed": 10}, {"tune": 131}, {"target_accept": 0.5}, {"sampler": "smc"}])
def test_another_run_is_refused_and_nothing_changed(one, change):
    sampler, folder = one
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    asked = job(sampler, folder)
    with pytest.raises(RunError, match=next(iter(change))):
        run_chain(replace(asked, settings=replace(asked.settings, **change)), go_on)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_another_case_is_refused(one):
    sampler, folder = one
    with pytest.raises(RunError, match="identity"):
        run_chain(replace(job(sampler, folder), identity="other data"), go_on)


def test_chains_differ_and_depend_on_their_index_only(tmp_path):
    rows = {}
    for chain in (0, 1):
        one = replace(job("slice", tmp_path / str(chain)), chain=chain)
        run_chain(one, go_on)
        rows[chain] = read_chain(one).rows
    assert not np.array_equal(rows[0], rows[1])


def test_every_failure_is_a_row_and_no_draw_lies_where_solves_fail(whole):
    sampler, folder = whole
    record = read_chain(job(sampler, folder))
    limit = limit_with_mass_above(0.25)
    assert record.rows[:, 2].max() < limit
    assert len(record.failures) > 5
    assert all(isinstance(row, Failure) and row.theta[0] > limit for row in record.failures)
    assert [row.evaluation for row in record.failures] == sorted(row.evaluation for row in record.failures)
    assert record.checkpoint.evaluations <= record.checkpoint.requests


def test_the_disk_is_waited_for_at_most_once_a_second(tmp_path, monkeypatch):
    """By a clock that stands still but for 30 ms a draw: a run of 5.7 s."""
    now, waited = [100.0], []
    monkeypatch.setattr(store.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(os, "fsync", lambda descriptor: waited.append(now[0]))

    def tick(draw, tuning, stats):
        now[0] += 0.03
        return True

    run_chain(job("slice", tmp_path, checkpoint_seconds=Settings().checkpoint_seconds), tick)
    between = np.diff(sorted(set(waited))[:-1])  # the end is waited for whenever it comes
    assert len(between) == 5
    assert between.min() >= 1.0
