"""Takes one of PyMC's step methods by the hand, so that a chain can stop anywhere and go on exactly there."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.infer.checkpoint import dump, load
from mscale_uq.infer.density import Density
from mscale_uq.infer.job import Job, Report
from mscale_uq.infer.ledger import Ledger
from mscale_uq.infer.records import Checkpoint
from mscale_uq.infer.shear import shear_of
from mscale_uq.infer.store import ChainStore

# (density, a prior draw, random generator, job) -> PyMC's step method, and where a chain begins
Build = Callable[[Density, Array, np.random.Generator, Job], tuple[Any, Array]]
# PyMC's name of a statistic -> ours
Names = Mapping[str, str]


class Store(Protocol):
    """Where a chain's draws go: a `ChainStore`, or memory."""

    checkpoint: Checkpoint | None
    draws: int
    rows: Array

    def append(self, z: Array, theta: Array, stats: list[float]) -> None:
        """Add a draw."""

    def note(self, ledger: Ledger) -> None:
        """Add the failures since the last call."""

    def due(self, interval: float) -> bool:
        """Whether a checkpoint is."""

    def save(self, ledger: Ledger, start: Array, step: Sequence[bytes] = ()) -> None:
        """Put a checkpoint behind everything written."""

    def recall(self, ledger: Ledger) -> None:
        """Set a ledger's counts to those of the checkpoint."""


def walk(job: Job, store: ChainStore, report: Report, build: Build, names: Names) -> None:
    """Run a chain from its checkpoint, or from its beginning, to its end, or until `report` says stop."""
    density = Density(job.target, Ledger(job.chain), job.method.gradient, shear_of(job.target, job.settings))
    go(density, job, store, report, build, names)


def go(density: Density, job: Job, store: Store, report: Report, build: Build, names: Names) -> None:
    """Do the same with a density that is compiled already."""
    for_start, for_step = job.generators(2)
    begun = store.checkpoint
    start = begun.start if begun else density.find_start(for_start, job.settings.starts)
    step, z = build(density, start, for_step, job)
    if begun:
        store.recall(density.ledger)
        z = _resume(step, begun, store.rows[:, : start.size], job.settings.tune, z)
    point, going = density.point(z), True
    while going and store.draws < job.total:
        if store.draws == job.settings.tune:
            step.stop_tuning()
        density.ledger.draw = store.draws
        point, (raw,) = density.call(step.step, point)
        stats = {ours: float(raw[theirs]) for theirs, ours in names.items()}
        z = density.vector(point)
        store.note(density.ledger)
        store.append(z, density.physical(z), list(stats.values()))
        if store.due(job.settings.checkpoint_seconds):
            store.save(density.ledger, start, _state(step))
        going = report(store.draws - 1, store.draws <= job.settings.tune, stats)
    store.save(density.ledger, start, _state(step))


def _resume(step: Any, begun: Checkpoint, past: Array, tune: int, first: Array) -> Array:
    """Put a checkpoint into a fresh step method and return where the chain stands."""
    step.sampling_state = load(begun.step, step.sampling_state)
    if hasattr(step, "_history"):
        # DEMetropolisZ proposes from where it has been, without most of the tuning once that is over.
        dropped = 0 if step.tune else int(step.tune_drop_fraction * tune)
        step._history = list(past[dropped:])
    return past[-1] if len(past) else first


def _state(step: Any) -> list[bytes]:
    """Return the step method's state without what grows: the draw log has it, or nobody reads it."""
    if hasattr(step, "step_adapt"):
        step.step_adapt._tuned_stats = []
    history = getattr(step, "_history", None)
    if history is None:
        return dump(step.sampling_state)
    step._history = []
    state = dump(step.sampling_state)
    step._history = history
    return state
