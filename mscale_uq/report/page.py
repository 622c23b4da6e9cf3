"""The HTML page of a run: one file, no network, every label escaped."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from mscale_uq.files import replace
from mscale_uq.report import figures
from mscale_uq.report.content import (
    Measured,
    Scalar,
    effective,
    findings,
    measured,
    table_row,
    unknowns,
    verdicts,
)
from mscale_uq.report.failures import failed_at, failures
from mscale_uq.report.figures import Axis
from mscale_uq.report.held_out import coverage, held_out
from mscale_uq.report.model_error import model_error
from mscale_uq.report.surprises import surprises
from mscale_uq.report.text import share, words
from mscale_uq.results.result import Result

MOST_PAIRS = 7  # unknowns in the pair plot; more cannot be read
MOST_PANELS = 24  # of one kind
MOST_FAILED = 6  # unknowns shown with the points at which solvers failed


def write_report(result: Result) -> Path:
    """Write ``report.html`` into a run's folder and return its path."""
    replace(result.report, render(result).encode())
    return result.report


def render(result: Result) -> str:
    """Return the page."""
    environment = Environment(
        loader=PackageLoader("mscale_uq.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("report.html").render(context(result))


def context(result: Result) -> dict[str, Any]:
    """Return what the template shows."""
    scalars, made, data = unknowns(result), effective(result), measured(result)
    case_file = result.folder / "case.toml"
    with figures.styled():
        return {
            "facts": result.facts,
            "title": result.facts["question"] or words(result.facts["case"]),
            "verdict": result.diagnostics,
            "failure_rate": share(result.diagnostics.failure_rate),
            "findings": findings(scalars, result.facts.get("entangled", ())),
            "unknowns": [table_row(scalar) for scalar in scalars],
            "effective": [table_row(scalar) for scalar in made],
            "with_prior": any(scalar.prior is not None for scalar in made),
            "verdicts": verdicts([*scalars, *made]),
            "experiments": list(_experiments(result, data)),
            "held_out": held_out(data),
            "coverage": coverage(data),
            "surprises": surprises(data),
            "posteriors": list(_panels("u", scalars, _posterior)),
            "effective_panels": list(_panels("e", made, _posterior)),
            "traces": [] if result.facts["single"] else list(_panels("t", scalars, _traces)),
            "pairs": _pairs(scalars),
            "left_out": max(0, len(scalars) - MOST_PANELS),
            "failures": failures(result),
            "failure_panels": list(_failures(result)),
            "model_error": model_error(result),
            "case_text": case_file.read_text(encoding="utf-8") if case_file.is_file() else "",
            "folder": result.folder.name,
        }


def _experiments(result: Result, data: list[Measured]) -> Iterator[dict[str, Any]]:
    count = 0
    for name in result.facts["experiments"]:
        panels = []
        for one in (one for one in data if one.experiment == name):
            count += 1
            panels.append(
                {
                    "svg": _measured(one, f"d{count}-"),
                    "title": words(one.quantity),
                    "meaning": one.meaning,
                    "text": one.inside,
                }
            )
        yield {"name": name, "panels": panels}


def _measured(one: Measured, mark: str) -> Markup:
    values = np.concatenate([one.band.observed.ravel(), one.band.held.ravel(), one.band.replicated.ravel()])
    y = Axis.of(words(one.quantity), one.unit, values)
    figure = _series(one, *one.series, y) if one.series else _panel(one, y)
    figures.legend(figure)
    return Markup(figures.svg(figure, f"{one.experiment}: {words(one.quantity)}", mark))


def _series(one: Measured, along: str, rows: list[np.ndarray], y: Axis) -> Figure:
    """Draw readings at a few places, one panel under the other."""
    figure = figures.new_stack(len(rows))
    others = [name for name in one.varying if name != along]
    series = [(one.place(found[0], others), found, one.band.of(found)) for found in rows]
    values, unit = one.places[along]
    figures.profiles(figure, values, Axis.of(words(along), unit, values), y, series)
    return figure


def _panel(one: Measured, y: Axis) -> Figure:
    """Draw readings that are one number, lie along one coordinate, or have no order."""
    figure, axes = figures.new_panel()
    if one.band.observed.ndim == 0:
        figures.one_number(axes, y, one.band)
    elif len(one.varying) == 1:
        along, unit = one.places[one.varying[0]]
        figures.profile(axes, along, Axis.of(words(one.varying[0]), unit, along), y, one.band)
    else:
        left = Axis.of(
            "measured − predicted",
            one.unit,
            np.ravel([one.band.observed - one.band.middle, one.band.held - one.band.middle]),
        )
        figures.residuals(axes, y, left, one.band)
    return figure


def _panels(
    mark: str, scalars: list[Scalar], draw: Callable[[Any, Scalar], None]
) -> Iterator[dict[str, Any]]:
    for position, scalar in enumerate(scalars[:MOST_PANELS]):
        figure, axes = figures.new_panel(height=2.1)
        draw(axes, scalar)
        figures.legend(figure)
        image = Markup(figures.svg(figure, scalar.name, f"{mark}{position}-"))
        yield {"svg": image, "title": scalar.name, "text": _caption(scalar)}


def _failures(result: Result) -> Iterator[dict[str, Any]]:
    for position, (scalar, points) in enumerate(failed_at(result)[:MOST_FAILED]):
        figure, axes = figures.new_panel(height=2.1)
        draws = scalar.draws[np.isfinite(scalar.draws)]
        figures.failed(
            axes, Axis.of(scalar.name, scalar.unit, np.concatenate([draws, points])), draws, points
        )
        figures.legend(figure)
        image = Markup(figures.svg(figure, f"{scalar.name} where solvers failed", f"f{position}-"))
        yield {"svg": image, "title": scalar.name, "text": "where solvers failed, and where the draws are"}


def _posterior(axes: Any, scalar: Scalar) -> None:
    draws = scalar.draws[np.isfinite(scalar.draws)]
    axis = Axis.of(scalar.name, scalar.unit, draws)
    figures.unknown(axes, axis, draws, scalar.prior, scalar.truth)


def _traces(axes: Any, scalar: Scalar) -> None:
    figures.traces(axes, Axis.of(scalar.name, scalar.unit, scalar.draws), scalar.draws)


def _caption(scalar: Scalar) -> str:
    row = table_row(scalar)
    contraction = f"; {row['contraction']} of the prior variance is gone" if row["width"] else ""
    # A mean with its sd would reach below zero for many a skewed unknown that cannot.
    return f"{row['mean']}; 95 %: {row['interval']} {row['unit']}{contraction}"


def _pairs(scalars: list[Scalar]) -> dict[str, Any] | None:
    moving = [scalar for scalar in scalars if scalar.row["sd"] > 0][:MOST_PAIRS]
    if len(moving) < 2:
        return None
    columns = [scalar.draws.ravel() for scalar in moving]
    axis = [Axis.of(s.name, s.unit, draws) for s, draws in zip(moving, columns, strict=True)]
    image = figures.svg(figures.pairs(columns, axis), "unknowns in pairs", "p-")
    return {"svg": Markup(image), "count": len(moving)}
