"""`Journal`: the memory of a run that follows a stream, one SQLite file.

It holds the log of records, how far each source was read, the ladder of checkpoints, and a row per analysis
time. What one batch of records changes is committed in one transaction, so that after a crash at any moment
the file says what it said before the batch, or after it.
"""

import json
import secrets
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, final

from mscale_uq.errors import RunError, explain
from mscale_uq.files import Closing, Lock, sync_folder

FILE = "journal.sqlite"
FORMAT = 2
LAST = 8  # checkpoints kept without gaps, see `ladder`
TABLES = """
CREATE TABLE fact (name TEXT PRIMARY KEY, content TEXT NOT NULL);
CREATE TABLE record (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, digest TEXT NOT NULL, text TEXT NOT NULL,
    time REAL, verdict INTEGER NOT NULL, late_at REAL, copies INTEGER NOT NULL DEFAULT 0, reason TEXT NOT NULL
);
CREATE INDEX taken_in ON record (time) WHERE verdict = 0;
CREATE TABLE place (source TEXT PRIMARY KEY, position INTEGER NOT NULL);
CREATE TABLE checkpoint (time REAL PRIMARY KEY, number INTEGER NOT NULL UNIQUE, state BLOB NOT NULL);
CREATE TABLE step (
    change INTEGER PRIMARY KEY AUTOINCREMENT, time REAL NOT NULL UNIQUE, revision INTEGER NOT NULL,
    content TEXT NOT NULL
);
"""


