"""`ChainStore`: the one writer of a chain's folder; it finds where the chain stands and goes on there."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self, final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.errors import RunError
from mscale_uq.files import RecordWriter, replace
from mscale_uq.infer.ledger import Ledger
from mscale_uq.infer.records import (
    CHECKPOINT,
    DRAWS,
    FAILURES,
    PREVIOUS,
    Checkpoint,
    Header,
    latest_checkpoint,
    refuse_another,
    rows,
)


@final
class ChainStore:
    """Writes draws, failures and checkpoints of one chain.

    Parameters
    ----------
    folder
        Made if it does not exist.
    header
        What the chain is.

    Attributes
    ----------
    checkpoint
        The latest good checkpoint when the store was opened, None if there was none.
    rows
        The draw records that belong to it, ``(draws, columns)``.

    Raises
    ------
    RunError
        If the folder belongs to another chain, another process is writing in it, or a log is damaged where no
        checkpoint lies before; nothing is changed then.
    """

    def __init__(self, folder: Path, header: Header) -> None:
        refuse_another(folder, header)
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._header = folder, header
        # Behind a checkpoint a power cut may damage any record; all of them are drawn again.
        self._draws = RecordWriter(folder / DRAWS, lenient=True)
        self._failures = RecordWriter(folder / FAILURES, lenient=True)
        self.checkpoint = latest_checkpoint(folder, self._draws.found, self._failures.found)
        if self.checkpoint is None:
            self._refuse_damage()
        self.draws = self.checkpoint.draws if self.checkpoint else 0
        self.failures = self.checkpoint.failures if self.checkpoint else 0
        self.rows = rows(self._draws.found, self.draws)
        self._spent = self.checkpoint.seconds if self.checkpoint else 0.0
        self._opened = self._saved = time.monotonic()
        self._go_on(self._draws, self.draws)
        self._go_on(self._failures, self.failures)

    def append(self, z: Array, theta: Array, stats: list[float]) -> None:
        """Add a draw: sampler coordinates, unknowns, statistics."""
        self._draws.append(np.concatenate([z, theta, stats]).tobytes())
        self.draws += 1

    def note(self, ledger: Ledger) -> None:
        """Add the failures since the last call."""
        for failure in ledger.take():
            self._failures.append(failure.to_bytes())
            self.failures += 1

    def due(self, interval: float) -> bool:
        """Whether the last checkpoint is older than `interval` seconds."""
        return time.monotonic() - self._saved >= interval

    def save(
        self,
        ledger: Ledger,
        start: Array,
        step: Sequence[bytes] = (),
        extras: Mapping[str, Any] | None = None,
    ) -> None:
        """Make everything written durable and put a checkpoint behind it."""
        self.note(ledger)
        self._draws.sync()
        self._failures.sync()
        checkpoint = Checkpoint(
            draws=self.draws,
            failures=self.failures,
            seconds=self._spent + time.monotonic() - self._opened,
            requests=ledger.requests,
            evaluations=ledger.evaluations,
            infeasible=dict(ledger.infeasible),
            start=start,
            extras=dict(extras or {}),
            step=tuple(step),
        )
        current = self._folder / CHECKPOINT
        if current.exists():
            current.replace(self._folder / PREVIOUS)
        replace(current, checkpoint.to_bytes(self._header))
        self._saved = time.monotonic()

    def restart(self) -> None:
        """Forget everything and begin again, for methods that cannot go on from where they stood."""
        self.checkpoint, self.draws, self.failures, self._spent = None, 0, 0, 0.0
        self.rows = self.rows[:0]
        self._go_on(self._draws, 0)
        self._go_on(self._failures, 0)

    def recall(self, ledger: Ledger) -> None:
        """Set a ledger to the checkpoint; failures seen again on the way back to it are noted already."""
        if self.checkpoint:
            ledger.take()
            ledger.requests, ledger.evaluations = self.checkpoint.requests, self.checkpoint.evaluations
            ledger.infeasible = Counter(self.checkpoint.infeasible)

    def _go_on(self, log: RecordWriter, count: int) -> None:
        """Cut a log to the records of the checkpoint; write the header if there is none."""
        if self.checkpoint and log.found.ends:
            log.cut(log.found.ends[count])
        else:
            log.cut(0)
            log.append(self._header.to_bytes())

    def _refuse_damage(self) -> None:
        try:
            self._draws.refuse_damage()
            self._failures.refuse_damage()
        except RunError:
            self.__exit__()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._draws.close()
        self._failures.close()
