"""What `mscale fit` shows: progress while it runs, and the result."""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self, final

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from mscale_uq.cli.tables import console, table
from mscale_uq.report.content import Scalar, effective, measured, table_row, unknowns, verdicts
from mscale_uq.report.held_out import coverage
from mscale_uq.report.model_error import model_error
from mscale_uq.report.surprises import surprises
from mscale_uq.results.result import Result
from mscale_uq.run.memory import held

LOG_INTERVAL = 30.0  # seconds
MOST_ROWS = 30
TOLD = "what the draws tell of combinations of unknowns (every prior has sd 1; 1: no more than the prior):"


@final
class Bars:
    """A bar for the run, with cores, memory and time, and one for each chain, on a terminal."""

    def __init__(self, total: int, chains: int, cores: int, terminal: Console | None = None) -> None:
        columns = (
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            TimeRemainingColumn(),
        )  # fmt: skip
        self._progress = Progress(*columns, console=terminal or Console(stderr=True))
        self._total, self._cores = total, cores
        self._whole = self._progress.add_task(_used(cores), total=total * chains)
        self._tasks: dict[int, TaskID] = {}

    def __call__(self, chain: int, draw: int, tuning: bool, stats: Mapping[str, float]) -> None:
        """Take one report."""
        if chain not in self._tasks:
            self._tasks[chain] = self._progress.add_task("", total=self._total)
        what = f"chain {chain}, {'tuning' if tuning else 'drawing'}"
        self._progress.update(self._tasks[chain], completed=draw + 1, description=what)
        done = sum(task.completed for task in self._progress.tasks if task.id != self._whole)
        self._progress.update(self._whole, completed=done, description=_used(self._cores))

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            for task in self._progress.tasks:
                self._progress.update(task.id, completed=task.total)
        self._progress.stop()


@final
class LogLines:
    """A line every half minute, where nobody watches."""

    def __init__(self, total: int, cores: int) -> None:
        self._total, self._cores = total, cores
        self._draws: dict[int, int] = {}
        self._began = self._last = time.monotonic()

    def __call__(self, chain: int, draw: int, tuning: bool, stats: Mapping[str, float]) -> None:
        """Take one report."""
        self._draws[chain] = draw + 1
        if time.monotonic() - self._last >= LOG_INTERVAL:
            self._last = time.monotonic()
            chains = ", ".join(f"chain {c}: {n}/{self._total}" for c, n in sorted(self._draws.items()))
            spent = f"{self._last - self._began:.0f} s, {_used(self._cores)}"
            console(stderr=True).print(f"{time.strftime('%H:%M:%S')} {chains}; {spent}", soft_wrap=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave nothing behind."""


def _used(cores: int) -> str:
    """Say how many cores and how much memory a run takes; in this process it is one core."""
    memory = held()
    size = f", {memory / 2**20:.0f} MiB" if memory else ""
    return f"{max(1, cores)} core{'' if cores < 2 else 's'}{size}"


def silent(chain: int, draw: int, tuning: bool, stats: Mapping[str, float]) -> None:
    """Show nothing."""


def result_tables(result: Result) -> list[Table]:
    """Return the posterior, the effective quantities, and comparisons: model error, expected numbers."""
    scalars, made = unknowns(result), effective(result)
    tables = [_posterior("Posterior", scalars, with_prior=True)]
    if made:
        tables.append(
            _posterior("Effective quantities", made, with_prior=any(s.prior is not None for s in made))
        )
    rows = [tuple(row.values()) for row in model_error(result)["rows"]]
    if rows:
        columns = ("", "unit", "with", "without", "shift in sds", "ratio of sds")
        tables.append(table("With and without model error (95 %)", columns, rows, numbers=columns[2:]))
    compared = verdicts([*scalars, *made])
    if compared:
        rows = [(row["name"], row["wanted"], row["said"], row["good"]) for row in compared]
        tables.append(table("Expected", ("", "expected", "found", "agrees"), rows))
    return tables


def verdict_lines(result: Result) -> list[str]:
    """Say whether the draws can be believed."""
    verdict = result.diagnostics
    solves = f"{verdict.failures} failed solves in {verdict.evaluations} evaluations"
    counts = f"{verdict.divergences} divergences, {solves}, {verdict.infeasible} infeasible points"
    data = measured(result)
    warned = (f"WARNING: {sentence}" for sentence in surprises(data))
    error = model_error(result)
    surrogate = (result.facts.get("surrogate") or {}).get("lines", ())
    said = [result.facts.get("chosen"), result.facts.get("coordinates"), coverage(data)]
    without = (f"WARNING: {sentence}" for sentence in result.facts.get("goes_without", ()))
    model = [*warned, *without, *filter(None, said), *surrogate, *error["assumed"], *error["scale"]]
    told = result.facts.get("told", ())
    model += [TOLD, *(f"  {line}" for line in told)] if len(told) > 1 else told
    if verdict.ok:
        return [f"diagnostics met: {counts}", *(f"note: {note}" for note in verdict.notes), *model]
    bad = "diagnostics not met: do not trust these draws yet"
    return [bad, *(f"  {reason}" for reason in verdict.reasons), counts, *model]


def _posterior(title: str, scalars: list[Scalar], with_prior: bool) -> Table:
    columns = ["", "unit", "mean", "sd", "95 % interval", "R-hat", "ESS"]
    keys = ["name", "unit", "mean", "sd", "interval", "rhat", "ess"]
    if with_prior:
        columns.append("contraction")
        keys.append("contraction")
    rows = [[str(table_row(scalar)[key]) for key in keys] for scalar in scalars[:MOST_ROWS]]
    if len(scalars) > MOST_ROWS:
        rows.append([f"and {len(scalars) - MOST_ROWS} more, in the report", *[""] * (len(keys) - 1)])
    return table(title, columns, rows, numbers=columns[2:])
