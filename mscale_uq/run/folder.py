"""The folder of a run: what a case may be run in it, and what is put into it before the first draw."""

import shutil
import tomllib
from pathlib import Path
from typing import Any

from mscale_uq.case.read import Case
from mscale_uq.diagnose.rank_log import FILE as RANKS
from mscale_uq.errors import RunError, explain
from mscale_uq.files import replace
from mscale_uq.io.toml import write_toml
from mscale_uq.results.result import FAILURES, POSTERIOR, REPORT, is_finished
from mscale_uq.run.changed import differences

CASE, PROGRESS, CHAINS, DATA = "case.toml", "progress.jsonl", "chains", "data"
CALIBRATION, RANK_TABLE = "calibration.html", "ranks.csv"
LEARNED, ROUNDS, BESIDE = "approximation_error.json", "rounds", "without_model_error"
OURS = (
    *(CASE, POSTERIOR, FAILURES, REPORT, PROGRESS, CHAINS, DATA, RANKS, CALIBRATION, RANK_TABLE),
    *(LEARNED, ROUNDS, BESIDE),
)


def prepare(folder: Path, case: Case, fresh: bool, chosen: str = "") -> None:
    """Make the folder ready for a case, or refuse; a refused folder is not touched.

    `chosen` says why its sampler, if nobody asked for one.

    Raises
    ------
    RunError
        If it holds something else than a run, or the run of another case and `fresh` is not asked for.
    """
    found = _identity(folder)
    if fresh:
        _clear(folder)
    elif found is not None:
        _refuse_another(folder, found, case)
        if is_finished(folder, case.method.draws, case.method.chains):
            return  # what it holds is at least as long, and its case says how long
    about = {"hash": case.hash, "identity": case.identity}
    write_case(folder, case, {**about, "chosen": chosen} if chosen else about)


def started(folder: Path) -> bool:
    """Whether the folder holds a run, of whatever case.

    Raises
    ------
    RunError
        If it holds anything else.
    """
    return _identity(folder) is not None


def holds(folder: Path, case: Case) -> bool:
    """Whether the folder holds a run of this case; False if there is nothing in it.

    Raises
    ------
    RunError
        If it holds anything else.
    """
    found = _identity(folder)
    if found is not None:
        _refuse_another(folder, found, case)
    return found is not None


def _refuse_another(folder: Path, found: dict[str, str], case: Case) -> None:
    """Raise `RunError` naming the parts of the case that differ from the run's, and in what."""
    changed = [part for part in case.identity if found.get(part) != case.identity[part]]
    if changed:
        held = (folder / CASE).read_text(encoding="utf-8")
        keys = differences(changed, held, case, folder / DATA)
        given = f"{str(folder)!r} holds the run of another case: {', '.join(changed)} changed"
        given += f" ({keys})" if keys else ""
        hint = "--out FOLDER keeps it, --fresh starts over"
        raise RunError(explain(given, "the case it was made with, or more draws", hint))


def _identity(folder: Path) -> dict[str, str] | None:
    """Return what the run in a folder is made of; None if the folder is empty or not there."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return None
    try:
        tables = tomllib.loads((folder / CASE).read_text(encoding="utf-8"))
        identity: dict[str, str] = tables["run"]["identity"]
    except (OSError, ValueError, KeyError, TypeError):
        given = f"{str(folder)!r} is not empty, and holds no run"
        raise RunError(
            explain(given, "a new folder, or one that `mscale fit` has made", "--out FOLDER")
        ) from None
    return identity


def _clear(folder: Path) -> None:
    for name in OURS:
        path = folder / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def write_case(folder: Path, case: Case, run: dict[str, Any]) -> None:
    """Write the resolved case and its data, so that the folder alone repeats the run; `run` is about it."""
    for plan in case.plans:
        for file in plan.all_files:
            copy = folder / DATA / file.given.removeprefix(f"{DATA}/")
            copy.parent.mkdir(parents=True, exist_ok=True)
            replace(copy, file.path.read_bytes())
    tables: dict[str, Any] = case.resolved(f"{DATA}/")
    replace(folder / CASE, write_toml({**tables, "run": run}).encode())
