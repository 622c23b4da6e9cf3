"""A journal as a table: one row per reading, as it is believed now."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mscale_uq.files import replace
from mscale_uq.filters.records import Verdict
from mscale_uq.stream.view import View

READINGS, STEPS = "readings.csv", "steps.csv"


def export(view: View, folder: Path) -> None:
    """Write ``readings.csv`` and ``steps.csv`` into a folder, each whole or not at all."""
    facts = view.fact("facts") or {}
    time = "time [{}]".format(facts["time"][1]) if "time" in facts else "time"
    readings, steps = io.StringIO(), io.StringIO()
    of_readings, of_steps = csv.writer(readings, lineterminator="\n"), csv.writer(steps, lineterminator="\n")
    of_readings.writerow(
        [time, "source", "entry", "value", "forecast", "forecast_sd", "filtered", "filtered_sd", "verdict"]
    )
    of_steps.writerow(
        [time, "revision", "used", "log_evidence", "nis", "spread", *_learned_heads(view), "note"]
    )
    for change in view.steps():
        row = change.row
        of_readings.writerows(_readings(row))
        ends = [end for each in row["learned"].values() for end in _flat(each)]
        numbers = [row[key] for key in ("used", "log_evidence", "nis", "spread")]
        of_steps.writerow([row["time"], change.revision, *numbers, *ends, row["note"]])
    replace(folder / READINGS, readings.getvalue().encode())
    replace(folder / STEPS, steps.getvalue().encode())


def _readings(row: Mapping[str, Any]) -> list[list[Any]]:
    made = []
    for i, source in enumerate(row["source"]):
        value, innovation = row["value"][i], row["innovation"][i]
        forecast = None if value is None or innovation is None else value - innovation
        seen = [row["innovation_sd"][i], row["reading"][i], row["reading_sd"][i]]
        verdict = Verdict(row["verdict"][i]).name.lower()
        made.append([row["time"], source, row["entry"][i], value, forecast, *seen, verdict])
    return made


def _learned_heads(view: View) -> list[str]:
    first = view.recent(1)
    learned = first[0].row["learned"] if first else {}
    heads = []
    for name, ends in learned.items():
        size = len(_flat(ends)) // 3
        labels = [name] if size == 1 else [f"{name}[{i}]" for i in range(size)]
        heads += [f"{label} {end}" for end in ("lower", "median", "upper") for label in labels]
    return heads


def _flat(nested: Any) -> list[Any]:
    return [one for part in nested for one in _flat(part)] if isinstance(nested, list) else [nested]
