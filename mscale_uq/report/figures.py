"""Drawings of a report: small panels, one question each, as SVG that can stand in one page with others."""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from mscale_uq.core.parameter import Array
from mscale_uq.diagnose.identifiability_text import signed
from mscale_uq.report.band import Band
from mscale_uq.report.text import axis_unit, scale, share

POSTERIOR, PRIOR, DATA, TRUTH = "#1f5f8b", "#9a9a9a", "#111111", "#c8501e"
CHAINS = ("#1f5f8b", "#c8501e", "#3f8f5f", "#8a6fb0", "#b08a2e", "#5fa8c8")
STYLE: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["Helvetica Neue", "Helvetica", "Arial", "DejaVu Sans"],
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.formatter.useoffset": False,
    "axes.labelcolor": "#333333",
    "xtick.color": "#555555",
    "ytick.color": "#555555",
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "mscale_uq",  # the same drawing, the same text
}
PANEL = (3.9, 2.5)
STACKED = 1.1  # height of one of several panels under each other
CROWD = 40  # readings: broad bars of more would hide each other
LONGEST_UPRIGHT = 24  # letters that fit along the side of a panel


@final
@dataclass(frozen=True)
class Axis:
    """A quantity along an axis: its name and unit, and the power of ten taken out of its numbers."""

    name: str
    unit: str
    power: int

    @staticmethod
    def of(name: str, unit: str, values: Array) -> "Axis":
        """Choose the power of ten for some values."""
        seen = np.abs(values[np.isfinite(values)])
        return Axis(name, unit, scale(float(seen.max()) if seen.size else 0.0))

    @property
    def label(self) -> str:
        """Name and unit."""
        return f"{self.name}{axis_unit(self.unit, self.power)}"

    @property
    def stacked(self) -> str:
        """The label of an upright axis: the unit on a line of its own where one line would be too long."""
        return self.label if len(self.label) <= LONGEST_UPRIGHT else self.label.replace(" (", "\n(")

    def __call__(self, values: Array | float) -> Array:
        """Return values as they stand on the axis."""
        return np.asarray(values, dtype=float) / 10.0**self.power


