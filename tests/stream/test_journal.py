"""A journal holds a batch as a whole or not at all, whatever SQLite meets, and lets go of what it refuses."""

import sqlite3
from pathlib import Path

import pytest

from mscale_uq.errors import RunError
from mscale_uq.stream import journal as module
from mscale_uq.stream.journal import FILE, Journal

UNTIED = """
PRAGMA foreign_keys = ON;
CREATE TABLE one (number INTEGER PRIMARY KEY);
CREATE TABLE other (number REFERENCES one DEFERRABLE INITIALLY DEFERRED);
"""


def too_much(journal):
    with journal.transaction():
        journal.put_position("scope", 4)
        journal.add_record("a", "b", "text" * 100_000)


def untied(journal):
    with journal.transaction():
        journal.put_position("scope", 4)
        journal._db.execute("INSERT INTO other VALUES (1)")  # found by the commit alone


def test_a_full_disk_is_said_and_what_was_committed_stays(tmp_path):
    with Journal(tmp_path) as journal:
        with journal.transaction():
            journal.put_position("scope", 3)
        pages = journal._db.execute("PRAGMA page_count").fetchone()[0]
        journal._db.execute(f"PRAGMA max_page_count = {pages + 2}")
        with pytest.raises(RunError, match=rf"{FILE} cannot be written: .*full; hint: make room"):
            too_much(journal)
        assert journal.position("scope") == 3
        journal._db.execute("PRAGMA max_page_count = 1000000")
        with journal.transaction():
            journal.put_position("scope", 5)
        assert journal.position("scope") == 5


def test_a_commit_that_fails_leaves_no_transaction_open(tmp_path):
    with Journal(tmp_path) as journal:
        journal._db.executescript(UNTIED)
        with pytest.raises(sqlite3.IntegrityError):
            untied(journal)
        assert journal.position("scope") == 0
        with journal.transaction():
            journal.put_position("scope", 5)
        assert journal.position("scope") == 5


def test_a_journal_whose_making_broke_off_is_made_anew(tmp_path, monkeypatch):
    def broken(size):
        raise OSError("no random numbers")

    monkeypatch.setattr(module.secrets, "token_hex", broken)
    with pytest.raises(OSError, match="no random"):
        Journal(tmp_path)
    monkeypatch.undo()
    with Journal(tmp_path) as journal:
        assert journal.fact("run")


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("damaged", [True, False], ids=["damaged", "another format"])
def test_a_refused_journal_is_let_go_of(damaged, tmp_path):
    path = tmp_path / FILE
    if damaged:
        path.write_bytes(b"no database" * 100)
    else:
        with Journal(tmp_path) as journal:
            journal._db.execute("PRAGMA user_version = 99")
    with pytest.raises(RunError) as caught:
        Journal(tmp_path)
    held = {link.resolve() for link in Path("/proc/self/fd").iterdir()}
    assert path not in held, caught.value
