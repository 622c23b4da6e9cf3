"""What two processes are worth, for tasks and for chains: `python bench_workers.py [--tasks N] [--draws N]`.

The same gradients of the likelihood of `inclusions` here, one after another, and by two processes, in turn.
Wall clock tells the speed-up only where nothing else runs. Processor time does not mind: what the tasks cost
in the workers, and the parent with handing them out, over what they cost here, is what two free cores lose.

Two chains are drawn one after another in a process each, and both at once; what both do before their first
draws, as a run of hardly any takes it, is left out, since a longer run does it no more often.
"""

import argparse
import time
from functools import partial

import one_thread  # noqa: F401

# isort: split

import numpy as np

from mscale_uq.case.read import read_case
from mscale_uq.catalog import find_case
from mscale_uq.core.map import Map
from mscale_uq.infer.chains import sample
from mscale_uq.infer.settings import Settings
from mscale_uq.infer.workers import workers
from mscale_uq.stats.posterior import Posterior


def gradient(posterior: Posterior, theta: np.ndarray) -> tuple[float, float]:
    """Return the log-likelihood, and the processor seconds of it and its gradient."""
    began = time.thread_time()
    value, _ = posterior.log_likelihood_gradient(theta)
    return value, time.thread_time() - began


def spent(mapping: Map, posterior: Posterior, thetas: np.ndarray) -> tuple[list[float], float, float]:
    """Return values, wall seconds, and processor seconds of tasks and parent."""
    wall, own = time.perf_counter(), time.thread_time()
    found = list(mapping(partial(gradient, posterior), thetas))
    parent, inside = time.thread_time() - own, sum(seconds for _, seconds in found)
    cost = parent if mapping is map else parent + inside
    return [value for value, _ in found], time.perf_counter() - wall, cost


def walked(posterior: Posterior, cores: int, draws: int) -> float:
    """Return the wall seconds of two chains, at most `cores` of them at a time, from their first draws on."""
    spans = []
    for length in (1, draws):
        began = time.perf_counter()
        sample(posterior, Settings(draws=length, tune=100, chains=2, cores=cores, seed=3))
        spans.append(time.perf_counter() - began)
    return spans[1] - spans[0]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--tasks", type=int, default=400)
    arguments.add_argument("--rounds", type=int, default=9)
    arguments.add_argument("--draws", type=int, default=1000, help="of each chain")
    arguments.add_argument("--chain-rounds", type=int, default=2)
    given = arguments.parse_args()
    posterior, rng = read_case(find_case("inclusions")).posterior(), np.random.default_rng(0)
    thetas = np.array([posterior.sample_prior(rng) for _ in range(given.tasks)])
    rows = []
    with workers(2) as two:
        spent(two, posterior, thetas), spent(map, posterior, thetas)  # what is done once
        for _ in range(given.rounds):
            here, there = spent(map, posterior, thetas), spent(two, posterior, thetas)
            assert here[0] == there[0], "workers change values"
            rows.append((here[1] / there[1], there[2] / here[2]))
    rounds = range(given.chain_rounds)
    faster = [walked(posterior, 1, given.draws) / walked(posterior, 2, given.draws) for _ in rounds]
    spread = f"({min(faster):.2f} to {max(faster):.2f})"
    print(f"two chains, wall clock, faster: {np.median(faster):.2f} x {spread}")
    for name, ratios in zip(
        ("tasks, wall clock, faster", "tasks, processor time, more"), np.transpose(rows), strict=True
    ):
        print(f"{name}: {np.median(ratios):.2f} x ({ratios.min():.2f} to {ratios.max():.2f})")


if __name__ == "__main__":
    main()
