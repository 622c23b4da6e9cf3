"""`Samples`: what every sampler returns, as plain arrays."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.errors import RunError, explain
from mscale_uq.files import read_records
from mscale_uq.infer.job import Job
from mscale_uq.infer.ledger import Failure
from mscale_uq.infer.records import DRAWS, FAILURES, Checkpoint, latest_checkpoint, rows

TRUTHS = ("diverging", "accepted", "reached_max_treedepth")
COUNTS = ("n_steps", "tree_depth", "index_in_trajectory", "nstep_out", "nstep_in")


@final
@dataclass(frozen=True)
class Samples:
    """Draws from a posterior, and how they were made.

    Attributes
    ----------
    sampler
        Its name.
    draws
        Unknown -> ``(chain, draw, *shape)``.
    stats, tuning_stats
        Statistic -> ``(chain, draw)``, of the draws and of the tuning before them.
    failures
        The failure ledger: every solve that failed, in all chains.
    requests, evaluations, infeasible
        Per chain: densities asked for, densities evaluated, points the model declared impossible.
    seconds
        Per chain: wall time in its process, imports and compiling included.
    log_evidence
        Per chain; None if the method gives none.
    troubles
        What the method itself is not content with, one sentence each.
    """

    sampler: str
    draws: Mapping[str, Array]
    stats: Mapping[str, np.ndarray]
    tuning_stats: Mapping[str, np.ndarray]
    failures: tuple[Failure, ...]
    requests: np.ndarray
    evaluations: np.ndarray
    infeasible: np.ndarray
    seconds: Array
    log_evidence: Array | None
    troubles: tuple[str, ...]


@final
@dataclass(frozen=True)
class ChainRecord:
    """One chain as read from its folder."""

    rows: Array
    failures: tuple[Failure, ...]
    checkpoint: Checkpoint


def collect(jobs: list[Job]) -> Samples:
    """Read the finished chains of one run.

    Raises
    ------
    RunError
        If a chain is not finished.
    """
    first, records = jobs[0], [read_chain(job) for job in jobs]
    table = np.array([record.rows for record in records])
    tuned = first.total - (1 if first.method.single else first.settings.draws)
    size = len(first.target.names)
    theta = table[:, tuned:, size : 2 * size]
    checkpoints = [record.checkpoint for record in records]
    evidence = [checkpoint.extras.get("log_evidence", np.nan) for checkpoint in checkpoints]
    return Samples(
        sampler=first.settings.sampler,
        draws=_by_name(first.target.variables, theta),
        stats=_statistics(first.method.stats, table[:, tuned:, 2 * size :]),
        tuning_stats=_statistics(first.method.stats, table[:, :tuned, 2 * size :]),
        failures=tuple(row for record in records for row in record.failures),
        requests=np.array([checkpoint.requests for checkpoint in checkpoints]),
        evaluations=np.array([checkpoint.evaluations for checkpoint in checkpoints]),
        infeasible=np.array([sum(checkpoint.infeasible.values()) for checkpoint in checkpoints]),
        seconds=np.array([checkpoint.seconds for checkpoint in checkpoints]),
        log_evidence=None if np.isnan(evidence).any() else np.array(evidence),
        troubles=tuple(line for chain, point in enumerate(checkpoints) for line in _trouble(chain, point)),
    )


def read_chain(job: Job) -> ChainRecord:
    """Read one chain, up to the number of draws the job asks for."""
    draws, failures = read_records(job.folder / DRAWS), read_records(job.folder / FAILURES)
    checkpoint = latest_checkpoint(job.folder, draws, failures)
    if checkpoint is None or checkpoint.draws < job.total:
        done = checkpoint.draws if checkpoint else 0
        given = f"chain {job.chain} has {done} of {job.total} draws"
        raise RunError(explain(given, hint="run it again: it goes on from there"))
    ledger = [Failure.from_bytes(payload) for payload in failures.payloads[1 : checkpoint.failures + 1]]
    if job.method.resumable:  # a longer run of the same chain may be in the folder
        ledger = [failure for failure in ledger if failure.draw < job.total]
    return ChainRecord(rows(draws, job.total), tuple(ledger), checkpoint)


def _by_name(variables: Mapping[str, tuple[int, ...]], theta: Array) -> dict[str, Array]:
    """Cut ``(chain, draw, n)`` into one array per unknown."""
    named, start = {}, 0
    for name, shape in variables.items():
        stop = start + math.prod(shape)
        named[name] = theta[:, :, start:stop].reshape(*theta.shape[:2], *shape)
        start = stop
    return named


def _statistics(names: tuple[str, ...], table: Array) -> dict[str, np.ndarray]:
    kinds: dict[str, type] = {**dict.fromkeys(TRUTHS, bool), **dict.fromkeys(COUNTS, int)}
    return {name: table[:, :, column].astype(kinds.get(name, float)) for column, name in enumerate(names)}


def _trouble(chain: int, checkpoint: Checkpoint) -> list[str]:
    trouble = checkpoint.extras.get("trouble")
    return [f"chain {chain}: {trouble}"] if trouble else []
