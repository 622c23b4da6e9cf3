"""Exact over approximate likelihood at draws of the approximate posterior, in a log that goes on.

Priors cancel, so that one number a draw is all that a correction needs. A draw at which the exact model has
no answer has an exact likelihood of zero; solves that fail are rows of the failure ledger, as in any chain.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, final
from zlib import crc32

import numpy as np

from mscale_uq.core.map import Map
from mscale_uq.core.parameter import Array
from mscale_uq.errors import RunError, explain
from mscale_uq.files import RecordWriter
from mscale_uq.infer.ledger import Failure, Ledger
from mscale_uq.infer.levels import Levels
from mscale_uq.infer.likelihood import Likelihood

CHUNK = 50  # draws of a task, and of a record


@final
@dataclass(frozen=True)
class Task:
    """Some draws of one chain: their first number, and theta ``(draws, n)``."""

    chain: int
    first: int
    thetas: Array

    @property
    def marks(self) -> list[int]:
        """What tells its draws from others."""
        return [crc32(theta.tobytes()) for theta in self.thetas]


@final
@dataclass(frozen=True)
class Ratios:
    """What was found.

    Attributes
    ----------
    logs
        ``(chains, draws)``: log of exact over approximate likelihood, -inf where the exact one is zero.
    failures
        Solves of the exact model that failed.
    infeasible
        Per chain: draws at which the exact model says that nothing exists.
    """

    logs: Array
    failures: tuple[Failure, ...]
    infeasible: np.ndarray


def exact_ratios(target: Levels, thetas: Array, path: Path, identity: str = "", map: Map = map) -> Ratios:
    """Return the ratios at thetas ``(chains, draws, n)``; those in the log are not computed again.

    Parameters
    ----------
    target
        The exact posterior, and one coarse level: the approximate one.
    path
        The log; made if it does not exist.
    identity
        Stands for both posteriors and the draws.
    map
        Runs the tasks.

    Raises
    ------
    RunError
        If the log is of something else.
    """
    with RecordWriter(path) as log:
        known = _known(log, path, identity)
        tasks = [task for task in _tasks(thetas) if not _is_of(known.get(_key(task), {}), task)]
        for task, found in zip(tasks, map(partial(_run, target), tasks), strict=True):
            known[_key(task)] = found
            log.append(json.dumps(found).encode())
            log.sync()
    return _collected(known, thetas.shape[:2])


def _tasks(thetas: Array) -> Iterator[Task]:
    for chain, rows in enumerate(thetas):
        for first in range(0, len(rows), CHUNK):
            yield Task(chain, first, rows[first : first + CHUNK])


def _is_of(record: dict[str, Any], task: Task) -> bool:
    """Say whether a record holds the ratios of a task, and not those of other draws that had its number."""
    return bool(record.get("marks", [])[: len(task.thetas)] == task.marks)


def _key(task: Task) -> tuple[int, int]:
    return task.chain, task.first


def _known(log: RecordWriter, path: Path, identity: str) -> dict[tuple[int, int], Any]:
    """Return the records of a log, and begin it if it is new."""
    payloads = log.found.payloads
    if not payloads:
        log.append(json.dumps({"identity": identity}).encode())
        return {}
    if json.loads(payloads[0]) != {"identity": identity}:
        hint = "give the run another folder, or start afresh there"
        raise RunError(explain(f"{path} holds another run", hint=hint))
    found = map(json.loads, payloads[1:])
    return {(one["chain"], one["first"]): one for one in found}


def _run(target: Levels, task: Task) -> dict[str, Any]:
    """Evaluate both likelihoods at the draws of a task."""
    (approximate,) = target.coarse
    ledgers = Ledger(task.chain), Ledger(task.chain)
    exact, cheap = (
        Likelihood(one, ledger, gradient=False)
        for one, ledger in zip((target.fine, approximate), ledgers, strict=True)
    )
    logs = []
    for draw, theta in enumerate(task.thetas, start=task.first):
        ledgers[0].draw = draw
        logs.append(exact(theta)[0] - cheap(theta)[0])
    return {
        "chain": task.chain,
        "first": task.first,
        "marks": task.marks,
        "logs": logs,
        "failures": [asdict(failure) for failure in ledgers[0].take()],
        "infeasible": Counter(ledgers[0].infeasible).total(),
    }


def _collected(known: dict[tuple[int, int], Any], shape: tuple[int, int]) -> Ratios:
    logs, infeasible, failures = np.full(shape, -np.inf), np.zeros(shape[0], dtype=int), []
    for (chain, first), one in sorted(known.items()):
        if first >= shape[1]:  # a longer run of the same chain
            continue
        part = one["logs"][: shape[1] - first]
        logs[chain, first : first + len(part)] = part
        infeasible[chain] += one["infeasible"]
        failures += [Failure(**{**row, "theta": tuple(row["theta"])}) for row in one["failures"]]
    return Ratios(logs, tuple(failures), infeasible)
