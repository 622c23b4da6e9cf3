"""A Lorenz-96 cycle of the DEnKF with 40 members, beside DAPPER: `bench_lorenz96.py --dapper PYTHON`.

PYTHON is that of its own environment: `python -m venv ENV; ENV/bin/pip install -r peers/dapper.txt`.
Blocks of both programs alternate in time; a figure is the median over the blocks of the processor time of one
cycle. "as a user runs it" includes what each program records of a cycle (here: innovation and its covariance,
log-evidence, a verdict per reading; there: its error statistics); "bare" is forecast, analysis and inflation.
"""

import argparse
import json
import subprocess
import time
from pathlib import Path

import one_thread  # noqa: F401

# isort: split

import numpy as np
from asking import answer_of
from mscale_uq.models.reference import lorenz96

from mscale_uq.core.observation import Observation
from mscale_uq.filters.denkf import DEnKF
from mscale_uq.filters.ensemble import EnsembleKalman
from mscale_uq.filters.inflation import Inflation, widened
from mscale_uq.filters.innovation import innovation
from mscale_uq.filters.loop import run

PEER = Path(__file__).parent / "peers" / "dapper_denkf.py"
FILTER = EnsembleKalman(DEnKF(), 40, Inflation(on_anomalies=1.01))
SPACE, THETA = lorenz96.space(), {"forcing": 8.0}
BURN_IN = 400
FIGURES = {"run": "as a user runs it, us", "bare": "bare, us", "rmse": "error"}


def twin(seed, cycles):
    rng = np.random.default_rng(seed)
    x, path = np.eye(40)[0] + np.sqrt(0.001) * rng.standard_normal(40), []
    for _ in range(cycles):
        x = SPACE.step(x[None], 0.0, 0.05, THETA, rng)[0]
        path.append(x)
    return np.array(path), np.array(path) + rng.standard_normal((cycles, 40))


def whole(path, data, seed):
    """Seconds per cycle of the public loop, and its error."""
    readings = [Observation(0.05 * (k + 1), "stations", "x", datum) for k, datum in enumerate(data)]
    begin = time.thread_time()
    results = list(run(FILTER, SPACE, THETA, readings, key=seed))
    seconds = (time.thread_time() - begin) / len(data)
    error = [np.sqrt(np.mean((state.mean - x) ** 2)) for (state, _), x in zip(results, path, strict=True)]
    return seconds, float(np.mean(error[BURN_IN:]))


def bare(data, seed):
    """Seconds per cycle of forecast, analysis and inflation alone."""
    members = FILTER.init(SPACE, SPACE.prepare(THETA), seed).members
    noise, rng = np.eye(40), np.random.default_rng(seed)
    begin = time.thread_time()
    for k, datum in enumerate(data):
        members = SPACE.step(members, 0.05 * k, 0.05 * (k + 1), THETA, rng)
        members = widened(FILTER.analysis.update(members, innovation(members, datum, noise)), 1.01)
    return (time.thread_time() - begin) / len(data)


def ours(seed, cycles):
    path, data = twin(seed, cycles)
    seconds, error = whole(path, data, seed)
    return {"run": seconds, "bare": bare(data, seed), "rmse": error}


def table(rows):
    """Return medians in microseconds and their ratio, as Markdown."""
    a, b = (
        {key: np.median([row[key] for row in rows[who]]) * (1 if key == "rmse" else 1e6) for key in FIGURES}
        for who in ("ours", "theirs")
    )
    lines = ["| one cycle | mscale_uq | dapper 1.7.1 | ratio |", "|---|---|---|---|"]
    for key, meaning in FIGURES.items():
        digits, ratio = (3, "") if key == "rmse" else (0, f"{b[key] / a[key]:.1f}")
        lines.append(f"| {meaning} | {a[key]:.{digits}f} | {b[key]:.{digits}f} | {ratio} |")
    return "\n".join(lines)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--dapper", required=True, help="Python of the environment that holds dapper")
    arguments.add_argument("--blocks", type=int, default=7)
    arguments.add_argument("--cycles", type=int, default=1000)
    arguments.add_argument("--json", type=Path)
    given = arguments.parse_args()
    ours(0, BURN_IN + 50)  # compile
    rows = {"ours": [], "theirs": []}
    command = [given.dapper, str(PEER)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as peer:
        for block in range(given.blocks):
            rows["theirs"].append(answer_of(peer, given.cycles))
            rows["ours"].append(ours(block, given.cycles))
        peer.stdin.close()
    print(table(rows))
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
