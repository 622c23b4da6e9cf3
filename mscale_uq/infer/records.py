"""What a chain's folder holds, and how it is read.

``draws.log`` and ``failures.log`` are append-only; their first record is the header, which says what the
chain is. ``checkpoint`` says how many records of each belong to it. The checkpoint before it is kept, so that
a damaged last record costs a second of work and not the chain.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.errors import RunError, explain
from mscale_uq.files import Records, frame, read_records
from mscale_uq.infer.checkpoint import dump, load

DRAWS, FAILURES, CHECKPOINT, PREVIOUS = "draws.log", "failures.log", "checkpoint", "checkpoint.previous"


@final
@dataclass(frozen=True)
class Header:
    """What a chain is.

    Attributes
    ----------
    identity
        Stands for everything the caller wants unchanged: case, data, priors.
    names, stats
        Columns of theta and of the sampler's statistics in a draw record ``[z, theta, statistics]``.
    layout
        Version of the files' layout.
    """

    identity: str
    sampler: str
    chain: int
    seed: int
    tune: int
    target_accept: float
    coordinates: str
    names: tuple[str, ...]
    stats: tuple[str, ...]
    layout: int = 2

    def to_bytes(self) -> bytes:
        """Return the header as JSON."""
        return json.dumps(asdict(self)).encode()


@final
@dataclass(frozen=True)
class Checkpoint:
    """Where a chain stands.

    Attributes
    ----------
    draws, failures
        Records that belong to it, headers not counted.
    seconds
        Time spent so far.
    requests, evaluations, infeasible
        As in `mscale_uq.infer.ledger.Ledger`.
    start
        Where the chain began, in sampler coordinates.
    extras
        What the method has to say: numbers and texts.
    step
        The sampler's state as `dump` wrote it; empty if the method cannot go on from here.
    """

    draws: int
    failures: int
    seconds: float
    requests: int
    evaluations: int
    infeasible: dict[str, int]
    start: Array
    extras: dict[str, Any]
    step: tuple[bytes, ...]

    def to_bytes(self, header: Header) -> bytes:
        """Return the content of a checkpoint file."""
        plain = {name: value for name, value in self.__dict__.items() if name != "step"}
        return b"".join(
            map(frame, [header.to_bytes(), *dump({**plain, "parts": len(self.step)}), *self.step])
        )


def refuse_another(folder: Path, header: Header) -> None:
    """Refuse a folder that holds another chain.

    Raises
    ------
    RunError
        Naming what differs.
    """
    for name in (DRAWS, FAILURES, CHECKPOINT, PREVIOUS):
        found = read_records(folder / name).payloads
        if found and found[0] != header.to_bytes():
            raise RunError(
                explain(
                    f"{folder} holds another run: {_difference(json.loads(found[0]), header)}",
                    hint="give the run another folder, or start afresh there",
                )
            )


def latest_checkpoint(folder: Path, draws: Records, failures: Records) -> Checkpoint | None:
    """Return the newest checkpoint that is whole and whose records are; None if there is none."""
    for name in (CHECKPOINT, PREVIOUS):
        checkpoint = _read_checkpoint(folder / name)
        if (
            checkpoint
            and checkpoint.draws < len(draws.payloads)
            and checkpoint.failures < len(failures.payloads)
        ):
            return checkpoint
    return None


def rows(draws: Records, count: int) -> Array:
    """Return the first `count` draw records as ``(count, columns)``."""
    return np.array([np.frombuffer(payload) for payload in draws.payloads[1 : count + 1]])


def _read_checkpoint(path: Path) -> Checkpoint | None:
    payloads = read_records(path).payloads
    if len(payloads) < 2:
        return None
    stop = 2 + json.loads(payloads[1])["arrays"]
    if len(payloads) < stop:
        return None
    fields = load(payloads[1:stop])
    step = payloads[stop:]
    return Checkpoint(**fields, step=step) if len(step) == fields.pop("parts") else None


def _difference(found: dict[str, Any], header: Header) -> str:
    asked = json.loads(header.to_bytes())
    differing = [name for name in asked if found.get(name) != asked[name]]
    return ", ".join(f"{name} {found.get(name)!r} there, {asked[name]!r} asked for" for name in differing)