@final
class Journal(Closing):
    """The one writer of a run's journal.

    Parameters
    ----------
    folder
        Of the run; it must exist.
    fresh
        Whether to forget what it holds.

    Raises
    ------
    RunError
        If another process writes it, or the file is no journal of this format.
    """

    def __init__(self, folder: Path, *, fresh: bool = False) -> None:
        path = folder / FILE
        self._path, self._lock = path, Lock(folder / f".{FILE}.lock", patience=1.0)
        with ExitStack() as failed:
            failed.callback(self._lock.close)
            for name in (FILE, f"{FILE}-wal", f"{FILE}-shm") if fresh else ():
                (folder / name).unlink(missing_ok=True)
            new = not path.exists()
            self._db = sqlite3.connect(path, isolation_level=None, timeout=10.0)
            failed.callback(self._db.close)
            with readable(path):
                self._db.execute("PRAGMA journal_mode = WAL")
                self._db.execute("PRAGMA synchronous = FULL")
                if new or self._version() == 0:
                    self._create()
                check_format(self._version(), path)
            sync_folder(folder)
            failed.pop_all()

    def _version(self) -> int:
        return int(self._db.execute("PRAGMA user_version").fetchone()[0])

    def _create(self) -> None:
        self._db.executescript(f"BEGIN IMMEDIATE; {TABLES} PRAGMA user_version = {FORMAT};")
        self.put_fact("run", secrets.token_hex(4))  # so that nobody takes a run for one that it replaced
        self._db.execute("COMMIT")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit the block as a whole, or nothing of it.

        Raises
        ------
        RunError
            If it cannot be written, as on a full disk.
        """
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.put_fact("committed_at", time.time())
            self._db.execute("COMMIT")
        except BaseException as error:
            if self._db.in_transaction:  # on a full disk SQLite has gone back by itself
                self._db.execute("ROLLBACK")
            if isinstance(error, sqlite3.OperationalError):
                hint = "make room; what was committed before stays, and the same call goes on from there"
                raise RunError(explain(f"{self._path} cannot be written: {error}", hint=hint)) from error
            raise

    def fact(self, name: str) -> Any:
        """Return what was put under a name, None if nothing."""
        row = self._db.execute("SELECT content FROM fact WHERE name = ?", (name,)).fetchone()
        return None if row is None else json.loads(row[0])

    def put_fact(self, name: str, content: Any) -> None:
        """Put plain values under a name."""
        self._db.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (name, json.dumps(content)))

    def claim(self, identity: Mapping[str, str]) -> None:
        """Keep what decides the numbers of a run, or refuse what differs from that of the run it holds."""
        found = self.fact("identity")
        if found is None:
            with self.transaction():
                self.put_fact("identity", dict(identity))
        else:
            _refuse_another(found, identity)

    def position(self, source: str) -> int:
        """Return how far a source was read."""
        row = self._db.execute("SELECT position FROM place WHERE source = ?", (source,)).fetchone()
        return 0 if row is None else int(row[0])

    def put_position(self, source: str, position: int) -> None:
        """Remember how far a source was read."""
        self._db.execute("INSERT OR REPLACE INTO place VALUES (?, ?)", (source, position))

    def digest(self, name: str) -> str | None:
        """Return the hash of the record of that name, None if there is none."""
        row = self._db.execute("SELECT digest FROM record WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def text(self, name: str) -> str | None:
        """Return the record of that name as it was taken in, None if there is none."""
        row = self._db.execute("SELECT text FROM record WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def count_copy(self, name: str) -> None:
        """Note that a record came again."""
        self._db.execute("UPDATE record SET copies = copies + 1 WHERE name = ?", (name,))

    def add_record(
        self,
        name: str,
        digest: str,
        text: str,
        *,
        time: float | None = None,
        verdict: int = 0,
        late_at: float | None = None,
        reason: str = "",
    ) -> None:
        """Add a record: verdict 0 if it is to be taken in, `late_at` the time reached by then."""
        self._db.execute(
            "INSERT INTO record (name, digest, text, time, verdict, late_at, reason) VALUES (?,?,?,?,?,?,?)",
            (name, digest, text, time, verdict, late_at, reason),
        )

    def refuse(self, name: str, verdict: int, reason: str) -> None:
        """Refuse a record that had been taken in, as the last of those refused so far."""
        last = "(SELECT MAX(number) + 1 FROM record)"
        query = f"UPDATE record SET number = {last}, verdict = ?, reason = ? WHERE name = ?"
        self._db.execute(query, (verdict, reason, name))

    def late(self) -> list[tuple[float, float]]:
        """Return time and time reached of each record that came late and was taken in."""
        query = "SELECT time, late_at FROM record WHERE late_at IS NOT NULL"
        return self._db.execute(query).fetchall()

    def texts(self, after: float, until: float) -> Iterator[tuple[float, str]]:
        """Yield time and text of the records to be taken in, ``after < time < until``, in order of time."""
        query = "SELECT time, text FROM record WHERE verdict = 0 AND time > ? AND time < ? ORDER BY time"
        # Not the cursor itself: a reader who stops half-way would close it, perhaps behind the database.
        yield from iter(self._db.execute(query, (after, until)).fetchone, None)

    def refused(self, first: int) -> list[tuple[str, int, str]]:
        """Return text, verdict and reason of the records that were refused, from the `first` on."""
        query = "SELECT text, verdict, reason FROM record WHERE verdict > 0 ORDER BY number LIMIT -1 OFFSET ?"
        return self._db.execute(query, (first,)).fetchall()

    def checkpoint(self) -> tuple[float, bytes] | None:
        """Return time and state of the newest checkpoint."""
        return self._db.execute("SELECT time, state FROM checkpoint ORDER BY number DESC LIMIT 1").fetchone()

    def put_checkpoint(self, time: float, state: bytes) -> None:
        """Add a checkpoint behind the newest."""
        number = self._db.execute("SELECT COALESCE(MAX(number), 0) + 1 FROM checkpoint").fetchone()[0]
        self._db.execute("INSERT OR REPLACE INTO checkpoint VALUES (?, ?, ?)", (time, number, state))

    def rewind(self, time: float) -> None:
        """Drop every checkpoint that is not earlier than a time, and every step there without a record."""
        self._db.execute("DELETE FROM checkpoint WHERE time >= ?", (time,))
        left = "SELECT time FROM record WHERE verdict = 0"
        self._db.execute(f"DELETE FROM step WHERE time >= ? AND time NOT IN ({left})", (time,))

    def numbers(self) -> list[int]:
        """Return the numbers of the checkpoints, in order."""
        return [row[0] for row in self._db.execute("SELECT number FROM checkpoint ORDER BY number")]

    def drop_checkpoints(self, numbers: Iterable[int]) -> None:
        """Drop checkpoints by their numbers."""
        self._db.executemany("DELETE FROM checkpoint WHERE number = ?", [(number,) for number in numbers])

    def put_step(self, time: float, revision: int, content: Mapping[str, Any]) -> None:
        """Put the row of an analysis time in the place of an earlier one; if it differs, as a change."""
        text = json.dumps(content, separators=(",", ":"), allow_nan=False)
        same = "SELECT 1 FROM step WHERE time = ? AND revision = ? AND content = ?"
        if self._db.execute(same, (time, revision, text)).fetchone():
            return
        self._db.execute(
            "INSERT OR REPLACE INTO step (time, revision, content) VALUES (?, ?, ?)", (time, revision, text)
        )

    def close(self) -> None:
        """Let others write."""
        self._db.close()
        self._lock.close()


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn an error of SQLite on opening a file into one of this package."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise RunError(explain(f"{path}: {error}", "the journal of a run that follows a stream")) from None


def check_format(version: int, path: Path) -> None:
    """Refuse a journal of another format."""
    if version != FORMAT:
        given = f"{path} has format {version}"
        raise RunError(explain(given, f"format {FORMAT}", "it was written by another version"))


def _refuse_another(found: Mapping[str, str], identity: Mapping[str, str]) -> None:
    changed = sorted(part for part in {*found, *identity} if found.get(part) != identity.get(part))
    if changed:
        given = f"the folder holds a run with another {', '.join(changed)}"
        raise RunError(
            explain(given, "the case it was made with", "--out FOLDER keeps it, --fresh starts over")
        )
