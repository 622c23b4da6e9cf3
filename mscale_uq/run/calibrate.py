"""`fit`: from a case to a finished run in a folder, going on where an earlier call stopped."""

from pathlib import Path
from typing import Any

from mscale_uq.case.read import Case, read_case
from mscale_uq.catalog import find_case
from mscale_uq.core.map import Map
from mscale_uq.infer.workers import maybe_workers
from mscale_uq.report.page import write_report
from mscale_uq.results.result import Result, is_finished, read_result
from mscale_uq.run.choice import decide
from mscale_uq.run.complete import check_density
from mscale_uq.run.finish import Sampled, finish
from mscale_uq.run.folder import CHAINS, PROGRESS, prepare
from mscale_uq.run.method import settings_of
from mscale_uq.run.model_error import Learning, sampled_without
from mscale_uq.run.progress import OnProgress, ProgressFile
from mscale_uq.run.surrogate import draw


def fit(
    case: Case | str | Path,
    *,
    out: str | Path | None = None,
    fresh: bool = False,
    on_progress: OnProgress | None = None,
    predictions: int = 400,
    workers: int | None = None,
    dask: str | None = None,
    **changes: Any,
) -> Result:
    """Calibrate a case and return the finished run; the same call again returns it at once.

    More draws extend a run; a run that has more draws than are asked for is returned as it is.

    Parameters
    ----------
    case
        A case, its file, or a shipped name.
    out
        Folder of the run; ``runs/<case>`` if not said.
    fresh
        Start over, forgetting what the folder holds.
    on_progress
        Called a few times a second with chain, draw, whether it is a tuning draw, and statistics.
    predictions
        Largest number of thinned draws at which every quantity is predicted.
    workers, dask
        Processes of this machine, or the address of a dask scheduler, for what knows no order: building and
        weighing a surrogate, the particles of SMC (its chains then come one after another), predictions,
        resolved and finer models. Other chains are processes of this machine; see `cores`.
    changes
        Other values for the case's method: sampler, draws, tune, chains, cores, target_accept, coordinates;
        or seed.

    Raises
    ------
    CaseError, DataError, UnitError
        If the case is wrong.
    RunError
        If the folder holds another run; nothing in it is changed then.
    """
    if not isinstance(case, Case):
        case = read_case(find_case(case))
    check_density(case)
    folder = Path(out) if out is not None else Path("runs") / case.name
    with maybe_workers(workers, dask) as mapping:
        case, why = decide(case, changes, folder, fresh, mapping)
        prepare(folder, case, fresh, why)
        if not is_finished(folder, case.method.draws, case.method.chains):
            _run(case, folder, on_progress, predictions, why, mapping)
    result = read_result(folder)
    write_report(result)
    return result


def _run(
    case: Case,
    folder: Path,
    on_progress: OnProgress | None,
    predictions: int,
    why: str,
    mapping: Map | None,
) -> None:
    """Draw, predict, and write the numbers."""
    settings, many = settings_of(case), mapping or map
    with ProgressFile(folder / PROGRESS, settings.cores, on_progress) as tell:
        posterior, rounds = Learning(case, settings, folder, tell, many).corrected(case.posterior())
        samples, said = draw(case, posterior, settings, folder / CHAINS, tell, mapping)
        without = sampled_without(case, posterior, settings, folder, tell)
    done = Sampled(posterior, rounds, samples, without, said, why)
    finish(folder, case, settings, done, predictions, many)
