"""What a surrogate with exact weights is worth on `inclusions`: `python bench_surrogate.py [--draws N]`.

Cost of a log-likelihood with its gradient on the surrogate, against the exact one, by interleaved medians;
then the effective draws per CPU second of NUTS in plain and in effective coordinates, with the exact model,
and of the surrogate with everything charged: its building, NUTS on it, the exact likelihoods. Compiling is
left out of all three by a short run before. The means must agree within four Monte Carlo errors.
"""

import argparse
import os
import time
import warnings

for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[threads] = "1"
warnings.filterwarnings("ignore", r"\s*ArviZ is undergoing", FutureWarning)

import arviz as az  # noqa: E402
import numpy as np  # noqa: E402
from timing import medians, ratio  # noqa: E402

from mscale_uq.case.read import read_case  # noqa: E402
from mscale_uq.catalog import find_case  # noqa: E402
from mscale_uq.infer.chains import sample  # noqa: E402
from mscale_uq.infer.levels import Levels  # noqa: E402
from mscale_uq.infer.samples import Samples  # noqa: E402
from mscale_uq.infer.settings import Settings  # noqa: E402
from mscale_uq.infer.surrogate import sample_corrected  # noqa: E402
from mscale_uq.results.candidate import pareto_smoothed  # noqa: E402
from mscale_uq.stats.flat import flattened  # noqa: E402
from mscale_uq.stats.surrogate import surrogate_of  # noqa: E402


def least_ess(samples: Samples) -> float:
    return min(float(az.ess(array)) for array in samples.draws.values())


def compiled(settings: Settings, run) -> float:
    """Return CPU seconds of imports and compiling, which a run of hardly any draws consists of."""
    began = time.process_time()
    run(Settings(**{**settings.__dict__, "draws": 2, "tune": 2}))
    return time.process_time() - began


def measured(name: str, settings: Settings, run) -> tuple[str, Samples, float]:
    start = compiled(settings, run)
    began = time.process_time()
    samples = run(settings)
    seconds = time.process_time() - began - start
    ess = least_ess(samples)
    print(f"| {name} | {ess:.0f} | {seconds:.1f} | {ess / seconds:.1f} | {start:.1f} |", flush=True)
    return name, samples, ess / seconds


def agree(samples: list[Samples]) -> None:
    for name in samples[0].draws:
        tables = [one.draws[name] for one in samples]
        errors = [float(x.std() / np.sqrt(az.ess(x))) for x in tables]
        for x, error in zip(tables[1:], errors[1:], strict=True):
            assert abs(x.mean() - tables[0].mean()) < 4 * np.hypot(error, errors[0]), name


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--draws", type=int, default=300)
    arguments.add_argument("--tune", type=int, default=300)
    arguments.add_argument("--chains", type=int, default=2)
    given = arguments.parse_args()
    case = read_case(find_case("inclusions"))
    posterior = case.posterior()
    began = time.process_time()
    built = surrogate_of(posterior, case.system.stretches)
    offline = time.process_time() - began
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
    print("| | min ESS | CPU s | ESS / CPU s | compiling, s, not counted |\n|---|---|---|---|---|")
    common = {"draws": given.draws, "tune": given.tune, "chains": given.chains, "cores": 0, "seed": 11}
    plain = measured("NUTS, plain", Settings(**common, coordinates="plain"), lambda s: sample(posterior, s))
    good = measured("NUTS, effective", Settings(**common), lambda s: sample(posterior, s))
    verdicts = []

    def corrected(settings: Settings) -> Samples:
        verdicts.append(sample_corrected(Levels(posterior, [cheap]), settings, pareto_smoothed))
        return verdicts[-1].samples

    ours = measured("surrogate and exact weights", Settings(**common, sampler="surrogate"), corrected)
    agree([good[1], ours[1]])
    ess, seconds = least_ess(ours[1]), least_ess(ours[1]) / ours[2]
    charged = ess / (seconds + offline)
    print(f"\n{verdicts[-1]}")
    print(f"effective draws per exact likelihood: {ess / verdicts[-1].exact:.2f}")
    print(
        f"building charged: {charged:.1f} per CPU s, {charged / plain[2]:.0f} times NUTS in plain "
        f"coordinates, {charged / good[2]:.1f} times in effective ones"
    )


if __name__ == "__main__":
    main()
