"""The periodic cell against JAX: `python bench_jax.py --jax PYTHON [--rounds N]`.

PYTHON is that of an environment made from `peers/jax.txt`. JAX solves the same cells by its own conjugate
gradients with the same preconditioner and tolerance, all of it compiled; what differs is who writes the
loops, and how the derivative is made. In turn, medians of processor time, compiling left out; no figure
before both programs have given the same tensor and the same derivative to every element.
"""

import argparse
import json
import os
import subprocess
from datetime import date
from pathlib import Path

import one_thread  # noqa: F401

# isort: split

import numpy as np
from asking import answer_of
from bench_kernels import CELL, agree
from timing import medians

from mscale_uq.cell.ellipse import SmoothEllipse
from mscale_uq.cell.grid import periodic_grid

PEER = Path(__file__).parent / "peers" / "jax_cell.py"
SIZES = (32, 64)
ENTRIES = ((0, 0), (1, 1), (0, 1))  # of the tensor, in the peer's order
MEANINGS = {
    "value": "JAX, the tensor alone",
    "differentiated": "JAX, with derivatives by its own reverse mode",
    "stationary": "JAX, told that the cell is self-adjoint",
}


def conductivity(elements: int) -> np.ndarray:
    return SmoothEllipse((elements, elements)).value(CELL)["k"]


def ours(elements: int, accuracy: str = "sampling") -> tuple[np.ndarray, np.ndarray]:
    """Return the three entries of the tensor, and their derivatives to every element."""
    K, dK = periodic_grid((elements, elements), (1.0, 1.0)).tensor(conductivity(elements), accuracy)
    return tuple(np.array([whole[entry] for entry in ENTRIES]) for whole in (K, dK))


def gate(elements: int, answers: dict[str, list]) -> None:
    """Hold every program to a direct solve's accuracy, as `bench_kernels` holds ours."""
    K, dK = ours(elements, "reference")
    for name, (tensor, slope) in {**answers, "ours": ours(elements)}.items():
        agree(f"cell {elements}, tensor, {name}", np.array(tensor), K, 1e-6)
        agree(f"cell {elements}, derivative, {name}", np.array(slope), dK, 1e-3)


def compare(peer: subprocess.Popen[str], rounds: int) -> dict[int, dict[str, float]]:
    """Return size -> program -> median seconds."""
    for elements in SIZES:
        gate(elements, answer_of(peer, json.dumps(conductivity(elements).tolist())))
    grids = {n: (periodic_grid((n, n), (1.0, 1.0)), conductivity(n)) for n in SIZES}
    found: dict[int, dict[str, list[float]]] = {n: {} for n in SIZES}
    for _ in range(rounds):
        runs = {str(n): lambda g=grid, k=k: g.tensor(k, "sampling") for n, (grid, k) in grids.items()}
        own = medians(runs, rounds=5, blocks=1)
        for n, theirs in zip(SIZES, answer_of(peer), strict=True):
            for name, one in {"ours": float(own[str(n)][0]), **theirs}.items():
                found[n].setdefault(name, []).append(one)
    return {n: {name: float(np.median(all)) for name, all in one.items()} for n, one in found.items()}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--jax", required=True, help="Python of the environment that holds JAX")
    arguments.add_argument("--rounds", type=int, default=9)
    given = arguments.parse_args()
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([given.jax, str(PEER)], **pipes) as peer:
        found = compare(peer, given.rounds)
        peer.stdin.close()
    print(f"{date.today().isoformat()}, {os.cpu_count()} cores, one thread\n")
    print("| | " + " | ".join(f"{n} x {n}" for n in SIZES) + " |\n|---" + "|---" * len(SIZES) + "|")
    rows = {"ours, with derivatives": [f"{1e3 * found[n]['ours']:.2f} ms" for n in SIZES]}
    for name, meaning in MEANINGS.items():
        rows[meaning] = [f"{found[n][name] / found[n]['ours']:.2g} x" for n in SIZES]
    for meaning, entries in rows.items():
        print(f"| {meaning} | {' | '.join(entries)} |")


if __name__ == "__main__":
    main()
