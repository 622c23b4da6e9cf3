"""`Repeated`: one sampler for many data sets of the same model, compiled once.

Simulation-based calibration runs a sampler hundreds of times. Compiling takes seconds, and depends on the
priors only: the data are behind the likelihood operator, where they are exchanged. The draws are those that
the chain driver would make.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.errors import CaseError, explain
from mscale_uq.infer.checkpoint import dump, load
from mscale_uq.infer.density import Density
from mscale_uq.infer.job import Job
from mscale_uq.infer.ledger import Failure, Ledger
from mscale_uq.infer.methods import METHODS
from mscale_uq.infer.records import Checkpoint
from mscale_uq.infer.settings import Settings
from mscale_uq.infer.shear import shear_of
from mscale_uq.infer.target import Target
from mscale_uq.infer.walk import go

# Methods whose making compiles something; they are taken back to their first state instead of made anew.
TAKEN_BACK = ("demetropolisz", "slice")


@final
@dataclass(frozen=True)
class Run:
    """One chain.

    Attributes
    ----------
    theta
        Draws after tuning ``(draws, n)``.
    stats
        Statistic -> ``(draws,)``.
    failures
        Solves that failed.
    evaluations
        Density evaluations done.
    """

    theta: Array
    stats: dict[str, Array]
    failures: tuple[Failure, ...]
    evaluations: int


@final
class Repeated:
    """Samples one posterior after the other.

    Parameters
    ----------
    target
        One of them: all have its priors.
    settings
        As for one run; one chain each.

    Raises
    ------
    CaseError
        If the sampler is none that walks, draw by draw.
    """

    def __init__(self, target: Target, settings: Settings) -> None:
        walking = [name for name, method in METHODS.items() if method.resumable and not method.composed]
        if settings.sampler not in walking:
            given = f"sampler {settings.sampler!r} for many data sets"
            raise CaseError(explain(given, ", ".join(walking), "the others compile anew for every one"))
        self._settings = settings
        self._method = import_module(f"mscale_uq.infer.{settings.sampler}")
        self._density = Density(
            target, Ledger(), METHODS[settings.sampler].gradient, shear_of(target, settings)
        )
        self._step: Any = None
        self._first: list[bytes] = []

    def run(self, target: Target, index: int) -> Run:
        """Return the chain of number `index` on `target`: it depends on these, and not on runs before."""
        job = Job(target, self._settings, index, Path())
        store = Memory()
        self._density.renew(target, Ledger(index))
        go(self._density, job, store, _on, self._build, self._method.NAMES)
        table, size = np.array(store.lines)[self._settings.tune :], len(target.names)
        stats = dict(zip(job.method.stats, table[:, 2 * size :].T, strict=True))
        failures = tuple(store.failures)
        return Run(table[:, size : 2 * size], stats, failures, self._density.ledger.evaluations)

    def _build(self, density: Density, start: Array, rng: np.random.Generator, job: Job) -> tuple[Any, Array]:
        if self._settings.sampler not in TAKEN_BACK:
            return self._method.build(density, start, rng, job)
        if self._step is None:
            self._step, _ = self._method.build(density, start, rng, job)
            self._first = dump(self._step.sampling_state)
        self._step.sampling_state = load(self._first, self._step.sampling_state)
        self._step.set_rng(rng)
        return self._step, start


@final
@dataclass
class Memory:
    """A chain's store that forgets everything when it goes."""

    checkpoint: Checkpoint | None = None
    draws: int = 0
    rows: Array = field(default_factory=lambda: np.zeros((0, 0)))
    lines: list[Array] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    def append(self, z: Array, theta: Array, stats: list[float]) -> None:
        """Add a draw."""
        self.lines.append(np.concatenate([z, theta, stats]))
        self.draws += 1

    def note(self, ledger: Ledger) -> None:
        """Add the failures since the last call."""
        self.failures += ledger.take()

    def due(self, interval: float) -> bool:
        """Never."""
        return False

    def save(self, ledger: Ledger, start: Array, step: Sequence[bytes] = ()) -> None:
        """Keep nothing."""

    def recall(self, ledger: Ledger) -> None:
        """There is nothing to recall."""


def _on(draw: int, tuning: bool, stats: dict[str, float]) -> bool:  # noqa: ARG001
    return True
