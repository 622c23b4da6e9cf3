"""The HTML page of an assimilation, in the look of a run's report."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from mscale_uq.files import replace
from mscale_uq.filters.records import Verdict
from mscale_uq.report import figures
from mscale_uq.report.figures import DATA, POSTERIOR, PRIOR, TRUTH, Axis
from mscale_uq.report.text import exact, interval, number, pretty_unit, words
from mscale_uq.results.assimilation import Assimilated

MOST_PANELS = 12
REACH = 1.959963984540054  # standard deviations that hold 95 % of a normal law


def write_page(result: Assimilated) -> Path:
    """Write ``assimilation.html`` into the folder and return its path."""
    replace(result.page, render(result).encode())
    return result.page


def render(result: Assimilated) -> str:
    """Return the page."""
    environment = Environment(
        loader=PackageLoader("mscale_uq.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("assimilation.html").render(context(result))


def context(result: Assimilated) -> dict[str, Any]:
    """Return what the template shows."""
    c, groups = result.consistency, list(places(result.readings))
    counts = result.readings["verdict"].value_counts()
    with figures.styled():
        return {
            "facts": result.facts,
            "title": result.facts["question"] or words(result.facts["case"]),
            "reasons": result.reasons,
            "learned": list(learned_rows(result)),
            "expected": result.facts["expected"],
            "tracks": list(_tracks(result)),
            "panels": [_place(result, k, *group) for k, group in enumerate(groups[:MOST_PANELS])],
            "left_out": max(0, len(groups) - MOST_PANELS),
            "smoothed": "smoothed_mean" in result.data,
            "ratio": f"{c.ratio:.2f}",
            "band": f"{c.lower:.2f} to {c.upper:.2f}",
            "evidence": f"{float(result.steps['log_evidence'].sum()):.3f}",
            "nis": [_nis(result)],
            "verdicts": [{"name": words(name), "count": int(n)} for name, n in counts.items()],
            "notes": sorted(set(result.steps["note"]) - {""})[:MOST_PANELS],
        }


def learned_rows(result: Assimilated) -> Iterator[dict[str, str]]:
    """Return the rows of a table: each learned parameter before and after the stream."""
    if "parameter" not in result.data:
        return
    kind = "smoothed" if "smoothed_parameter" in result.data else "filtered"
    last, first = result.data[f"{kind}_parameter"][-1].to_numpy(), result.data["prior_parameter"].to_numpy()
    units = result.data["parameter_unit"].to_numpy()
    for name, unit, before, after in zip(
        result.data["parameter"].to_numpy(), units, first, last, strict=True
    ):
        sd = (after[2] - after[0]) / (2 * REACH)
        truth = result.facts["expected"].get(name)
        yield {
            "name": words(name),
            "meaning": result.facts["meanings"][name],
            "unit": pretty_unit(unit),
            "before": number(before[1], (before[2] - before[0]) / (2 * REACH)),
            "after": number(after[1], sd),
            "interval": interval(after[0], after[2], sd),
            "truth": "" if truth is None else exact(truth),
        }


def places(readings: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Return output, the words for its place, and the readings there, for every place."""
    along = [column for column in list(readings)[1:] if "[" in column]
    for key, rows in readings.groupby(["output", *along], sort=False):
        shown = [_with_unit(label, value) for label, value in zip(along, key[1:], strict=True)]
        yield str(key[0]), ", ".join(shown), rows


def _with_unit(label: str, value: float) -> str:
    name, _, unit = label.removesuffix("]").partition(" [")
    return f"{name} = {value:.4g} {pretty_unit(unit)}".rstrip()


def _time_axis(result: Assimilated, times: Any) -> Axis:
    name, unit = result.facts["time"]
    return Axis.of(words(name), unit, np.asarray(times, dtype=float))


