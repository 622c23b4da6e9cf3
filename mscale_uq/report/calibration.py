"""The HTML page of a simulation-based calibration: ranks, their band, and the verdict."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from mscale_uq.diagnose.ranks import LEVEL, RankCheck
from mscale_uq.diagnose.sbc import Calibration
from mscale_uq.report import figures
from mscale_uq.report.text import words

MOST_PANELS = 24


def render(calibration: Calibration, facts: Mapping[str, Any], folder: str) -> str:
    """Return the page; `facts`: question, case, system, sampler, draws, tune, seed, hash, approximation."""
    environment = Environment(
        loader=PackageLoader("mscale_uq.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    shown = sorted(calibration.checks, key=lambda check: check.p)[:MOST_PANELS]
    with figures.styled():
        panels = [_panel(check, f"r{number}-") for number, check in enumerate(shown)]
    return environment.get_template("calibration.html").render(
        title=facts["question"] or words(facts["case"]),
        facts=facts,
        calibration=calibration,
        rows=[_row(check, check not in calibration.wrong) for check in calibration.checks],
        panels=panels,
        left_out=len(calibration.checks) - len(shown),
        level=LEVEL,
        folder=folder,
    )


def _row(check: RankCheck, good: bool) -> dict[str, Any]:
    return {
        "name": words(check.name),
        "chi_square": _p(check.chi_square_p),
        "ecdf": _p(check.ecdf_p),
        "good": good,
        "meaning": check.meaning,
    }


def _p(value: float) -> str:
    return f"{value:.2f}" if value >= 0.01 else f"{value:.1g}" if value >= 1e-4 else "< 0.0001"


def _panel(check: RankCheck, mark: str) -> dict[str, Any]:
    figure = Figure(figsize=(3.9, 1.9), layout="constrained")
    FigureCanvasSVG(figure)
    histogram, ecdf = figure.subplots(1, 2)
    _histogram(histogram, check)
    _ecdf(ecdf, check)
    image = Markup(figures.svg(figure, f"ranks of {check.name}", mark))
    return {"svg": image, "title": words(check.name), "text": f": {check.meaning}."}


def _histogram(axes: Any, check: RankCheck) -> None:
    bins = len(check.counts)
    edges = np.arange(bins + 1) * (check.kept + 1) / bins
    axes.stairs(check.counts, edges, fill=True, color=figures.POSTERIOR, alpha=0.35)
    axes.axhline(len(check.ranks) / bins, color=figures.PRIOR, linewidth=1)
    axes.set_xlabel("rank")
    axes.set_ylabel("runs")


def _ecdf(axes: Any, check: RankCheck) -> None:
    axes.fill_between(
        check.z,
        check.lower - check.z,
        check.upper - check.z,
        step="mid",
        color=figures.PRIOR,
        alpha=0.3,
        linewidth=0,
    )
    axes.axhline(0, color=figures.PRIOR, linewidth=0.8)
    axes.step(check.z, check.ecdf - check.z, where="mid", color=figures.POSTERIOR, linewidth=1.2)
    axes.set_xlabel("rank / draws")
    axes.set_ylabel("share − expected")
