"""Kernels against what a careful person would write: `python bench_kernels.py [--json FILE]`.

`make bench` runs this. Contestants run in turn in one process, medians of thread time; a ratio is theirs over
ours. Nothing is timed before every contestant has given the same answer. Goals are the project's, no test's.
"""

import argparse
import json
import os
import platform
import sys
from datetime import date
from pathlib import Path

for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[threads] = "1"

import numpy as np  # noqa: E402

sys.path.insert(0, str(Path(__file__).parent))
import bench_stiff  # noqa: E402
from anchors import ScikitFemCell, SciPyCell, SciPySquare  # noqa: E402
from mscale_uq.models.reference import graded_inclusions, inclusions  # noqa: E402
from mscale_uq.models.reference._inclusions import sources  # noqa: E402
from timing import medians, ratio  # noqa: E402

from mscale_uq.cell.ellipse import SmoothEllipse  # noqa: E402
from mscale_uq.cell.grid import periodic_grid  # noqa: E402
from mscale_uq.core.forward import ForwardModel  # noqa: E402
from mscale_uq.macro.rectangle import RectangleDiffusion  # noqa: E402

CELL = {"k_i": 10.0, "k_m": 1.2, "v": 0.2, "alpha": 0.6, "rho": 1.5}
EVEN = np.array([[1.9, 0.11], [0.11, 1.8]])
STATES = 32  # of the brute force, the rest is proportional


class Gate(SystemExit):
    """The contestants disagree: no figure is worth printing."""


def agree(what: str, ours: np.ndarray, theirs: np.ndarray, allowed: float) -> None:
    error = float(np.abs(ours - theirs).max() / np.abs(theirs).max())
    if not error <= allowed:
        raise Gate(f"{what}: the contestants differ by {error:.2g}, allowed {allowed:g}")


def cell_rows(elements: int, rounds: int) -> dict[str, tuple[float, float]]:
    """The cell problem with tensor and derivatives, at sampling accuracy; scikit-fem: the tensor alone."""
    shape = (elements, elements)
    k = SmoothEllipse(shape).value(CELL)["k"]
    grid, scipy, skfem = periodic_grid(shape, (1.0, 1.0)), SciPyCell(elements), ScikitFemCell(elements)
    K, dK = grid.tensor(k, "sampling")
    exact, slope = scipy.tensor(k)
    agree("cell, tensor", K, exact, 1e-6)
    agree("cell, derivative", dK, slope, 1e-3)
    agree("cell by scikit-fem", skfem.tensor(k), exact, 1e-9)
    runs = {
        "ours": lambda: grid.tensor(k, "sampling"),
        "scipy": lambda: scipy.tensor(k),
        "scikit-fem": lambda: skfem.tensor(k),
    }
    found = medians(runs, rounds)
    return {name: ratio(found, "ours", name) for name in ("scipy", "scikit-fem")}


def macro_rows(rounds: int) -> dict[str, tuple[float, float]]:
    """One solve on 64 x 64 elements against one factorisation."""
    rng = np.random.default_rng(0)
    varying = np.exp(rng.uniform(-0.6, 0.6, (64, 64, 1, 1))).reshape(-1, 1, 1) * EVEN
    rows = {}
    for name, K in (("even", EVEN), ("varying", varying)):
        stage = RectangleDiffusion((64, 64), sources(64), accuracy="sampling")
        anchor = SciPySquare(64, K, sources(64))
        agree(f"macro, {name}", stage.value({"K": K})["u"], anchor.solution(), 1e-6)
        tensors = stage._tensors({"K": K})
        runs = {"ours": lambda s=stage, t=tensors: s.solve(t, s.load, s.tolerance), "theirs": anchor.factor}
        rows[name] = ratio(medians(runs, rounds), "ours", "theirs")
    return rows


def gradient_row(model: ForwardModel, theta: np.ndarray, rounds: int) -> tuple[float, float]:
    """Value with gradient over value alone."""
    weights = np.ones(30)
    runs = {"value": lambda: model.value(theta), "both": lambda: model.linearize(theta)[1].vjp(weights)}
    return ratio(medians(runs, rounds), "value", "both")


