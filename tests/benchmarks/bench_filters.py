"""Kalman filters side by side: `python bench_filters.py [--statsmodels PYTHON] [--dynamax PYTHON]`.

Each PYTHON is that of an environment of its own, made from `peers/statsmodels.txt` or `peers/dynamax.txt`.
One round times every program once, in turn; a figure is the median over the rounds of the processor time of
one step, predict + update + log-likelihood. All programs must find the same log-likelihood.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import one_thread  # noqa: F401

# isort: split

import numpy as np
from asking import answer_of

from mscale_uq.solve.kalman_bank import gain_series, mean_series
from mscale_uq.solve.kalman_gradient import filter_gradient
from mscale_uq.solve.kalman_kernels import SMALL, filter_large, filter_small

PEERS = Path(__file__).parent / "peers"
sys.path.insert(0, str(PEERS))
from kalman_problem import CELL_TIMES, CELLS, SIZES, bank, problem, start  # noqa: E402

DIRECTIONS = 4
ROWS = {
    "small": "one series, 4 states, 2 readings",
    "large": "one series, 40 states, 20 readings",
    "bank": "1000 cells under one model, 4 states, 2 readings",
    "gradient": f"4 states with {DIRECTIONS} derivatives of the likelihood",
}


def arrays(F, Q, H, R, times):
    n, every = len(F), np.zeros(times, dtype=np.int64)
    move = every.copy()
    move[0] = -1  # the start is already at the first reading
    return F[None], np.zeros((1, n)), Q[None], move, H[None], np.diag(R)[None].copy(), every


def series(name):
    """Time one pass of the compiled filter."""
    F, Q, H, R, y = problem(name)
    model, logs, n = arrays(F, Q, H, R, len(y)), np.zeros(len(y)), len(F)
    mean, cov = start(F, Q)
    begin = time.thread_time()
    if n <= SMALL:
        filter_small((0,) * n, mean, cov, *model, y, None, logs)
    else:
        filter_large(mean, cov, *model, y, None, logs)
    return [(time.thread_time() - begin) / len(y), logs.sum()]


def cells():
    """Time all cells: one covariance, then every cell's means."""
    F, Q, H, R, data = bank()
    F, b, Q, move, H, r, look = arrays(F, Q, H, R, CELL_TIMES)
    mean, cov = start(F[0], Q[0])
    begin = time.thread_time()
    y = np.ascontiguousarray(np.moveaxis(data, 0, -1))
    seen = ~np.isnan(y).any(axis=2)
    gains, variances, covs = (
        np.zeros((CELL_TIMES, 2, 4)),
        np.ones((CELL_TIMES, 2)),
        np.empty((CELL_TIMES, 4, 4)),
    )
    gain_series(cov, F, Q, move, H, r, look, seen, gains, variances, covs)
    means, logs = np.repeat(mean[:, None], CELLS, axis=1), np.zeros(CELLS)
    mean_series(means, F, b, move, H, look, seen, gains, variances, y, logs, None)
    return [(time.thread_time() - begin) / (CELLS * CELL_TIMES), logs.sum()]


def gradient():
    """Time one pass with derivatives along a few directions."""
    F, Q, H, R, y = problem("small")
    F, b, Q, move, H, r, look = arrays(F, Q, H, R, len(y))
    mean, cov = start(F[0], Q[0])
    p, rng = DIRECTIONS, np.random.default_rng(2)
    slopes = tuple(rng.normal(size=(p, *part.shape)) for part in (F, b, Q, H, r, r))
    logs, d_logs = np.zeros(len(y)), np.zeros((len(y), p))
    begin = time.thread_time()
    d_start = np.zeros((p, 4)), np.zeros((p, 4, 4))
    filter_gradient(mean, cov, *d_start, (F, b, Q, H, r), slopes, move, look, y, logs, d_logs)
    return [(time.thread_time() - begin) / len(y), logs.sum()]


def ours():
    return {**{name: series(name) for name in SIZES}, "bank": cells(), "gradient": gradient()}


def same_likelihood(results):
    for row in ROWS:
        logs = [result[row][1] for result in results.values() if row in result]
        if np.ptp(logs) > 1e-5 * abs(logs[0]):
            raise SystemExit(f"{row}: the programs disagree: {logs}")


def table(rounds):
    """Return medians in microseconds per step and their ratios, as Markdown."""
    names = list(rounds[0])
    lines = ["| us per step | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for row, meaning in ROWS.items():
        entries = []
        for name in names:
            if row not in rounds[0][name]:
                entries.append("")
                continue
            own = np.median([result["mscale_uq"][row][0] for result in rounds]) * 1e6
            figure = np.median([result[name][row][0] for result in rounds]) * 1e6
            ratio = "" if name == "mscale_uq" else f" ({figure / own:.1f}x)"
            entries.append(f"{figure:.3g}{ratio}")
        lines.append(f"| {meaning} | " + " | ".join(entries) + " |")
    return "\n".join(lines)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("statsmodels", "dynamax"):
        arguments.add_argument(f"--{name}", help=f"Python of the environment that holds {name}")
    arguments.add_argument("--rounds", type=int, default=21)
    arguments.add_argument("--json", type=Path)
    given = arguments.parse_args()
    peers = {
        name: subprocess.Popen(
            [getattr(given, name), str(PEERS / f"{name}_kalman.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("statsmodels", "dynamax")
        if getattr(given, name)
    }
    ours()  # compile
    rounds = []
    for _ in range(given.rounds):
        rounds.append({"mscale_uq": ours(), **{name: answer_of(peer) for name, peer in peers.items()}})
        same_likelihood(rounds[-1])
    for peer in peers.values():
        peer.stdin.close()
        peer.wait()
    print(table(rounds))
    if given.json:
        given.json.write_text(json.dumps(rounds, indent=1))


if __name__ == "__main__":
    main()
