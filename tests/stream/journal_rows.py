"""What lies in the tables of a run's journal, read by SQLite alone."""

import sqlite3
from contextlib import closing

from mscale_uq.stream.journal import FILE


def asked(folder, query):
    """Return all rows of a query; raises `sqlite3.Error` if there is no journal yet."""
    uri = f"{(folder / FILE).resolve().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, timeout=10.0)) as db:
        return db.execute(query).fetchall()
