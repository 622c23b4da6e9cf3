"""`calibrate_sampler`: simulation-based calibration of a case in a folder, going on where it stopped."""

import csv
import io
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from mscale_uq.case.read import Case
from mscale_uq.core.map import Map
from mscale_uq.diagnose.approximation_rounds import Round
from mscale_uq.diagnose.sbc import KEPT, RUNS, Calibration, check_calibration, check_length
from mscale_uq.errors import CaseError, explain
from mscale_uq.files import replace as write
from mscale_uq.infer.levels import Levels
from mscale_uq.infer.settings import Settings
from mscale_uq.infer.workers import workers
from mscale_uq.report.calibration import render
from mscale_uq.results.candidate import pareto_smoothed
from mscale_uq.run.complete import check_density
from mscale_uq.run.folder import CALIBRATION, RANK_TABLE, holds, prepare
from mscale_uq.run.method import settings_of
from mscale_uq.run.model_error import Learning, learned_facts, target
from mscale_uq.run.surrogate import levels_of
from mscale_uq.stats.posterior import Posterior

# Draws for one that is nearly independent of the one before, on posteriors like those of the shipped cases.
SPACING = {"nuts": 3, "slice": 3, "demetropolisz": 20, "pcn": 40, "surrogate": 3, "mlda": 10}
# Called with the numbers of runs that are done, and that are asked for.
OnRun = Callable[[int, int], None]


def calibrate_sampler(
    case: Case,
    runs: int = RUNS,
    *,
    out: str | Path | None = None,
    fresh: bool = False,
    draws: int | None = None,
    kept: int = KEPT,
    dask: str | None = None,
    on_run: OnRun | None = None,
) -> tuple[Calibration, Path]:
    """Calibrate a case's sampler and return what the ranks say, and the folder with page and table.

    Parameters
    ----------
    case
        With its sampler chosen (`with_changes`).
    runs
        Simulated data sets; more of them later continue where fewer ended.
    out
        Folder; ``runs/<case>-sbc`` if not said.
    fresh
        Start over, forgetting what the folder holds.
    draws
        Of each run; if not said, so many that the kept ones are nearly independent.
    kept
        Draws of each run that are ranked.
    dask
        Address of a dask scheduler whose workers make the runs, in place of processes of this machine.
    on_run
        Called when a run is done.

    Raises
    ------
    CaseError
        If there are fewer draws than are to be kept, or the sampler compiles anew for every data set.
    InputError
        If the error of the used models cannot be learned, or the dask cluster cannot be used.
    RunError
        If the folder holds something else; nothing in it is changed then.
    """
    check_density(case)
    folder = Path(out) if out is not None else Path("runs") / f"{case.name}-sbc"
    settings = _settings(case, draws, kept)
    check_length(settings, runs, kept)
    with workers(settings.cores, dask) as mapping:  # before anything is written: a cluster may not answer
        if fresh or not holds(folder, case):
            prepare(folder, case, fresh)
        # The likelihood of a fit: with what the used models miss, learned as the fit itself would, and kept.
        learning = Learning(case, settings_of(case), folder, mapping=mapping)
        posterior, rounds = learning.corrected(case.posterior())
        watched = partial(_watched, mapping, runs, on_run)
        how = (folder, case.hash, watched, kept, pareto_smoothed)
        found = check_calibration(_sampled(case, posterior, settings, mapping), settings, runs, *how)
    write(folder / RANK_TABLE, _table(found).encode())
    write(folder / CALIBRATION, render(found, _facts(case, settings, rounds), folder.name).encode())
    return found, folder


def _sampled(case: Case, posterior: Posterior, settings: Settings, mapping: Map) -> Posterior | Levels:
    """Return what the sampler draws from: the posterior, or it with its coarse levels or surrogate."""
    if settings.sampler == "surrogate":
        return levels_of(case, posterior, mapping)[0]
    return target(case, posterior)


def _facts(case: Case, settings: Settings, rounds: tuple[Round, ...]) -> dict[str, Any]:
    """Return what the page says of the case and the runs."""
    return {
        "question": case.question,
        "case": case.name,
        "system": case.system.name,
        "sampler": settings.sampler,
        "draws": settings.draws,
        "tune": settings.tune,
        "seed": settings.seed,
        "hash": case.hash,
        "approximation": learned_facts(case, rounds),
    }


def _settings(case: Case, draws: int | None, kept: int) -> Settings:
    settings = settings_of(case)
    if settings.sampler not in SPACING:
        given = f"sampler {settings.sampler!r} for many data sets"
        hint = "the others compile anew for every data set"
        raise CaseError(explain(given, ", ".join(SPACING), hint))
    wanted = draws if draws is not None else SPACING[settings.sampler] * max(kept, 1)
    # `settings_of` gives no more cores than a fit has chains; runs are many.
    cores = case.method.cores if case.method.cores is not None else len(os.sched_getaffinity(0))
    return replace(settings, draws=wanted, chains=1, cores=cores)


def _watched(
    mapping: Map, runs: int, on_run: OnRun | None, function: Callable[..., Any], tasks: Iterable[Any]
) -> Iterator[Any]:
    """Run tasks, and tell how many runs are done."""
    missing = list(tasks)
    for done, row in enumerate(mapping(function, missing), start=runs - len(missing) + 1):
        yield row
        if on_run is not None:
            on_run(done, runs)


def _table(found: Calibration) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["run", *(check.name for check in found.checks)])
    for run, ranks in enumerate(zip(*(check.ranks for check in found.checks), strict=True)):
        writer.writerow([run, *ranks])
    return text.getvalue()
