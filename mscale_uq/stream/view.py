"""`View`: a journal read from outside, while another process may write it."""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final
from urllib.parse import quote

from mscale_uq.errors import RunError, explain
from mscale_uq.files import Closing
from mscale_uq.filters.records import Verdict
from mscale_uq.stream.journal import FILE, check_format, readable


@final
@dataclass(frozen=True)
class Change:
    """A row of an analysis time.

    Attributes
    ----------
    number
        Counts all changes of a journal; a time that is analysed again gets a new one.
    revision
        How many late records have changed this time since it was first told.
    row
        What `stream.row.row_of` made.
    """

    number: int
    revision: int
    row: dict[str, Any]


@final
class View(Closing):
    """A journal, for reading alone.

    Raises
    ------
    RunError
        If the folder holds none.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / FILE
        if not path.is_file():
            given = f"{str(folder)!r} holds no run that follows a stream"
            raise RunError(explain(given, f"a folder with {FILE}", "mscale assimilate makes it"))
        with readable(path):
            uri = f"file:{quote(str(path.resolve()))}?mode=ro"
            self._db = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=10.0)
            check_format(int(self._db.execute("PRAGMA user_version").fetchone()[0]), path)

    def version(self) -> int:
        """Return a number that changes whenever another process commits something."""
        return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    def fact(self, name: str) -> Any:
        """Return what was put under a name, None if nothing."""
        row = self._db.execute("SELECT content FROM fact WHERE name = ?", (name,)).fetchone()
        return None if row is None else json.loads(row[0])

    def changes(self, after: int = 0, most: int = -1) -> list[Change]:
        """Return the changes after a number, in order."""
        query = "SELECT change, revision, content FROM step WHERE change > ? ORDER BY change LIMIT ?"
        found = self._db.execute(query, (after, most))
        return [Change(number, revision, json.loads(content)) for number, revision, content in found]

    def recent(self, most: int) -> list[Change]:
        """Return the latest analysis times, in order of time."""
        query = "SELECT change, revision, content FROM step ORDER BY time DESC LIMIT ?"
        found = self._db.execute(query, (most,)).fetchall()
        return [Change(number, revision, json.loads(content)) for number, revision, content in found[::-1]]

    def count(self) -> int:
        """Return the number of analysis times."""
        return int(self._db.execute("SELECT COUNT(*) FROM step").fetchone()[0])

    def steps(self) -> Iterator[Change]:
        """Yield every analysis time in order of time, as it is believed now."""
        query = "SELECT change, revision, content FROM step ORDER BY time"
        for number, revision, content in self._db.execute(query):
            yield Change(number, revision, json.loads(content))

    def records(self) -> dict[str, Any]:
        """Return how many records there are: all, taken in, waiting, late, copies, refused by verdict."""
        head = "(SELECT COALESCE(MAX(time), -9e999) FROM checkpoint)"
        query = (
            "SELECT COUNT(*), COALESCE(SUM(verdict = 0), 0), COALESCE(SUM(late_at IS NOT NULL), 0),"
            f" COALESCE(SUM(copies), 0), COALESCE(SUM(verdict = 0 AND time > {head}), 0) FROM record"
        )
        count, taken, late, copies, waiting = self._db.execute(query).fetchone()
        refused = self._db.execute(
            "SELECT verdict, COUNT(*) FROM record WHERE verdict > 0 GROUP BY verdict ORDER BY verdict"
        )
        return {
            "received": count + copies,
            "accepted": taken,
            "late": late,
            "waiting": waiting,
            "copies": copies,
            "refused": {Verdict(verdict).name.lower(): number for verdict, number in refused},
        }

    def unread(self, most: int) -> tuple[int, int, str]:
        """Return how many of the latest records could not be taken in, of how many, and why the newest not.

        The reason is that of the newest such record of all; empty if there is none.
        """
        count, of = self._db.execute(
            "SELECT COALESCE(SUM(verdict = ?), 0), COUNT(*) FROM"
            " (SELECT verdict FROM record ORDER BY number DESC LIMIT ?)",
            (int(Verdict.CONVERSION_FAILED), most),
        ).fetchone()
        newest = self._db.execute(
            "SELECT reason FROM record WHERE verdict = ? ORDER BY number DESC LIMIT 1",
            (int(Verdict.CONVERSION_FAILED),),
        ).fetchone()
        return count, of, "" if newest is None else str(newest[0])

    def span(self) -> tuple[float | None, float | None]:
        """Return the latest time that was taken in, and the latest that came."""
        last = self._db.execute("SELECT MAX(time) FROM checkpoint").fetchone()[0]
        return last, self._db.execute("SELECT MAX(time) FROM record WHERE verdict = 0").fetchone()[0]

    def verdicts(self) -> dict[str, int]:
        """Return how many readings met which verdict, duplicates and refused records among them."""
        counts: Counter[str] = Counter()
        for (content,) in self._db.execute("SELECT content FROM step"):
            counts.update(Verdict(code).name.lower() for code in json.loads(content)["verdict"])
        records = self.records()
        counts.update(records["refused"])
        counts[Verdict.DUPLICATE.name.lower()] += records["copies"]
        return {v.name.lower(): counts[v.name.lower()] for v in Verdict if counts[v.name.lower()]}

    def close(self) -> None:
        """Close the file."""
        self._db.close()
