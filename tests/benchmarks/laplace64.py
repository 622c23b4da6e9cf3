"""All 64 coefficients of the membrane benchmark, by two methods that share neither sampler nor solver.

    python tests/benchmarks/laplace64.py nuts FOLDER [--draws 1000] [--tune 1000] [--chains 4] [--cores 2]
    python tests/benchmarks/laplace64.py pcn FOLDER [--steps 10000000] [--chains 2] [--cores 2]
                                             [--whiten NUTS_FOLDER]
    python tests/benchmarks/laplace64.py agree NUTS_FOLDER PCN_FOLDER

`nuts` runs the shipped case through the chain driver (it goes on where it was stopped) and reports min-ESS
per second of sampling. The measurements are symmetric under exchange of x and y, so the posterior is: the
means of ln a and of its transpose are compared in Monte Carlo standard errors. `pcn` runs Crank-Nicolson
chains, without derivatives, on a banded solver written here. Without `--whiten` their reference is the prior,
as for any field; with it, the normal law of the other run's draws, which changes their speed and not what
they converge to. `agree` compares the coefficients that both methods know with 100 effective draws or more.
"""

import argparse
import json
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import arviz as az
import numpy as np
from scipy.linalg.lapack import dpbtrf, dpbtrs
from scipy.sparse import coo_array
from scipy.stats import chi2

from mscale_uq.case.read import read_case
from mscale_uq.catalog import find_case
from mscale_uq.infer.chains import sample
from mscale_uq.infer.metropolis import Metropolis
from mscale_uq.infer.proposal import CrankNicolson
from mscale_uq.infer.settings import Settings

ELEMENTS, SQUARES, SD, LOAD = 32, 8, 0.05, 10.0
PRIOR_MEAN, PRIOR_SD = 4.0, 2.0  # of ln a
THIN = 500  # steps between two kept draws of a Crank-Nicolson chain
ENOUGH = 100  # effective draws that a coefficient needs to be compared


def case():
    return read_case(find_case("reference/laplace64"))


# The second solver: bilinear elements, dead-end nodes left out, a banded Cholesky factor.

BILINEAR = np.array([[4, -1, -2, -1], [-1, 4, -1, -2], [-2, -1, 4, -1], [-1, -2, -1, 4]]) / 6.0


