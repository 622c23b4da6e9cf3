"""`Result`: a finished run, as read from its folder. ArviZ and its types are known here and nowhere else."""

import csv
import io
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import arviz as az
import pandas as pd

from mscale_uq.errors import RunError, explain
from mscale_uq.files import replace, sync_folder
from mscale_uq.infer.ledger import Failure
from mscale_uq.results.summary import Diagnostics, derived, diagnose, summarize

POSTERIOR, FAILURES, REPORT = "posterior.nc", "failures.csv", "report.html"
WITHOUT = "without_model_error"  # group


@final
@dataclass(frozen=True)
class Result:
    """A finished calibration.

    Attributes
    ----------
    folder
        Where it lies.
    idata
        ArviZ groups; `derived` and `predicted` are ours, see `results_idata`.
    summary
        One row per unknown: unit, mean, sd, 95 % interval, R-hat, bulk and tail ESS, contraction
        1 - (posterior sd / prior sd)^2.
    effective
        The same for every quantity on the way from parameters to data, on thinned draws.
    failures
        One row per solve that failed while sampling, and per prediction that there is not: what was done, of
        which experiment, chain, draw, evaluation, whether it is the model's own statement, stage, reason,
        unknowns.
    diagnostics
        Whether the draws can be believed, and why not.
    without
        As `summary`, as if there were no model error; None for a case that has none.
    facts
        Question, sampler and its settings, counts, versions, seed, hash.
    """

    folder: Path
    idata: az.InferenceData
    summary: pd.DataFrame
    effective: pd.DataFrame
    failures: pd.DataFrame
    diagnostics: Diagnostics
    without: pd.DataFrame | None
    facts: Mapping[str, Any]

    @property
    def report(self) -> Path:
        """The HTML page."""
        return self.folder / REPORT


def read_result(folder: str | Path) -> Result:
    """Read a finished run.

    Raises
    ------
    RunError
        If there is none in the folder, or its files are damaged.
    """
    folder = Path(folder)
    data, facts = _read(folder)
    summary = summarize(data.posterior)
    divergences = int(data.sample_stats["diverging"].sum()) if "diverging" in data.sample_stats else 0
    return Result(
        folder=folder,
        idata=data,
        summary=summary,
        effective=summarize(derived(data)),
        failures=pd.read_csv(folder / FAILURES) if (folder / FAILURES).is_file() else pd.DataFrame(),
        diagnostics=diagnose(summary, facts, divergences),
        without=summarize(data[WITHOUT]) if WITHOUT in data.groups() else None,
        facts=facts,
    )


def write_result(
    folder: Path, data: az.InferenceData, failures: Sequence[Failure], names: Sequence[str]
) -> None:
    """Put a run's numbers into its folder, each file whole or not at all; the posterior comes last."""
    replace(folder / FAILURES, _table(failures, names).encode())
    beside = folder / f".{POSTERIOR}.{os.getpid()}.new"
    try:
        data.to_netcdf(str(beside), engine="h5netcdf")
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        beside.replace(folder / POSTERIOR)
    finally:
        beside.unlink(missing_ok=True)
    sync_folder(folder)


def is_finished(folder: Path, draws: int, chains: int) -> bool:
    """Whether the folder holds a posterior of this length at least: what was drawn is not thrown away."""
    try:
        settings = _read(folder)[1]["settings"]
    except RunError:
        return False
    return bool(settings["draws"] >= draws and settings["chains"] == chains)


def _read(folder: Path) -> tuple[Any, dict[str, Any]]:
    """Return the ArviZ groups in a run's folder, and its facts."""
    if not (folder / POSTERIOR).is_file():
        given = f"no finished run in {str(folder)!r}"
        raise RunError(
            explain(given, "a folder that `mscale fit` has filled", "mscale fit CASE --out FOLDER")
        )
    try:
        data = az.from_netcdf(folder / POSTERIOR, engine="h5netcdf")
        facts = json.loads(data.attrs["facts"])
    except (OSError, KeyError, ValueError) as error:
        given = f"{folder / POSTERIOR} cannot be read: {error}"
        raise RunError(explain(given, hint="run the fit again: it goes on from its chains")) from None
    return data, facts


def _table(failures: Sequence[Failure], names: Sequence[str]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = ["during", "experiment", "chain", "draw", "evaluation", "infeasible", "stage", "reason"]
    writer.writerow([*columns, *names])
    for row in failures:
        theta = [value if math.isfinite(value) else "" for value in row.theta]
        writer.writerow([*(getattr(row, name) for name in columns), *theta])
    return text.getvalue()
