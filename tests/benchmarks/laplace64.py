"""All 64 coefficients of the membrane benchmark, by two methods that share neither sampler nor solver.

    python tests/benchmarks/laplace64.py nuts FOLDER [--draws 1000] [--tune 1000] [--chains 4]
    python tests/benchmarks/laplace64.py pcn FOLDER [--steps 2500000] [--tune 1000000] [--chains 4]
                                             [--cores 2]
    python tests/benchmarks/laplace64.py agree NUTS_FOLDER PCN_FOLDER

`nuts` runs the shipped case through the chain driver and reports min-ESS per CPU second, tuning charged,
here one after the other: nobody counts the CPU seconds of chains that are processes of their own. The
measurements are symmetric under exchange of x and y, so the posterior is: the means of ln a and of its
transpose are compared in Monte Carlo standard errors. `pcn` runs Crank-Nicolson chains, without derivatives,
on the solver in `membrane.py`. Both go on where they were stopped. `agree` compares the coefficients that
both methods know with 100 effective draws or more.

Measured on 26 November 2026, on two cores shared with a dozen other processes:

    nuts, 2 x (400 + 1000)     R-hat 1.005, min ESS 717, no divergence, 34 leapfrog steps a draw; min-ESS 6.4
                               per 1000 gradients, 0.29 per second of wall clock; mirror images at most 3.1
                               standard errors apart (28 pairs, mean z^2 1.5)
    the same, 2000 draws       R-hat 1.005, min ESS 1732, 3 divergences; at most 2.6 standard errors (1.8);
                               all pairs jointly, in 100 batches of 40 draws: p = 0.09
    pcn, 2 x 5,000,000 steps   R-hat 1.001, min ESS 5997, 0.22 ms a step, 2.7 min-ESS per second of CPU;
                               mirror images at most 2.4 standard errors apart (0.9)
    agree, with 2000 draws     64 of 64 coefficients; means at most 2.7 standard errors apart (1.3), ratios of
                               standard deviations 0.88 to 1.06
"""

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import arviz as az
import numpy as np
from membrane import PRIOR_MEAN, PRIOR_SD, SD, THIN, log_likelihood, tuned, walk
from runs import cost_of, sampled
from scipy.stats import f

from mscale_uq.case.read import read_case
from mscale_uq.catalog import find_case
from mscale_uq.infer.chains import sample
from mscale_uq.infer.settings import Settings

BLOCK_STEPS = 100_000  # after which a Crank-Nicolson chain is written to its file
BATCHES = 100  # of all chains together, for a joint test of the mirror images
ENOUGH = 100  # effective draws that a coefficient needs to be compared


def case():
    return read_case(find_case("reference/laplace64"))


def measured():
    return np.ravel(case().posterior().experiments[0].observed["displacement"])


def run_pcn(options):
    folder = Path(options.folder)
    folder.mkdir(parents=True, exist_ok=True)
    print(f"largest difference of the two solvers: {difference_of_solvers():.1e}")
    chains = range(options.chains)
    tune(folder / "kernel.npz", options.tune)
    with ProcessPoolExecutor(options.cores, mp_context=get_context("spawn")) as pool:
        list(pool.map(run_chain, [(folder, chain, options.steps) for chain in chains]))
    kept = [np.load(folder / f"pcn-{chain}.npz") for chain in chains]
    print(
        "acceptance", [round(float(chain["accepted"] / chain["blocks"] / BLOCK_STEPS), 3) for chain in kept]
    )
    seconds = sum(float(chain["seconds"]) for chain in kept)
    describe("pcn", pcn_draws(folder), seconds, sum(int(chain["blocks"]) for chain in kept) * BLOCK_STEPS)


def tune(path, steps):
    """Find the chains' kernel, unless its file says that this was done."""
    if not path.exists():
        _, (centre, root), step = tuned(measured(), steps, np.random.default_rng([0, 64]))
        keep(path, centre=centre, root=root, step=step)


