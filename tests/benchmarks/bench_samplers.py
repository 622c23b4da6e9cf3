"""Samplers side by side on `inclusions`: `python bench_samplers.py [ROW ...] [--tinyda PYTHON] ..`.

Each PYTHON is that of an environment of its own, made from the file of that name in `peers/`. All samplers
see the same density, in the same coordinates z, standard normal under the prior; a peer asks for it through
a pair of pipes, so that its environment needs nothing of ours. Effective draws are ArviZ's least bulk ESS.
A gradient counts for one, a value alone for one as well; those on the coarse level of delayed acceptance are
not counted, but their seconds are. CPU seconds are those of both processes: tuning, the building of a
surrogate, the pipes and a peer's imports are charged, our compiling (but of SMC) is not. Moments must be
those of a stored long run within four Monte Carlo errors; the table says how fine that is.
"""

import argparse
import json
import os
import time
import warnings
from dataclasses import replace
from pathlib import Path

for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[threads] = "1"
warnings.filterwarnings("ignore", r"\s*ArviZ is undergoing", FutureWarning)

from reference_posterior import in_z, moments, stored  # noqa: E402
from remote_density import Density, coarse_posterior, peer  # noqa: E402

from mscale_uq.case.read import read_case  # noqa: E402
from mscale_uq.catalog import find_case  # noqa: E402
from mscale_uq.infer.chains import sample  # noqa: E402
from mscale_uq.infer.levels import Levels  # noqa: E402
from mscale_uq.infer.settings import Settings  # noqa: E402
from mscale_uq.infer.surrogate import sample_corrected  # noqa: E402
from mscale_uq.results.candidate import pareto_smoothed  # noqa: E402
from mscale_uq.stats.flat import flattened  # noqa: E402
from mscale_uq.stats.surrogate import surrogate_of  # noqa: E402

# Row -> the environment it needs, its script.
PEERS = {
    "emcee": ("emcee", "emcee_ensemble"),
    "pints": ("pints", "pints_adaptive"),
    "tinyda": ("tinyda", "tinyda_adaptive"),
    "tinyda-delayed": ("tinyda", "tinyda_delayed"),
    "cuqipy": ("cuqipy", "cuqipy_nuts"),
}
BASE = Settings(tune=300, chains=2, cores=0, seed=5)
OWN = {
    "nuts": BASE,
    "surrogate": replace(BASE, sampler="surrogate"),
    "nuts-plain": replace(BASE, coordinates="plain"),
    "nutpie-plain": replace(BASE, sampler="nutpie", coordinates="plain"),
    "smc": replace(BASE, sampler="smc"),
    "demetropolisz": replace(BASE, sampler="demetropolisz", tune=2000),
}


def drawn(case, posterior, settings: Settings):
    """Run one of our samplers, a surrogate built anew."""
    if settings.sampler != "surrogate":
        return sample(posterior, settings)
    cheap = flattened(surrogate_of(posterior, case.system.stretches).posterior)
    return sample_corrected(Levels(posterior, [cheap]), settings, pareto_smoothed).samples


def compiling(posterior, settings: Settings) -> float:
    """Return the CPU seconds of a run of hardly any draws, all of it compiling."""
    began = time.process_time()
    sampler = "nuts" if settings.sampler == "surrogate" else settings.sampler
    sample(posterior, replace(settings, sampler=sampler, draws=2, tune=2))
    return time.process_time() - began


def ours(case, settings: Settings):
    """Return chains, evaluations and CPU seconds of one of our samplers."""
    posterior = case.posterior()
    if settings.sampler == "smc":  # a run of no draws is no run: it compiles in one of few particles
        sample(posterior, replace(settings, draws=20))
        spent = 0.0
    else:
        compiling(posterior, settings)  # with all that a process does once
        spent = compiling(posterior, settings)
    began = time.process_time()
    samples = drawn(case, posterior, settings)
    seconds = time.process_time() - began - spent
    return in_z(posterior, samples), int(samples.evaluations.sum()), seconds


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", help=f"of {', '.join([*OWN, *PEERS])}; all that can be if none")
    for name in sorted({environment for environment, _ in PEERS.values()}):
        parser.add_argument(f"--{name}", type=Path, metavar="PYTHON")
    parser.add_argument("--evaluations", type=int, default=20000, help="of each peer")
    parser.add_argument("--draws", type=int, default=500, help="of each chain of ours")
    parser.add_argument("--json", type=Path, help="where rows go, added to what is there")
    return parser.parse_args()


def runs(given: argparse.Namespace):
    """Return row -> what gives its chains, evaluations and seconds."""
    case = read_case(find_case("inclusions"))
    found = {row: lambda s=s: ours(case, replace(s, draws=given.draws)) for row, s in OWN.items()}
    for row, (environment, script) in PEERS.items():
        if python := getattr(given, environment):
            levels = [case.posterior(), coarse_posterior()]
            densities = [Density(level) for level in levels]
            found[row] = lambda p=python, s=script, d=densities: peer(p, s, d, given.evaluations)
    if unknown := set(given.rows) - set(found):
        raise SystemExit(f"no row, or no environment for it: {', '.join(sorted(unknown))}")
    return {row: run for row, run in found.items() if not given.rows or row in given.rows}


def main() -> None:
    given, reference = arguments(), stored()
    kept = json.loads(given.json.read_text()) if given.json and given.json.exists() else {}
    print("| | min ESS | evaluations | CPU s | ESS / 1000 evaluations | ESS / CPU s | moments |")
    print("|---|---|---|---|---|---|---|")
    for row, run in runs(given).items():
        chains, evaluations, seconds = run()
        found = moments(chains)
        said = found.verdict(reference)
        kept[row] = {"ess": found.ess, "evaluations": evaluations, "seconds": seconds, "moments": said}
        rates = f"{1000 * found.ess / evaluations:.1f} | {found.ess / seconds:.1f}"
        print(f"| {row} | {found.ess:.0f} | {evaluations} | {seconds:.1f} | {rates} | {said} |", flush=True)
        if given.json:
            given.json.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