class Membrane:
    """Log-likelihood of ln a ``(64,)``; coefficient 8 row + column."""

    def __init__(self, data):
        inner = ELEMENTS - 1
        self.data, self.size, self.band = data, inner**2, inner + 1
        x, y = np.meshgrid(np.arange(ELEMENTS), np.arange(ELEMENTS), indexing="ij")
        x, y = x.ravel(), y.ravel()
        corners = np.stack([number(x, y), number(x + 1, y), number(x + 1, y + 1), number(x, y + 1)], axis=1)
        per_square = ELEMENTS // SQUARES
        square = (y // per_square) * SQUARES + x // per_square
        rows, columns, weights, squares = [], [], [], []
        for i in range(4):
            for j in range(4):
                keep = (corners[:, i] >= 0) & (corners[:, j] >= 0) & (corners[:, i] >= corners[:, j])
                rows.append(corners[keep, i])
                columns.append(corners[keep, j])
                squares.append(square[keep])
                weights.append(np.full(keep.sum(), BILINEAR[i, j]))
        rows, columns = np.concatenate(rows), np.concatenate(columns)
        place = columns * (self.band + 1) + rows - columns  # of a lower band matrix stored by columns
        entries = np.concatenate(weights), (place, np.concatenate(squares))
        self.assemble = coo_array(entries, shape=(self.size * (self.band + 1), SQUARES**2)).tocsr()
        self.load = np.full(self.size, LOAD / ELEMENTS**2)
        self.sensors = sensors()

    def displacement(self, log_a):
        matrix = (self.assemble @ np.exp(log_a)).reshape(self.size, self.band + 1).T
        factor, failed = dpbtrf(matrix, lower=1)
        solution, wrong = dpbtrs(factor, self.load, lower=1)
        return np.full(len(self.data), np.nan) if failed or wrong else self.sensors @ solution

    def __call__(self, log_a):
        error = self.displacement(log_a) - self.data
        return -0.5 * float(error @ error) / SD**2


def number(x, y):
    """Number of an inner node; -1 on the boundary."""
    inside = (x > 0) & (x < ELEMENTS) & (y > 0) & (y < ELEMENTS)
    return np.where(inside, (x - 1) * (ELEMENTS - 1) + y - 1, -1)


def sensors():
    """Bilinear interpolation to the 13 x 13 lattice, x slowest."""
    points = np.arange(1, 14) / 14 * ELEMENTS
    cell = points.astype(int)
    part = points - cell
    rows, columns, weights = [], [], []
    for i in range(13):
        for j in range(13):
            for dx, wx in ((0, 1 - part[i]), (1, part[i])):
                for dy, wy in ((0, 1 - part[j]), (1, part[j])):
                    node = int(number(np.array(cell[i] + dx), np.array(cell[j] + dy)))
                    if node >= 0:
                        rows.append(13 * i + j)
                        columns.append(node)
                        weights.append(wx * wy)
    return coo_array((weights, (rows, columns)), shape=(169, (ELEMENTS - 1) ** 2)).tocsr()


class Whitened:
    """Log-density of w, where z = centre + root w are standardised ln a."""

    def __init__(self, membrane, centre, root):
        self.membrane, self.centre, self.root = membrane, centre, root

    def __call__(self, w):
        z = self.centre + self.root @ w
        value = self.membrane(PRIOR_MEAN + PRIOR_SD * z) - 0.5 * float(z @ z)
        return value if np.isfinite(value) else -np.inf


def crank_nicolson_chain(task):
    folder, chain, steps, centre, root = task
    experiment = case().posterior().experiments[0]
    membrane = Membrane(np.ravel(experiment.observed["displacement"]))
    kernel = Metropolis(Whitened(membrane, centre, root), CrankNicolson())
    rng = np.random.default_rng([chain, 64])
    state, tune, kept, rates = kernel.start(0.5 * rng.standard_normal(64)), steps // 10, [], []
    begun = time.process_time()
    for step in range(tune + steps):
        if step == tune:
            state, begun = kernel.tuned(state), time.process_time()
        state, info = kernel.step(state, rng)
        rates.append(info.acceptance_rate)
        if step >= tune and step % THIN == 0:
            kept.append(PRIOR_MEAN + PRIOR_SD * (centre + root @ state.z))
    seconds = time.process_time() - begun
    np.savez(folder / f"pcn-{chain}.npz", log_a=np.array(kept), seconds=seconds)
    return {
        "chain": chain,
        "scale": state.scale,
        "acceptance": float(np.mean(rates[tune:])),
        "cpu_s": seconds,
    }


def run_pcn(options):
    folder = Path(options.folder)
    folder.mkdir(parents=True, exist_ok=True)
    centre, root = np.zeros(64), np.eye(64)
    if options.whiten:
        draws = (nuts_draws(Path(options.whiten)) - PRIOR_MEAN) / PRIOR_SD
        flat = draws.reshape(-1, 64)
        centre, root = flat.mean(axis=0), np.linalg.cholesky(np.cov(flat, rowvar=False))
    print(f"largest difference of the two solvers: {difference_of_solvers():.1e}")
    tasks = [(folder, chain, options.steps, centre, root) for chain in range(options.chains)]
    with ProcessPoolExecutor(options.cores, mp_context=get_context("spawn")) as pool:
        for line in pool.map(crank_nicolson_chain, tasks):
            print(json.dumps(line))
    seconds = sum(np.load(path)["seconds"] for path in folder.glob("pcn-*.npz"))
    describe("pcn", pcn_draws(folder), seconds, options.steps * options.chains)


def difference_of_solvers():
    posterior = case().posterior()
    experiment = posterior.experiments[0]
    membrane = Membrane(np.ravel(experiment.observed["displacement"]))
    rng = np.random.default_rng(1)
    log_as = PRIOR_MEAN + PRIOR_SD * rng.standard_normal((20, 64))
    theirs = [posterior.log_likelihood(np.exp(log_a)) for log_a in log_as]
    ours = [membrane(log_a) - 169 * np.log(np.sqrt(2 * np.pi) * SD) for log_a in log_as]
    return np.max(np.abs(np.subtract(ours, theirs) / theirs))


def run_nuts(options):
    settings = Settings(
        sampler="nuts",
        draws=options.draws,
        tune=options.tune,
        chains=options.chains,
        cores=options.cores,
        seed=64,
        target_accept=0.8,
    )
    folder = Path(options.folder)
    samples = sample(case().posterior(), settings, folder, "laplace64 benchmark")
    log_a = np.log(samples.draws["coefficient"]).reshape(options.chains, options.draws, 64)
    np.save(folder / "log_a.npy", log_a)
    leaps = np.concatenate([samples.tuning_stats["n_steps"], samples.stats["n_steps"]], axis=1)
    print(
        f"divergences {samples.stats['diverging'].sum()}, failures {len(samples.failures)}, "
        f"gradients {samples.evaluations.sum()}, leapfrog steps a draw {leaps[:, options.tune :].mean():.1f}"
    )
    describe("nuts", log_a, samples.seconds.sum(), samples.evaluations.sum())


def describe(name, log_a, seconds, evaluations):
    ess, rhat = diagnostics(log_a)
    print(
        f"{name}: ESS of ln a min {ess.min():.0f}, median {np.median(ess):.0f}; R-hat max {rhat.max():.4f}; "
        f"{seconds:.0f} s in all chains; min-ESS per second {ess.min() / seconds:.3f}, "
        f"per 1000 densities {1000 * ess.min() / evaluations:.3f}"
    )
    symmetry(log_a)


def diagnostics(log_a, method="bulk"):
    data = az.convert_to_dataset({"x": log_a})
    return az.ess(data, method=method)["x"].to_numpy(), az.rhat(data)["x"].to_numpy()


def symmetry(log_a):
    """Compare a coefficient with its mirror image, in standard errors of their difference."""
    upper = [(i, j) for i in range(SQUARES) for j in range(i)]
    here, there = np.array([8 * i + j for i, j in upper]), np.array([8 * j + i for i, j in upper])
    difference = log_a[..., here] - log_a[..., there]
    spread = difference.std(axis=(0, 1)) / np.sqrt(diagnostics(difference, "mean")[0])
    z = difference.mean(axis=(0, 1)) / spread
    worst = chi2.sf(np.max(z**2), 1)
    print(
        f"transposition: {len(z)} pairs, largest |z| {np.abs(z).max():.2f} "
        f"(p = {1 - (1 - worst) ** len(z):.2f} for the largest), mean z^2 {np.mean(z**2):.2f}"
    )


def nuts_draws(folder):
    return np.load(folder / "log_a.npy")


def pcn_draws(folder):
    return np.array([np.load(path)["log_a"] for path in sorted(folder.glob("pcn-*.npz"))])


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
    pcn.add_argument("--whiten")
    for command, arguments in (
        (nuts, {"draws": 1000, "tune": 1000, "chains": 4, "cores": 2}),
        (pcn, {"steps": 10_000_000, "chains": 2, "cores": 2}),
    ):
        for name, default in arguments.items():
            command.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