def new_panel(width: float = PANEL[0], height: float = PANEL[1]) -> tuple[Figure, Any]:
    """Return a figure and its one set of axes."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasSVG(figure)
    return figure, figure.subplots()


def new_stack(count: int) -> Figure:
    """Return a figure and panels under each other, which share both axes."""
    figure = Figure(figsize=(PANEL[0], 0.7 + STACKED * count), layout="constrained")
    FigureCanvasSVG(figure)
    figure.subplots(count, 1, sharex=True, sharey=True)
    return figure


def legend(figure: Figure) -> None:
    """Put what is what above the panel, where it hides nothing; a single item needs no name."""
    drawn = [axes.get_legend_handles_labels() for axes in figure.axes]
    known = {
        label: handle for handles, labels in drawn for handle, label in zip(handles, labels, strict=True)
    }
    if len(known) > 1:
        figure.legend(
            known.values(),
            known,
            loc="outside upper left",
            ncols=len(known),
            fontsize=7,
            handlelength=1.3,
            columnspacing=1,
        )


def svg(figure: Figure, title: str, mark: str) -> str:
    """Return a figure as SVG for a page: no size of its own, identifiers that begin with `mark`."""
    out = io.StringIO()
    layout = figure.get_layout_engine()
    if layout is not None:
        layout.execute(figure)
        figure.set_layout_engine("none")
    for patch in (figure.patch, *(axes.patch for axes in figure.axes)):
        patch.set(facecolor="none", edgecolor="none")
    figure.set_dpi(150)
    # Not `savefig`: it draws a figure that ever had a layout once more before it writes it.
    FigureCanvasSVG(figure).print_svg(out, metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*pt" height="[^"]*pt"', r"\1", text, count=1)
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', text))
    text = re.sub(r' id="([^"]+)"', lambda m: f' id="{mark}{m[1]}"' if m[1] in used else "", text)
    text = re.sub(r'(href="#|url\(#)', rf"\g<1>{mark}", text)
    heading = title.replace("&", "&amp;").replace("<", "&lt;")
    return text.replace(">", f' role="img"><title>{heading}</title>', 1).strip()


def styled() -> Any:
    """Return the context in which figures are drawn and written."""
    return mpl.rc_context(STYLE)


def profile(axes: Any, along: Array, x: Axis, y: Axis, band: Band) -> None:
    """Readings along one coordinate, with the bands in which the posterior expects them."""
    order = np.argsort(along, kind="stable")
    places = x(along[order])
    for level, shade in ((0.95, 0.15), (0.5, 0.25)):
        low, high = y(band.quantiles(level)[:, order])
        axes.fill_between(
            places, low, high, color=POSTERIOR, alpha=shade, linewidth=0, label=f"{share(level)} expected"
        )
    axes.plot(places, y(band.middle[order]), color=POSTERIOR, linewidth=1.2, label="median")
    _readings(axes, places, y(band.observed[order]), y(band.held[order]))
    axes.set_xlabel(x.label)
    axes.set_ylabel(y.stacked)


def profiles(
    figure: Figure, along: Array, x: Axis, y: Axis, series: Sequence[tuple[str, np.ndarray, Band]]
) -> None:
    """Readings along one coordinate, a panel for each series: its name, its rows of `along`, its band."""
    for axes, (name, rows, band) in zip(figure.axes, series, strict=True):
        profile(axes, along[rows], x, y, band)
        axes.set_title(name, loc="left", fontsize=8, pad=2)
        axes.set_ylabel("")
        axes.label_outer()
    figure.supylabel(y.label, fontsize=9, color=STYLE["axes.labelcolor"])


def _readings(axes: Any, places: Array, used: Array, held: Array) -> None:
    """Draw the readings that were used as dots, and those that were held out as open circles."""
    if np.isfinite(used).any():
        axes.plot(places, used, "o", color=DATA, markersize=3, label="measured")
    if np.isfinite(held).any():
        axes.plot(places, held, "o", color=TRUTH, markerfacecolor="white", markersize=4, label="held out")


def residuals(axes: Any, x: Axis, y: Axis, band: Band) -> None:
    """Readings at places without an order: what the prediction leaves, with 95 % intervals."""
    middle = band.middle
    low, high = y(band.quantiles(0.95) - middle)
    places = x(middle)
    width = 3 if places.size <= CROWD else 1
    axes.axhline(0, color=PRIOR, linewidth=0.8)
    axes.vlines(places, low, high, color=POSTERIOR, alpha=0.35, linewidth=width, label="95 % expected")
    _readings(axes, places, y(band.observed - middle), y(band.held - middle))
    axes.set_xlabel(f"predicted {x.label}")
    axes.set_ylabel(y.stacked)


def one_number(axes: Any, y: Axis, band: Band) -> None:
    """A single reading against the law the posterior expects it from."""
    draws = y(band.replicated).ravel()
    density(axes, draws[np.isfinite(draws)], POSTERIOR, "expected")
    for reading, color, label in ((band.observed, DATA, "measured"), (band.held, TRUTH, "held out")):
        if np.isfinite(reading):
            axes.axvline(float(y(reading).item()), color=color, linewidth=1.2, label=label)
    axes.set_xlabel(y.label)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)


def density(axes: Any, draws: Array, color: str, label: str | None = None) -> None:
    """A histogram of draws, filled; nothing where there are none."""
    if not draws.size:
        return
    bins = int(np.clip(np.sqrt(draws.size), 12, 30))
    axes.hist(draws, bins=bins, density=True, histtype="stepfilled", color=color, alpha=0.35, label=label)
    axes.hist(draws, bins=bins, density=True, histtype="step", color=color, linewidth=1)


def unknown(axes: Any, x: Axis, draws: Array, prior: tuple[Array, Array] | None, truth: float | None) -> None:
    """Posterior and prior of one unknown, in a window where both can be seen."""
    density(axes, x(draws), POSTERIOR, "posterior")
    low, high = float(np.min(draws)), float(np.max(draws))
    reach = 1.5 * (high - low)
    if prior is not None:
        places, heights = prior
        axes.plot(x(places), heights * 10.0**x.power, color=PRIOR, linewidth=1.5, label="prior")
        low = min(low, max(low - reach, float(places[0])))
        high = max(high, min(high + reach, float(places[-1])))
    if truth is not None:
        axes.axvline(float(x(truth)), color=TRUTH, linewidth=1.2, linestyle="--", label="expected")
        low, high = min(low, truth), max(high, truth)
    if high > low:
        axes.set_xlim(float(x(low)), float(x(high)))
    axes.set_ylim(bottom=0)
    axes.set_xlabel(x.label)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)


def failed(axes: Any, x: Axis, draws: Array, points: Array) -> None:
    """One unknown where solvers failed, against its draws."""
    density(axes, x(draws), POSTERIOR, "draws")
    density(axes, x(points), TRUTH, "failed")
    axes.set_ylim(bottom=0)
    axes.set_xlabel(x.label)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)


def traces(axes: Any, y: Axis, draws: Array) -> None:
    """The chains of one unknown, draw by draw, thinned to what the eye can tell apart."""
    step = max(1, draws.shape[1] // 300)
    for chain, row in enumerate(draws):
        color = CHAINS[chain % len(CHAINS)]
        axes.plot(np.arange(0, row.size, step), y(row[::step]), color=color, linewidth=0.6, alpha=0.8)
    axes.set_xlabel("draw")
    axes.set_ylabel(y.stacked)


def pairs(columns: Sequence[Array], axis: Sequence[Axis]) -> Figure:
    """Every unknown against every other: clouds below the diagonal, correlations above it."""
    count = len(columns)
    figure = Figure(figsize=(1.5 * count + 0.6, 1.35 * count + 0.5), layout="constrained")
    FigureCanvasSVG(figure)
    grid = figure.subplots(count, count, squeeze=False)
    step = max(1, columns[0].size // 800)
    for row in range(count):
        for column in range(count):
            _pair(grid[row, column], row, column, columns, axis, step)
    return figure


def _pair(
    axes: Any, row: int, column: int, columns: Sequence[Array], axis: Sequence[Axis], step: int
) -> None:
    last = len(columns) - 1
    across, up = axis[column](columns[column]), axis[row](columns[row])
    if row == column:
        density(axes, across, POSTERIOR)
        axes.set_yticks([])
    elif row > column:
        axes.plot(across[::step], up[::step], ".", color=POSTERIOR, markersize=2, alpha=0.35, rasterized=True)
    else:
        axes.set_axis_off()
        strength = float(np.corrcoef(across, up)[0, 1])
        axes.text(0.5, 0.5, signed(strength, 2), ha="center", va="center", transform=axes.transAxes,
                  fontsize=8 + 6 * abs(strength), color="#333333")  # fmt: skip
    axes.tick_params(labelsize=7, labelbottom=row == last, labelleft=column == 0 and row > 0)
    axes.locator_params(nbins=3)
    if row == last:
        axes.set_xlabel(axis[column].label.replace(" (", "\n("), fontsize=8)
    if column == 0 and row > 0:
        axes.set_ylabel(axis[row].label.replace(" (", "\n("), fontsize=8)