def graded_rows(rounds: int) -> dict[str, tuple[float, float]]:
    """4096 states of 64 x 64 cells: against a cell problem each, and against the parts it is made of."""
    model = graded_inclusions.forward(cell_elements=64, elements=64, accuracy="sampling")
    theta = model.theta(xi=0.8 * np.random.default_rng(2).standard_normal(25))
    known = model.trace(theta)
    stages = {stage.name: stage for stage in model.chain.stages}
    graded, square = stages["graded K_eff"], stages["diffusion on a rectangle"]
    ellipse = SmoothEllipse((64, 64))
    grid, v = periodic_grid((64, 64), (1.0, 1.0)), known["fraction"]
    some = np.linspace(0, v.size - 1, STATES).astype(int)
    state = dict(
        zip(("k_i", "k_m", "alpha", "rho"), (10.0, 1.0, known["angle"], known["aspect"]), strict=True)
    )

    def brute():
        return np.array([grid.tensor(ellipse.value({**state, "v": v[e]})["k"], "sampling")[0] for e in some])

    agree("graded", known["K_eff"][some], brute(), 1e-6)
    given = {name: known[name] for name in graded.inputs}
    tensors = square._tensors(known)
    one = ellipse.value({**state, "v": v[0]})["k"]
    weights = np.ones(30)
    runs = {
        "graded": lambda: graded.value(given),
        "brute": brute,
        "whole": lambda: model.linearize(theta)[1].vjp(weights),
        "cell": lambda: grid.tensor(one, "sampling"),
        "macro": lambda: square.solve(tensors, square.load, square.tolerance),
    }
    found = medians(runs, rounds)
    brute_all = {"graded": found["graded"], "brute": found["brute"] * v.size / STATES}
    parts = {"parts": 9 * found["cell"] + 2 * found["macro"], "whole": found["whole"]}
    return {"brute": ratio(brute_all, "graded", "brute"), "parts": ratio(parts, "parts", "whole")}


def stiff_row(rounds: int) -> tuple[float, float]:
    """Three beats of the pacemaker cell to an error of 1e-6, against LSODA."""
    bench_stiff.one_round()  # compile
    costs = bench_stiff.compare([bench_stiff.one_round() for _ in range(rounds)])
    at = bench_stiff.ACCURACIES.index(1e-6)
    return ratio({name: cost[:, at] for name, cost in costs.items()}, "mscale_uq", "LSODA")


def rows(rounds: int) -> list[tuple[str, str, tuple[float, float], str]]:
    fine, coarse, macro = cell_rows(64, rounds), cell_rows(32, rounds), macro_rows(rounds)
    graded = graded_rows(max(3, rounds // 3))
    fast = {"cell_elements": 64, "elements": 64, "accuracy": "sampling"}
    even, varying = inclusions.forward(**fast), graded_inclusions.forward(**fast)
    return [
        ("K1", "cell 64 x 64 with derivatives, against SciPy and SuperLU", fine["scipy"], ">= 20"),
        ("K2", "cell 32 x 32 with derivatives, against SciPy and SuperLU", coarse["scipy"], ">= 15"),
        ("K3", "cell 64 x 64 with derivatives, against scikit-fem without", fine["scikit-fem"], ">= 50"),
        ("K4", "square 64 x 64, even, against one factorisation", macro["even"], ">= 20"),
        ("K4", "square 64 x 64, varying, against one factorisation", macro["varying"], ">= 8"),
        ("K5", "gradient over value, inclusions 64", gradient_row(even, even.theta(), rounds), "<= 1.5"),
        ("K5", "gradient over value, graded inclusions 64",
         gradient_row(varying, varying.theta(xi=np.zeros(25)), max(3, rounds // 3)), "<= 1.5"),
        ("K6", "4096 states with gradient, over 9 cells and 2 squares", graded["parts"], "<= 1.6"),
        ("K7", "4096 states, against a cell problem each", graded["brute"], ">= 300"),
        ("", "stiff cell of 30 states to an error of 1e-6, against LSODA", stiff_row(rounds), ">= 1"),
    ]  # fmt: skip


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--rounds", type=int, default=9)
    arguments.add_argument("--json", type=Path)
    given = arguments.parse_args()
    found = rows(given.rounds)
    machine = f"{os.cpu_count()} cores, {platform.machine()}"
    print(f"{date.today().isoformat()}, {machine}, one thread\n")
    print("| | | ratio | spread | goal |\n|---|---|---|---|---|")
    for name, meaning, (value, spread), goal in found:
        print(f"| {name} | {meaning} | {value:.3g} | {spread:.0%} | {goal} |")
    if given.json:
        table = [dict(zip(("row", "meaning", "ratio", "goal"), one, strict=True)) for one in found]
        given.json.write_text(
            json.dumps({"date": date.today().isoformat(), "machine": machine, "rows": table})
        )


if __name__ == "__main__":
    main()