def run_chain(task):
    folder, chain, steps = task
    data, kernel = measured(), dict(np.load(folder / "kernel.npz"))
    path = folder / f"pcn-{chain}.npz"
    if not path.exists():
        begin(data, path, kernel, np.random.default_rng([chain, 64]))
    for block in range(steps // BLOCK_STEPS):
        go_on(data, path, kernel, block, np.random.default_rng([chain, block, 64]))


def begin(data, path, kernel, rng):
    """Start a chain far out, and forget its first steps."""
    start = kernel["centre"] + 2.0 * kernel["root"] @ rng.standard_normal(64)
    last = move(data, start, kernel, BLOCK_STEPS, rng)[2]
    keep(path, last=last, blocks=0, accepted=0, log_a=np.empty((0, 64)), seconds=0.0)


def go_on(data, path, kernel, block, rng):
    """Add one block of steps to a chain, unless its file has it."""
    known = dict(np.load(path))
    if known["blocks"] > block:
        return
    begun = time.process_time()
    draws, accepted, last = move(data, known["last"], kernel, BLOCK_STEPS, rng)
    known["seconds"] = known["seconds"] + time.process_time() - begun
    known["log_a"] = np.concatenate([known["log_a"], draws])
    known.update(last=last, blocks=block + 1, accepted=known["accepted"] + accepted)
    keep(path, **known)


def move(data, start, kernel, steps, rng):
    return walk(data, start, (kernel["centre"], kernel["root"]), float(kernel["step"]), steps, THIN, rng)


def keep(path, **arrays):
    new = path.with_suffix(".new.npz")
    np.savez(new, **arrays)
    new.replace(path)


def difference_of_solvers():
    posterior = case().posterior()
    data = measured()
    thetas = priors(20)
    theirs = [posterior.log_likelihood(theta) for theta in thetas]
    ours = [log_likelihood(data, np.log(a)) - 169 * np.log(np.sqrt(2 * np.pi) * SD) for a in thetas]
    return np.max(np.abs(np.subtract(ours, theirs) / theirs))


def run_nuts(options):
    settings = Settings(
        sampler="nuts",
        draws=options.draws,
        tune=options.tune,
        chains=options.chains,
        cores=0,
        seed=64,
        target_accept=0.8,
    )
    folder = Path(options.folder)
    posterior = case().posterior()
    density = cost_of(posterior.log_likelihood_gradient, priors(20))
    run = sampled(lambda s: sample(posterior, s, *kept_in(folder, s, settings)), settings, density)
    samples, seconds = run.samples, run.work
    log_a = np.log(samples.draws["coefficient"]).reshape(options.chains, options.draws, 64)
    np.save(folder / "log_a.npy", log_a)
    leaps = np.concatenate([samples.tuning_stats["n_steps"], samples.stats["n_steps"]], axis=1)
    print(
        f"divergences {samples.stats['diverging'].sum()}, failures {len(samples.failures)}, "
        f"gradients {samples.evaluations.sum()}, leapfrog steps a draw {leaps[:, options.tune :].mean():.1f}"
    )
    describe("nuts", log_a, seconds, samples.evaluations.sum())


def kept_in(folder, settings, whole):
    """Return where a run is kept: the whole one in its folder, under its name."""
    return (folder, "laplace64 benchmark") if settings == whole else (None, "")


def priors(count):
    """Return coefficients ``(count, 64)`` drawn from the prior."""
    return np.exp(PRIOR_MEAN + PRIOR_SD * np.random.default_rng(1).standard_normal((count, 64)))


def describe(name, log_a, seconds, evaluations):
    ess, rhat = diagnostics(log_a)
    print(
        f"{name}: ESS of ln a min {ess.min():.0f}, median {np.median(ess):.0f}; R-hat max {rhat.max():.4f}; "
        f"{seconds:.0f} CPU s in all chains; min-ESS per CPU second {ess.min() / seconds:.3f}, "
        f"per 1000 densities {1000 * ess.min() / evaluations:.3f}"
    )
    symmetry(log_a)


def diagnostics(log_a, method="bulk"):
    data = az.convert_to_dataset({"x": log_a})
    return az.ess(data, method=method)["x"].to_numpy(), az.rhat(data)["x"].to_numpy()


def symmetry(log_a):
    """Compare every coefficient with its mirror image, one by one in standard errors, and all jointly.

    Differences of neighbours go together, so that many large ones may be one: Hotelling's test sees that, of
    the means of batches that are far longer than draws depend on each other.
    """
    upper = [(i, j) for i in range(8) for j in range(i)]
    here, there = np.array([8 * i + j for i, j in upper]), np.array([8 * j + i for i, j in upper])
    difference = log_a[..., here] - log_a[..., there]
    spread = difference.std(axis=(0, 1)) / np.sqrt(diagnostics(difference, "mean")[0])
    z = difference.mean(axis=(0, 1)) / spread
    joint = hotelling(difference)
    print(
        f"transposition: {len(z)} pairs, largest |z| {np.abs(z).max():.2f}, mean z^2 {np.mean(z**2):.2f}; "
        f"jointly p = {joint:.2f}"
    )
    if joint < 1e-3:
        raise SystemExit("the posterior of symmetric data is not symmetric")


def hotelling(difference):
    """Return the p-value of a mean of zero for differences ``(chains, draws, n)``."""
    chains, draws, n = difference.shape
    size = chains * draws // BATCHES
    whole = difference[:, : draws // size * size]
    batches = whole.reshape(chains, -1, size, n).mean(axis=2).reshape(-1, n)
    count, mean = len(batches), batches.mean(axis=0)
    squared = count * mean @ np.linalg.solve(np.cov(batches.T), mean)
    return f.sf((count - n) / (n * (count - 1)) * squared, n, count - n)


def nuts_draws(folder):
    return np.load(folder / "log_a.npy")


def pcn_draws(folder):
    chains = [np.load(path)["log_a"] for path in sorted(folder.glob("pcn-*.npz"))]
    return np.array([chain[: min(map(len, chains))] for chain in chains])


def run_agree(options):
    first, second = nuts_draws(Path(options.folder)), pcn_draws(Path(options.other))
    ess = np.array([diagnostics(draws, "mean")[0] for draws in (first, second)])
    both = np.all(ess >= ENOUGH, axis=0)
    mean, sd = ([statistic(d, axis=(0, 1)) for d in (first, second)] for statistic in (np.mean, np.std))
    errors = [s / np.sqrt(e) for s, e in zip(sd, ess, strict=True)]
    z = ((mean[0] - mean[1]) / np.hypot(*errors))[both]
    print(
        f"{both.sum()} of 64 coefficients have ESS >= {ENOUGH} by both; means differ by at most "
        f"{np.abs(z).max():.2f} standard errors, mean z^2 {np.mean(z**2):.2f}; "
        f"ratio of sds {(sd[1] / sd[0])[both].min():.2f} to {(sd[1] / sd[0])[both].max():.2f}"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(required=True)
    nuts, pcn, agree = (commands.add_parser(name) for name in ("nuts", "pcn", "agree"))
    for command, run in ((nuts, run_nuts), (pcn, run_pcn), (agree, run_agree)):
        command.add_argument("folder")
        command.set_defaults(run=run)
    agree.add_argument("other")
    for command, arguments in (
        (nuts, {"draws": 1000, "tune": 1000, "chains": 4}),
        (pcn, {"steps": 2_500_000, "tune": 1_000_000, "chains": 4, "cores": 2}),
    ):
        for name, default in arguments.items():
            command.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
