"""What a surrogate with exact weights is worth on `inclusions`: `python bench_surrogate.py [--draws N]`.

Cost of a log-likelihood with its gradient on the surrogate, against the exact one, by interleaved medians;
then the effective draws per CPU second of NUTS in plain and in effective coordinates, with the exact model,
and of the surrogate with everything charged: its building, NUTS on it, the exact likelihoods. Compiling is
left out of all three by a short run before. The means must agree within four Monte Carlo errors, those in
plain coordinates where there are 100 effective draws.
"""

import argparse
from functools import partial

import one_thread  # noqa: F401

# isort: split

import numpy as np
from runs import ENOUGH, Run, agree, cost_of, least_ess, sampled, spent
from timing import medians, ratio

from mscale_uq.case.read import read_case
from mscale_uq.catalog import find_case
from mscale_uq.infer.chains import sample
from mscale_uq.infer.levels import Levels
from mscale_uq.infer.samples import Samples
from mscale_uq.infer.settings import Settings
from mscale_uq.infer.surrogate import sample_corrected
from mscale_uq.results.candidate import pareto_smoothed
from mscale_uq.stats.flat import flattened
from mscale_uq.stats.surrogate import surrogate_of


def row(name: str, run: Run) -> float:
    """Print a run, and return its effective draws per CPU second."""
    ess = least_ess(run.samples)
    print(f"| {name} | {ess:.0f} | {run.work:.1f} | {ess / run.work:.1f} | {run.start:.1f} |", flush=True)
    return ess / run.work


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--draws", type=int, default=300)
    arguments.add_argument("--tune", type=int, default=300)
    arguments.add_argument("--chains", type=int, default=2)
    given = arguments.parse_args()
    case = read_case(find_case("inclusions"))
    posterior = case.posterior()
    built, offline = spent(lambda: surrogate_of(posterior, case.system.stretches))
    for part in built.parts:
        print(part)
    cheap, rng = flattened(built.posterior), np.random.default_rng(0)
    thetas = [posterior.sample_prior(rng) for _ in range(10)]
    found = medians(
        {
            "exact": lambda: [posterior.log_likelihood_gradient(theta) for theta in thetas],
            "surrogate": lambda: [cheap.log_likelihood_gradient(theta) for theta in thetas],
        }
    )
    middle, spread = ratio(found, "surrogate", "exact")
    print(
        f"log-likelihood and gradient: {middle:.1f} times as fast (spread {spread:.0%}); "
        f"built in {offline:.1f} s\n"
    )
    common = {"draws": given.draws, "tune": given.tune, "chains": given.chains, "cores": 0, "seed": 11}
    exact = cost_of(posterior.log_likelihood_gradient, np.array(thetas))
    walk = partial(sample, posterior)
    ridge = sampled(walk, Settings(**common, coordinates="plain"), exact)
    good = sampled(walk, Settings(**common), exact)
    verdicts = []

    def corrected(settings: Settings) -> Samples:
        verdicts.append(sample_corrected(Levels(posterior, [cheap]), settings, pareto_smoothed))
        return verdicts[-1].samples

    # Densities of its short run are the surrogate's, whose time is nothing beside the start.
    ours = sampled(corrected, Settings(**common, sampler="surrogate"), 0.0)
    agree([good.samples, ours.samples])
    if least_ess(ridge.samples) >= ENOUGH:
        agree([good.samples, ridge.samples])
    print("| | min ESS | CPU s | ESS / CPU s | start, s, not counted |\n|---|---|---|---|---|")
    plain, effective_rate = row("NUTS, plain", ridge), row("NUTS, effective", good)
    row("surrogate and exact weights", ours)
    ess = least_ess(ours.samples)
    charged, cached = ess / (ours.work + offline), ess / ours.work
    print(f"\n{verdicts[-1]}")
    print(f"effective draws per exact likelihood: {ess / verdicts[-1].exact:.2f}")
    for how, rate in (("building charged", charged), ("the surrogate cached", cached)):
        print(
            f"{how}: {rate:.1f} per CPU s, {rate / plain:.0f} times NUTS in plain coordinates, "
            f"{rate / effective_rate:.1f} times in effective ones"
        )


if __name__ == "__main__":
    main()
