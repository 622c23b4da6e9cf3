"""A follower killed with SIGKILL at random moments ends with the same bytes as one that was left alone.

Its file grows meanwhile and breaks off in the middle of lines; a kill counts only if the follower was alive
and had committed something since it began. The moments are random on purpose: the claim is that none matters.
"""

import itertools
import multiprocessing
import random
import sqlite3
import time
from pathlib import Path

import numpy as np
import pytest
from journal_rows import asked
from streams import ENSEMBLE, as_lines, followed, opened, same, told

from mscale_uq.stream.follow import follow
from mscale_uq.stream.lines import FileLines
from mscale_uq.stream.records import JsonLines

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not Path("/proc/self").exists(), reason="forks, as Linux does"),
]
TIMES, SCOPES, KILLS = 500, 6, 18
POLICY = {"window": 1.0, "checkpoint_every": 10}


def lines():
    """Return 3000 records of six scopes, 1 % of them far out of order, and 5 % sent twice."""
    rng = np.random.default_rng(11)
    items = [
        {
            "source": f"scope {k}",
            "type": "probe",
            "seq": i,
            "event_time": 0.05 * (i + 1),
            "value": rng.normal(4),
        }
        for i in range(TIMES)
        for k in range(SCOPES)
    ]
    for i in rng.choice(TIMES * SCOPES - 400, 30, replace=False):
        items.insert(int(i) + int(rng.integers(150, 300)), items.pop(i))
    for i in rng.choice(TIMES * SCOPES, 150, replace=False):
        items.insert(min(int(i) + int(rng.integers(1, 200)), len(items)), items[i])
    return as_lines(items)


def live(folder, path):
    journal, follower = opened(folder, ENSEMBLE, **POLICY)
    with journal:
        follow(follower, journal, JsonLines(FileLines(path)))


def committed(folder):
    try:
        return asked(folder, "SELECT COALESCE(SUM(position), 0) FROM place")[0][0]
    except sqlite3.Error:
        return 0


def everything(folder):
    return told(folder), asked(folder, "SELECT number, name, digest, verdict, late_at, copies FROM record")


def test_killed_at_any_moment_a_follower_ends_with_the_same_bytes(tmp_path):
    text = lines()
    whole, path = tmp_path / "whole.jsonl", tmp_path / "growing.jsonl"
    whole.write_text(text)
    oracle = followed(tmp_path / "whole", JsonLines(FileLines(whole)), ENSEMBLE, **POLICY)

    context, killed, written = multiprocessing.get_context("fork"), 0, 0
    cuts = [len(text) * i // (4 * KILLS) for i in range(1, 4 * KILLS)]
    pieces = iter([text[a:b] for a, b in itertools.pairwise([0, *cuts])])
    with path.open("a") as file:
        while killed < KILLS:
            before = committed(tmp_path / "killed")
            run = context.Process(target=live, args=(tmp_path / "killed", path))
            run.start()
            for piece in itertools.islice(pieces, 3):
                written += file.write(piece)
                file.flush()
                time.sleep(random.uniform(0.0, 0.1))
            while run.is_alive() and committed(tmp_path / "killed") == before:
                time.sleep(0.01)
            time.sleep(random.uniform(0.0, 0.3))
            assert run.is_alive()
            run.kill()
            run.join()
            killed += run.exitcode == -9
            assert written < len(text)
        file.write(text[written:])
    state = followed(tmp_path / "killed", JsonLines(FileLines(path)), ENSEMBLE, **POLICY)

    assert same(state, oracle)
    steps, kept = everything(tmp_path / "killed")
    assert (steps, kept) == everything(tmp_path / "whole")
    assert len({name for _, name, *_ in kept}) == len(kept) == TIMES * SCOPES
    assert sum(copies for *_, copies in kept) == 150
    assert sum(late_at is not None for *_, late_at, _ in kept) >= 20
    assert any(revision for _, revision, _ in steps)
