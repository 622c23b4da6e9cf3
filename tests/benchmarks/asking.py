"""A program in an environment of its own, asked for one run after the other through its standard streams."""

import json
import subprocess
from typing import Any


def answer_of(peer: subprocess.Popen[str], question: object = "go") -> Any:
    """Ask a peer for a run, and return what it answers in JSON; what else it prints is passed over."""
    assert peer.stdin is not None  # both are pipes
    assert peer.stdout is not None
    peer.stdin.write(f"{question}\n")
    peer.stdin.flush()
    while line := peer.stdout.readline():
        if line.startswith("RESULT "):
            return json.loads(line.removeprefix("RESULT "))
    raise SystemExit("a peer stopped: does its environment hold what its file in peers/ says?")
