"""Samplers side by side on `inclusions`: `python bench_samplers.py [--emcee PYTHON] [--pints PYTHON] ..`.

Each PYTHON is that of an environment of its own, made from the file of that name in `peers/`. All samplers
see the same density, in the same coordinates z, standard normal under the prior; a peer asks for it through
a pair of pipes, so that its environment needs nothing of ours. Effective draws are ArviZ's least bulk ESS.
A gradient counts for one, a value alone for one as well. CPU seconds are those of both processes, tuning,
the pipes and a peer's imports included, our compiling not. What misses the moments of the first row by more
than four Monte Carlo errors is said to be off, and its figures mean nothing.
"""

import argparse
import os
import resource
import subprocess
import tempfile
import time
import warnings
from dataclasses import replace
from pathlib import Path

for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[threads] = "1"
warnings.filterwarnings("ignore", r"\s*ArviZ is undergoing", FutureWarning)

import arviz as az  # noqa: E402
import numpy as np  # noqa: E402

from mscale_uq.case.read import read_case  # noqa: E402
from mscale_uq.catalog import find_case  # noqa: E402
from mscale_uq.infer.chains import sample  # noqa: E402
from mscale_uq.infer.coordinates import to_physical, to_sampler  # noqa: E402
from mscale_uq.infer.settings import Settings  # noqa: E402

PEERS = {"emcee": "emcee_ensemble", "pints": "pints_adaptive", "tinyda": "tinyda_adaptive"}
PEER_FOLDER = Path(__file__).parent / "peers"


class Density:
    """Log-density of z and its gradient; counts, and leaves a model without an answer no probability."""

    def __init__(self, posterior) -> None:
        self.posterior, self.calls, self.seconds = posterior, 0, 0.0
        origin, one = (to_physical(posterior, np.full(len(posterior.names), x)) for x in (0.0, 1.0))
        self._logs = origin > 0  # of a lognormal unknown, dx/dz = b x; of a normal one, b
        self._scales = np.array(
            [
                np.log(b / a) if positive else b - a
                for a, b, positive in zip(origin, one, self._positive(), strict=True)
            ]
        )

    def _positive(self):
        return [type(self.posterior.priors[name]).__name__ == "LogNormal" for name in self.posterior.names]

    def __call__(self, z, gradient):
        began, theta = time.process_time(), to_physical(self.posterior, z)
        self.calls += 1
        if gradient:
            value, slope = self.posterior.log_likelihood_gradient(theta)
            chain = self._scales * np.where(self._positive(), theta, 1.0)
            found = value - 0.5 * z @ z, slope * chain - z
        else:
            found = self.posterior.log_likelihood(theta) - 0.5 * z @ z, np.zeros(z.size)
        self.seconds += time.process_time() - began
        return found


def peer(python: Path, script: str, posterior, evaluations: int):
    """Run a peer, answer its questions, and return its chains, its evaluations and the CPU seconds."""
    density, n = Density(posterior), len(posterior.names)
    density(np.zeros(n), True)
    density.calls, density.seconds = 0, 0.0
    (ask, told), (asked, answer) = os.pipe(), os.pipe()  # (read, write) each
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "said").open("w+") as noise:
        out = Path(folder) / "chains.npz"
        command = [python, PEER_FOLDER / f"{script}.py", told, asked, n, evaluations, out]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        child = subprocess.Popen(
            [*map(str, command)], pass_fds=(told, asked), stdout=subprocess.DEVNULL, stderr=noise
        )
        os.close(told), os.close(asked)
        while len(question := os.read(ask, 8 * (1 + n))) == 8 * (1 + n):
            flag, *z = np.frombuffer(question)
            value, slope = density(np.array(z), bool(flag))
            os.write(answer, np.r_[value, slope].tobytes())
        os.close(ask), os.close(answer)
        if child.wait():
            noise.seek(0)
            raise SystemExit(f"{script} failed: {noise.read()[-2000:]}")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        chains = np.load(out)["chains"]
    theirs = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return chains, density.calls, density.seconds + theirs


def ours(posterior, settings: Settings):
    """Run one of our samplers; what a run of hardly any draws takes is compiling."""
    began = time.process_time()
    sample(posterior, replace(settings, draws=2 if settings.sampler != "smc" else 20, tune=2))
    middle = time.process_time()
    samples = sample(posterior, settings)
    seconds = time.process_time() - middle - (middle - began if settings.sampler != "smc" else 0.0)
    theta = np.stack([samples.draws[name] for name in posterior.names], axis=-1)
    chains = np.array([[to_sampler(posterior, row) for row in chain] for chain in theta])
    return chains, int(samples.evaluations.sum()), seconds


def moments(chains):
    """Return means and standard deviations ``(2, n)``, and their Monte Carlo errors."""
    ess = np.array([az.ess(chains[:, :, k]) for k in range(chains.shape[2])])
    mean, sd = chains.mean(axis=(0, 1)), chains.std(axis=(0, 1))
    return np.array([mean, sd]), np.array([sd / np.sqrt(ess), sd / np.sqrt(2 * ess)]), float(ess.min())


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in PEERS:
        arguments.add_argument(f"--{name}", type=Path, metavar="PYTHON")
    arguments.add_argument("--peers-alone", action="store_true", help="no sampler of PyMC but the reference")
    arguments.add_argument("--evaluations", type=int, default=20000, help="of each peer")
    arguments.add_argument("--draws", type=int, default=500, help="of each chain of ours")
    given = arguments.parse_args()
    posterior = read_case(find_case("inclusions")).posterior()
    common = Settings(draws=given.draws, tune=300, chains=2, cores=0, seed=5)
    own = {
        "NUTS, effective coordinates": common,
        "NUTS of PyMC, plain coordinates": replace(common, coordinates="plain"),
        "SMC of PyMC": replace(common, sampler="smc"),
        "DEMetropolisZ of PyMC": replace(common, sampler="demetropolisz", draws=4000, tune=2000),
    }
    if given.peers_alone:
        own = dict(list(own.items())[:1])
    print("| | min ESS | evaluations | CPU s | ESS / 1000 evaluations | ESS / CPU s | moments |")
    print("|---|---|---|---|---|---|---|")
    reference = None
    runs = [(name, lambda s=settings: ours(posterior, s)) for name, settings in own.items()]
    for name, script in PEERS.items():
        if (python := getattr(given, name)) is not None:
            runs.append((name, lambda p=python, s=script: peer(p, s, posterior, given.evaluations)))
    for name, run in runs:
        chains, evaluations, seconds = run()
        found, errors, ess = moments(chains)
        if reference is None:
            reference = found, errors
        off = np.abs(found - reference[0]) / np.hypot(errors, reference[1])
        said = "agree" if off.max() < 4 else f"OFF by {off.max():.0f} errors"
        per_thousand = 1000 * ess / evaluations
        print(
            f"| {name} | {ess:.0f} | {evaluations} | {seconds:.1f} | {per_thousand:.1f} | "
            f"{ess / seconds:.1f} | {said} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