def _place(result: Assimilated, position: int, output: str, where: str, rows: pd.DataFrame) -> dict[str, Any]:
    figure, axes = figures.new_panel()
    times = rows.iloc[:, 0].to_numpy()
    x = _time_axis(result, times)
    y = Axis.of(words(output), rows["unit"].iloc[0], rows["value"].to_numpy())
    kind = "smoothed" if "smoothed" in rows else "filtered"
    for name, shade, label in (("forecast", 0.15, "expected"), (kind, 0.4, kind)):
        middle, spread = rows[name].to_numpy(), REACH * rows[f"{name}_sd"].to_numpy()
        low, high = y(middle - spread), y(middle + spread)
        axes.fill_between(x(times), low, high, color=POSTERIOR, alpha=shade, linewidth=0, label=label)
    axes.plot(x(times), y(rows[kind].to_numpy()), color=POSTERIOR, linewidth=1.1)
    used = rows["verdict"].str.startswith("used").to_numpy()
    values = rows["value"].to_numpy()
    axes.plot(x(times[used]), y(values[used]), "o", color=DATA, markersize=2.5, label="measured")
    if not used.all():
        axes.plot(x(times[~used]), y(values[~used]), "x", color=TRUTH, markersize=4, label="not used")
    axes.set_xlabel(x.label)
    axes.set_ylabel(y.label)
    figures.legend(figure)
    image = Markup(figures.svg(figure, f"{words(output)} {where}", f"d{position}-"))
    meaning = result.facts["meanings"][output]
    return {"svg": image, "title": words(output), "text": ": ".join(filter(None, (meaning, where)))}


def _tracks(result: Assimilated) -> Iterator[dict[str, Any]]:
    """Draw each learned parameter along the stream, prior first."""
    if "parameter" not in result.data:
        return
    times = result.data["time"].to_numpy()
    units = result.data["parameter_unit"].to_numpy()
    for position, name in enumerate(result.data["parameter"].to_numpy()):
        figure, axes = figures.new_panel(height=2.1)
        low, middle, high = result.data["filtered_parameter"][:, position].to_numpy().T
        x, y = _time_axis(result, times), Axis.of(words(name), units[position], high)
        axes.fill_between(
            x(times), y(low), y(high), color=POSTERIOR, alpha=0.25, linewidth=0, label="95 % interval"
        )
        axes.plot(x(times), y(middle), color=POSTERIOR, linewidth=1.2, label="median")
        truth = result.facts["expected"].get(name)
        if truth is not None:
            axes.axhline(float(y(truth)), color=TRUTH, linewidth=1.2, linestyle="--", label="expected")
        axes.set_xlabel(x.label)
        axes.set_ylabel(y.label)
        figures.legend(figure)
        image = Markup(figures.svg(figure, words(name), f"p{position}-"))
        yield {"svg": image, "title": words(name), "text": "as the readings came"}


def _nis(result: Assimilated) -> dict[str, Any]:
    figure, axes = figures.new_panel(height=2.1)
    steps = result.steps[result.steps["used"] > 0]
    times, freedom = steps.iloc[:, 0].to_numpy(), steps["used"].to_numpy()
    x = _time_axis(result, times)
    low, high = (scipy.stats.chi2.ppf(share, freedom) / freedom for share in (0.025, 0.975))
    axes.fill_between(
        x(times), low, high, color=PRIOR, alpha=0.25, linewidth=0, label="95 % of a right filter"
    )
    axes.plot(
        x(times), steps["nis"].to_numpy() / freedom, "o", color=POSTERIOR, markersize=2.5, label="found"
    )
    axes.axhline(1.0, color=PRIOR, linewidth=0.8)
    axes.set_xlabel(x.label)
    axes.set_ylabel("NIS per reading")
    figures.legend(figure)
    image = Markup(figures.svg(figure, "normalised innovations squared", "n-"))
    return {"svg": image, "title": "Normalised innovations squared", "text": "by their number, time by time"}


def verdict_counts(result: Assimilated) -> str:
    """Return how many readings met which verdict, in words."""
    counts = result.readings["verdict"].value_counts()
    return ", ".join(
        f"{int(counts[v.name.lower()])} {words(v.name.lower())}" for v in Verdict if v.name.lower() in counts
    )
