"""The stiff integrator beside LSODA and CVODE on a pacemaker cell: `python bench_stiff.py [--sundae PYTHON]`.

PYTHON is that of an environment of its own, made from `peers/sundae.txt`. All programs integrate the same
compiled right-hand side for a second of the cell's time, at eleven tolerances each. An error is the largest
of all states and times against a reference, in units of the largest value of that state; a straight line of
log time over log error through a program's runs says what an accuracy costs, so that programs are compared
where they are equally right, not where they were given the same tolerance. Figures are medians of thread
time over rounds, in each of which every program runs once. Goals: as fast as SciPy's LSODA, and within three
times of CVODE. Nothing is printed unless two programs agree on the reference, and each one comes to it.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import one_thread  # noqa: F401

# isort: split

import numpy as np
from asking import answer_of
from mscale_uq.models.physiology._severi2012 import rate
from numba import njit
from scipy.integrate import odeint

from mscale_uq.solve.rate import Rate
from mscale_uq.solve.stiff import Tolerances, integrate

PEERS = Path(__file__).parent / "peers"
sys.path.insert(0, str(PEERS))
from stiff_problem import ABSOLUTE, PARAMETERS, START, STOPS, timed  # noqa: E402

CELL = Rate(rate)
ACCURACIES = (1e-4, 1e-5, 1e-6, 1e-7)
AGREED, REACHED = 1e-8, 1e-6  # of two references, and of each program at its finest tolerance


class Gate(SystemExit):
    """The programs disagree: no figure is worth printing."""


@njit
def right_hand_side(t, y):
    made = np.empty_like(y)
    rate(t, y, PARAMETERS, made)
    return made


def ours(relative):
    """Run the integrator as a system does, with the stages kept for its derivatives."""
    tolerances = Tolerances(relative, ABSOLUTE * relative)
    return integrate(CELL, START, PARAMETERS, 0.0, STOPS, tolerances).at_stops


def lsoda(relative):
    """Run SciPy's LSODA, by the faster of its two doors."""
    scales = {"rtol": relative, "atol": ABSOLUTE * relative, "mxstep": 1_000_000}
    return odeint(right_hand_side, START, np.r_[0.0, STOPS], tfirst=True, **scales)[1:]


def reference():
    """Return the states on which two methods agree, and the size of each."""
    states, others = ours(1e-12), lsoda(1e-12)
    size = np.abs(states).max(axis=0)
    if not (apart := np.abs((states - others) / size).max()) <= AGREED:
        raise Gate(f"the references differ by {apart:.2g}, allowed {AGREED:g}")
    return states, size


def errors(runs, states, size):
    """Return the largest error of every run of a program."""
    return np.array([np.abs((np.asarray(found) - states) / size).max() for _, found in runs])


def cost(seconds, error):
    """Return the seconds that each of `ACCURACIES` takes, by a straight line in logarithms."""
    slope, level = np.polyfit(np.log(error), np.log(seconds), 1)
    return np.exp(level + slope * np.log(ACCURACIES))


def compare(rounds):
    """Return each program's cost ``(rounds, accuracies)`` from its runs in every round."""
    states, size = reference()
    made = {}
    for name in rounds[0]:
        error = errors(rounds[0][name], states, size)
        if not error[-1] <= REACHED:
            raise Gate(f"{name} ends {error[-1]:.2g} from the reference, allowed {REACHED:g}")
        made[name] = np.array([cost([run[0] for run in one[name]], error) for one in rounds])
    return made


def table(costs):
    """Return medians in ms, and how many times ours they are, as Markdown."""
    own = costs["mscale_uq"]
    lines = ["| ms at an error of | " + " | ".join(f"{a:g}" for a in ACCURACIES) + " |"]
    lines.append("|---" * (len(ACCURACIES) + 1) + "|")
    for name, found in costs.items():
        middle, ratio = np.median(found, axis=0) * 1e3, np.median(found / own, axis=0)
        entries = [
            f"{m:.3g}" + ("" if found is own else f" ({r:.2f}x)") for m, r in zip(middle, ratio, strict=True)
        ]
        lines.append(f"| {name} | " + " | ".join(entries) + " |")
    return "\n".join(lines)


def one_round():
    """Run every program of this process at every tolerance."""
    return {"mscale_uq": timed(ours), "LSODA": timed(lsoda)}


def start_peer(python):
    """Start CVODE's environment on our right-hand side."""
    paths = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen([python, str(PEERS / "sundae_cvode.py")], env=paths, **pipes)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--sundae", help="Python of the environment that holds scikit-sundae")
    arguments.add_argument("--rounds", type=int, default=9)
    given = arguments.parse_args()
    peer = start_peer(given.sundae) if given.sundae else None
    if peer is None:
        print("left out: CVODE, for want of --sundae PYTHON (`make peers` makes its environment)")
    one_round()  # compile
    rounds = []
    for _ in range(given.rounds):
        rounds.append({**one_round(), **(answer_of(peer) if peer else {})})
    if peer:
        peer.stdin.close()
        peer.wait()
    print(table(compare(rounds)))


if __name__ == "__main__":
    main()
