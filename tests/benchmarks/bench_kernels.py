"""Kernels against what a careful person would write: `python bench_kernels.py [--json FILE]`.

`make bench` runs this. Contestants run in turn in one process, medians of thread time; a ratio is theirs over
ours, its spread that of three blocks of rounds. Nothing is timed before every contestant has given the same
answer: tensors to 1e-6; derivatives to 1e-5 at reference accuracy, and to the 1e-3 that sampling allows
itself where that is timed; gradients of models, along a direction, to central differences of the reference,
within the same. Goals are the project's, no test's.
"""

import argparse
import json
import os
import platform
from datetime import date
from pathlib import Path

import one_thread  # noqa: F401

# isort: split

import bench_stiff
import numpy as np
from anchors import ScikitFemCell, SciPyCell, SciPySquare
from mscale_uq.models.reference import graded_inclusions, inclusions
from mscale_uq.models.reference._inclusions import sources
from timing import medians, ratio

from mscale_uq.cell.ellipse import SmoothEllipse
from mscale_uq.cell.grid import periodic_grid
from mscale_uq.core.chain import Chain
from mscale_uq.core.system import System
from mscale_uq.macro.rectangle import RectangleDiffusion

CELL = {"k_i": 10.0, "k_m": 1.2, "v": 0.2, "alpha": 0.6, "rho": 1.5}
EVEN = np.array([[1.9, 0.11], [0.11, 1.8]])
FINE = {"cell_elements": 64, "elements": 64}
HALF = {"cell_elements": 32, "elements": 32}  # where a gate solves four dozen cells at reference accuracy
SLOPES = {"reference": 1e-5, "sampling": 1e-3}  # relative errors that a derivative may have
STEP = 1e-5  # of central differences
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
    grid, skfem = periodic_grid(shape, (1.0, 1.0)), ScikitFemCell(elements)
    scipy, symmetric = SciPyCell(elements), SciPyCell(elements, symmetric=True)
    exact, slope = scipy.tensor(k)
    for accuracy, allowed in SLOPES.items():
        K, dK = grid.tensor(k, accuracy)
        agree(f"cell, tensor, {accuracy}", K, exact, 1e-6)
        agree(f"cell, derivative, {accuracy}", dK, slope, allowed)
    agree("cell by symmetric SuperLU", symmetric.tensor(k)[1], slope, 1e-9)
    agree("cell by scikit-fem", skfem.tensor(k), exact, 1e-9)
    runs = {
        "ours": lambda: grid.tensor(k, "sampling"),
        "scipy": lambda: scipy.tensor(k),
        "scipy, symmetric": lambda: symmetric.tensor(k),
        "scikit-fem": lambda: skfem.tensor(k),
    }
    found = medians(runs, rounds)
    return {name: ratio(found, "ours", name) for name in runs if name != "ours"}


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
        runs = {"ours": lambda s=stage, t=tensors: s.solver(t)(s.load, s.tolerance), "theirs": anchor.factor}
        rows[name] = ratio(medians(runs, rounds), "ours", "theirs")
    return rows


def differences_hold(what: str, system: System, theta: np.ndarray, grids: dict[str, int] = FINE) -> None:
    """Hold gradients along a direction to central differences of the reference."""
    direction = np.random.default_rng(1).standard_normal(theta.size)
    models = {accuracy: system.forward(**grids, accuracy=accuracy) for accuracy in SLOPES}
    weights = np.linspace(1.0, 2.0, models["reference"].value(theta).size)
    ahead, behind = (models["reference"].value(theta + s * STEP * direction) @ weights for s in (1, -1))
    exact = np.array([(ahead - behind) / (2 * STEP)])
    for accuracy, allowed in SLOPES.items():
        gradient = models[accuracy].linearize(theta)[1].vjp(weights)
        agree(f"{what}, gradient, {accuracy}", np.array([gradient @ direction]), exact, allowed)


def gradient_row(
    system: System, theta: np.ndarray, rounds: int, grids: dict[str, int] = FINE
) -> tuple[float, float]:
    """Value with gradient over value alone; the gate is held on `grids`."""
    differences_hold(system.name, system, theta, grids)
    model, weights = system.forward(**FINE, accuracy="sampling"), np.ones(30)
    runs = {"value": lambda: model.value(theta), "both": lambda: model.linearize(theta)[1].vjp(weights)}
    return ratio(medians(runs, rounds), "value", "both")


def graded_rows(rounds: int) -> dict[str, tuple[float, float]]:
    """4096 states of 64 x 64 cells: against a cell problem each, and against the parts it is made of."""
    model = graded_inclusions.forward(**FINE, accuracy="sampling")
    theta = model.theta(xi=0.8 * np.random.default_rng(2).standard_normal(25))
    known = model.trace(theta)
    stages = {stage.name: stage for stage in model.chain.stages}
    cells = [stages["cells of K_graded"], stages["graded K_eff"]]
    graded, square = Chain(cells, [*cells[0].inputs, "fraction"]), stages["diffusion on a rectangle"]
    ellipse = SmoothEllipse((64, 64))
    grid, v = periodic_grid((64, 64), (1.0, 1.0)), known["fraction"]
    some = np.linspace(0, v.size - 1, STATES).astype(int)
    state = dict(
        zip(("k_i", "k_m", "alpha", "rho"), (10.0, 1.0, known["angle"], known["aspect"]), strict=True)
    )

    def brute():
        return np.array([grid.tensor(ellipse.value({**state, "v": v[e]})["k"], "sampling")[0] for e in some])

    agree("graded", known["K_eff"][some], brute(), 1e-6)
    differences_hold("graded", graded_inclusions.SYSTEM, theta, HALF)
    given = {name: known[name] for name in graded.given}
    tensors = square._tensors(known)
    one = ellipse.value({**state, "v": v[0]})["k"]
    weights = np.ones(30)
    runs = {
        "graded": lambda: graded.value(given),
        "brute": brute,
        "whole": lambda: model.linearize(theta)[1].vjp(weights),
        "cell": lambda: grid.tensor(one, "sampling"),
        "macro": lambda: square.solver(tensors)(square.load, square.tolerance),
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
    even, varying = inclusions.SYSTEM, graded_inclusions.SYSTEM
    even_theta, varying_theta = even.forward().theta(), varying.forward().theta(xi=np.zeros(25))
    return [
        ("K1", "cell 64 x 64 with derivatives, against SciPy and SuperLU", fine["scipy"], ">= 20"),
        ("", "the same, SuperLU told that the matrix is symmetric", fine["scipy, symmetric"], ""),
        ("K2", "cell 32 x 32 with derivatives, against SciPy and SuperLU", coarse["scipy"], ">= 15"),
        ("K3", "cell 64 x 64 with derivatives, against scikit-fem without", fine["scikit-fem"], ">= 50"),
        ("K4", "square 64 x 64, even, against one factorisation", macro["even"], ">= 20"),
        ("K4", "square 64 x 64, varying, against one factorisation", macro["varying"], ">= 8"),
        ("K5", "gradient over value, inclusions 64", gradient_row(even, even_theta, rounds), "<= 1.5"),
        ("K5", "gradient over value, graded inclusions 64",
         gradient_row(varying, varying_theta, max(3, rounds // 3), HALF), "<= 1.5"),
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
