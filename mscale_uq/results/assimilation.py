"""`Assimilated`: what a filter made of a case's data, as a table of readings and a table of steps.

The netCDF file has the dimensions `time`, `state`, `reading` and `parameter`; verdicts are the codes of
`mscale_uq.filters.records.Verdict`, spelled out in the attributes as the CF conventions have it.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import pandas as pd
import xarray as xr

from mscale_uq.case.assimilate import Assimilating
from mscale_uq.case.read import Case
from mscale_uq.core.parameter import Array
from mscale_uq.diagnose.innovations import Consistency, innovation_consistency, nis
from mscale_uq.errors import RunError, explain
from mscale_uq.files import replace, sync_folder
from mscale_uq.filters.estimate import state_labels
from mscale_uq.filters.follow import Estimate, Followed
from mscale_uq.filters.records import Verdict

NUMBERS, READINGS, STEPS, PAGE = "assimilation.nc", "readings.csv", "steps.csv", "assimilation.html"
OURS = (NUMBERS, READINGS, STEPS, PAGE)
MOST_REJECTED = 0.1  # share of outliers above which the filter has lost the data, or the data the model
ENDS = ("lower", "median", "upper")


@final
@dataclass(frozen=True)
class Assimilated:
    """An assimilation that was run.

    Attributes
    ----------
    folder
        Where its files lie.
    data
        All numbers.
    readings, steps
        One row per reading, one per analysis time.
    facts
        System, case, filter and its settings, seed, units.
    consistency
        Innovations against what the filter expected of them.
    """

    folder: Path
    data: xr.Dataset
    readings: pd.DataFrame
    steps: pd.DataFrame
    facts: Mapping[str, Any]
    consistency: Consistency

    @property
    def page(self) -> Path:
        """The HTML page."""
        return self.folder / PAGE

    @property
    def rejected(self) -> float:
        """Share of the readings that were outliers."""
        there = self.readings["verdict"] != Verdict.MISSING.name.lower()
        return float((self.readings["verdict"] == Verdict.OUTLIER.name.lower()).sum() / max(1, there.sum()))

    @property
    def reasons(self) -> list[str]:
        """Why the filter should not be believed; empty if it may be."""
        found, c = [], self.consistency
        if not c.freedom:
            found.append("no reading was used")
        if not c.ok:
            way = "too sure of itself" if c.ratio > c.upper else "too careful"
            band = f"{c.lower:.2f} to {c.upper:.2f}"
            found.append(
                f"the filter is {way}: squared innovations are {c.ratio:.2f} of what it expects ({band})"
            )
        if self.rejected > MOST_REJECTED:
            found.append(f"{self.rejected:.0%} of the readings were left out as outliers")
        return found


def assimilated(
    folder: Path, case: Case, plan: Assimilating, followed: Followed, facts: dict[str, Any]
) -> Assimilated:
    """Return the tables of a stream that was taken in."""
    readings, steps = _readings(case, plan, followed), _steps(plan, followed)
    data = _dataset(plan, followed, readings, steps)
    data.attrs["facts"] = json.dumps(facts)
    return Assimilated(folder, data, readings, steps, facts, innovation_consistency(followed.infos))


def prepare(folder: Path) -> None:
    """Refuse a folder that holds something else; nothing is written yet.

    Raises
    ------
    RunError
        If it is no folder, or neither empty nor that of an assimilation.
    """
    if not folder.exists():
        return
    if not folder.is_dir() or (any(folder.iterdir()) and not (folder / NUMBERS).is_file()):
        given = f"{str(folder)!r} holds something else"
        raise RunError(explain(given, "a new folder, or that of an earlier assimilation", "--out FOLDER"))


def write(result: Assimilated) -> None:
    """Put the numbers into the folder, each file whole or not at all."""
    result.folder.mkdir(parents=True, exist_ok=True)
    for name, table in ((READINGS, result.readings), (STEPS, result.steps)):
        replace(result.folder / name, table.to_csv(index=False, lineterminator="\n").encode())
    beside = result.folder / f".{NUMBERS}.{os.getpid()}.new"
    try:
        result.data.to_netcdf(beside, engine="h5netcdf")
        beside.replace(result.folder / NUMBERS)
    finally:
        beside.unlink(missing_ok=True)
    sync_folder(result.folder)


def _readings(case: Case, plan: Assimilating, followed: Followed) -> pd.DataFrame:
    """Return a row per reading of the table, in the order of time."""
    table = plan.data
    places = [c for c in case.system.coordinates if c.name in table.coordinates and c is not plan.stream.time]
    time = plan.stream.time
    parts = []
    for step, (info, rows) in enumerate(zip(followed.infos, _rows_by_step(plan), strict=True)):
        there, spread = rows >= 0, np.sqrt(np.diag(info.innovation_cov))
        outputs = [plan.stream.outputs[source] for source in info.sources]
        columns: dict[str, Any] = {f"{time.name} [{time.unit}]": np.full(rows.size, info.time)}
        columns |= {f"{c.name} [{c.unit}]": table.coordinates[c.name][rows] for c in places}
        columns["output"] = [output.name for output in outputs]
        columns["unit"] = [output.unit for output in outputs]
        columns["value"] = [table.outputs[o.name][row] for o, row in zip(outputs, rows, strict=True)]
        columns["forecast"] = columns["value"] - info.innovation
        columns["forecast_sd"] = spread
        for name, estimates in _kinds(followed).items():
            columns[name], columns[f"{name}_sd"] = estimates[step].reading, estimates[step].reading_sd
        columns["verdict"] = [Verdict(code).name.lower() for code in info.verdicts]
        parts.append(pd.DataFrame(columns)[there])
    return pd.concat(parts, ignore_index=True)


def _rows_by_step(plan: Assimilating) -> list[np.ndarray]:
    found: dict[float, list[np.ndarray]] = {}
    for observation, rows in zip(plan.stream.observations, plan.stream.rows, strict=True):
        found.setdefault(observation.time, []).append(rows)
    return [np.concatenate(rows) for rows in found.values()]


def _kinds(followed: Followed) -> dict[str, tuple[Estimate, ...]]:
    smoothed = {} if followed.smoothed is None else {"smoothed": followed.smoothed}
    return {"filtered": followed.filtered, **smoothed}


def _steps(plan: Assimilating, followed: Followed) -> pd.DataFrame:
    """Return a row per analysis time."""
    time, infos = plan.stream.time, followed.infos
    squares = [nis(info) for info in infos]
    columns: dict[str, Any] = {
        f"{time.name} [{time.unit}]": [info.time for info in infos],
        "used": [int(info.used.sum()) for info in infos],
        "log_evidence": [info.log_evidence for info in infos],
        "nis": [square for square, _ in squares],
    }
    for kind, estimates in _kinds(followed).items():
        for name, parameter in plan.learned.items():
            for position, end in enumerate(ENDS):
                label = f"{name} {kind} {end} [{parameter.unit}]"
                columns[label] = [one.learned[parameter.name][position] for one in estimates]
    columns["note"] = [info.note for info in infos]
    return pd.DataFrame(columns)


def _dataset(
    plan: Assimilating, followed: Followed, readings: pd.DataFrame, steps: pd.DataFrame
) -> xr.Dataset:
    time = plan.stream.time
    times = np.array([info.time for info in followed.infos])
    data = xr.Dataset(coords={"time": ("time", times, {"unit": time.unit, "name": time.name})})
    data["state"] = ("state", [label for label, _ in state_labels(plan.space)])
    for kind, estimates in _kinds(followed).items():
        data[f"{kind}_mean"] = (("time", "state"), np.array([one.mean for one in estimates]))
        data[f"{kind}_sd"] = (("time", "state"), np.array([one.sd for one in estimates]))
        if plan.learned:
            tracks = np.array([track(one, plan) for one in estimates])
            data[f"{kind}_parameter"] = (("time", "parameter", "end"), tracks)
    if plan.learned:
        data["prior_parameter"] = (("parameter", "end"), track(followed.first, plan))
        data["parameter"] = ("parameter", list(plan.learned))
        data["end"] = ("end", list(ENDS))
        data["parameter_unit"] = ("parameter", [p.unit for p in plan.learned.values()])
    for name in ("log_evidence", "nis", "used", "note"):
        data[name] = ("time", steps[name].to_numpy())
    for label in readings:
        name, _, unit = label.removesuffix("]").partition(" [")
        data[f"reading_{name}"] = ("reading", readings[label].to_numpy(), {"unit": unit} if unit else {})
    codes = [Verdict[word.upper()] for word in readings["verdict"]]
    flags = {
        "flag_values": [int(v) for v in Verdict],
        "flag_meanings": " ".join(v.name.lower() for v in Verdict),
    }
    data["reading_verdict"] = ("reading", np.array(codes, dtype=np.int8), flags)
    return data


def track(one: Estimate, plan: Assimilating) -> Array:
    """Return ``(parameters, 3)``: lower end, median and upper end of each learned parameter."""
    return np.array([one.learned[parameter.name] for parameter in plan.learned.values()])
