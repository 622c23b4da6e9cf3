"""The dead-letter file: every record that was refused, with the reason, as JSON Lines."""

import json
import os
from pathlib import Path

from mscale_uq.filters.records import Verdict
from mscale_uq.stream.journal import Journal

FILE = "dead_letters.jsonl"


def write_dead_letters(journal: Journal, folder: Path) -> int:
    """Bring the file up to what the journal has refused, and return how many that are.

    The journal is the truth and the file follows it, after a crash too: a line that was cut is written anew.
    """
    path = folder / FILE
    count = _whole_lines(path) if path.exists() else 0
    refused = journal.refused(count)
    if refused:
        with path.open("ab") as file:
            for text, verdict, reason in refused:
                record = {"verdict": verdict, "name": Verdict(verdict).name.lower(), "reason": reason}
                file.write(json.dumps({**record, "record": text}).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
    return count + len(refused)


def _whole_lines(path: Path) -> int:
    """Return the number of whole lines, having cut off a last one without its end."""
    content = path.read_bytes()
    end = content.rfind(b"\n") + 1
    if end < len(content):
        os.truncate(path, end)
    return content.count(b"\n")
