"""Samplers side by side on `inclusions`: `python bench_samplers.py [ROW ...] [--tinyda PYTHON] ..`.

Each PYTHON is that of an environment of its own, made from the file of that name in `peers/` (`make peers`).
All samplers see the same density, in the same coordinates z, standard normal under the prior; a peer asks
for it through a pair of pipes, so that its environment needs nothing of ours. Effective draws are ArviZ's
least bulk ESS. A gradient counts for one, a value alone for one as well; those on the coarse level of delayed
acceptance are not counted, but their seconds are.

CPU seconds are those of both processes: tuning, climbing to a mode, the building of a surrogate, the pipes.
What comes before any density, imports and compiling, is taken off for everyone: the seconds of a run of
hardly any draws, less those of its densities. Moments must be those of a stored long run within four Monte
Carlo errors; the table says how fine that is. Ratios are of effective draws per CPU second, ours over the
others', and none stands on a row that is off.

`--case graded_inclusions` takes our rows alone (nutpie is one), and holds them to the first of them.

`nuts-plain` is our own NUTS, PyMC's kernel with a climb to the mode and a dense metric, in plain coordinates;
`pymc-as-shipped` is `pm.sample` as PyMC ships it: a jittered start, a diagonal metric that begins at the
prior's scale.
"""

import argparse
import json
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path

import one_thread  # noqa: F401

# isort: split

import numpy as np
from reference_posterior import Moments, in_z, moments, stored
from remote_density import Density, coarse_posterior, peer
from runs import cost_of, sampled

from mscale_uq.case.read import read_case
from mscale_uq.catalog import find_case
from mscale_uq.infer.chains import sample
from mscale_uq.infer.ledger import Ledger
from mscale_uq.infer.levels import Levels
from mscale_uq.infer.samples import Samples
from mscale_uq.infer.settings import Settings
from mscale_uq.infer.surrogate import sample_corrected
from mscale_uq.results.candidate import pareto_smoothed
from mscale_uq.stats.flat import flattened
from mscale_uq.stats.surrogate import surrogate_of

# Row -> the environment it needs, its script.
PEERS = {
    "emcee": ("emcee", "emcee_ensemble"),
    "pints": ("pints", "pints_adaptive"),
    "tinyda": ("tinyda", "tinyda_adaptive"),
    "tinyda-delayed": ("tinyda", "tinyda_delayed"),
    "cuqipy": ("cuqipy", "cuqipy_nuts"),
}
# Evaluations of those that need more than is asked for: its warm-up alone takes the usual number.
AT_LEAST = {"cuqipy": 30000}
BRIEF = 160  # evaluations of a peer's short run
BASE = Settings(tune=300, cores=0, seed=5)
OWN = {
    "nuts": BASE,
    "surrogate": replace(BASE, sampler="surrogate"),
    "nuts-plain": replace(BASE, coordinates="plain"),
    "pymc-as-shipped": replace(BASE, coordinates="plain"),
    "nutpie-plain": replace(BASE, sampler="nutpie", coordinates="plain"),
    "smc": replace(BASE, sampler="smc"),
    "demetropolisz": replace(BASE, sampler="demetropolisz", tune=2000),
}
VALUES = {"smc", "demetropolisz"}  # samplers that ask for no gradient
# Ratio -> ours, the other's row, and the goal.
RATIOS = {
    "S1: exact, over PyMC as shipped": ("nuts", "pymc-as-shipped", 25),
    "exact, over NUTS in plain coordinates": ("nuts", "nuts-plain", None),
    "S2: exact, over tinyDA's delayed acceptance": ("nuts", "tinyda-delayed", 8),
    "S3: surrogate, over PyMC as shipped": ("surrogate", "pymc-as-shipped", 150),
    "S3: surrogate, over tinyDA's delayed acceptance": ("surrogate", "tinyda-delayed", 50),
}
GRADED = {
    "S4: exact, over nutpie in plain coordinates": ("nuts", "nutpie-plain", 5),
    "S4: surrogate, over nutpie in plain coordinates": ("surrogate", "nutpie-plain", 25),
}


@dataclass(frozen=True)
class Made:
    """Chains ``(chains, draws, n)`` in z, evaluations, and CPU seconds without the start."""

    chains: np.ndarray
    evaluations: int
    seconds: float


def corrected(case, posterior, settings: Settings) -> Samples:
    """Run the surrogate's sampler, the surrogate built anew."""
    cheap = flattened(surrogate_of(posterior, case.system.stretches).posterior)
    return sample_corrected(Levels(posterior, [cheap]), settings, pareto_smoothed).samples


def as_shipped(posterior, settings: Settings) -> Samples:
    """Run `pm.sample` with its own settings but for the numbers of draws."""
    import pymc as pm

    from mscale_uq.infer.likelihood import Likelihood
    from mscale_uq.infer.to_pymc import build_model

    ledger = Ledger()
    with build_model(posterior, Likelihood(posterior, ledger, gradient=True)):
        trace = pm.sample(
            settings.draws, tune=settings.tune, chains=settings.chains, cores=1, random_seed=settings.seed,
            progressbar=False, compute_convergence_checks=False,
        )  # fmt: skip
    draws = {name: trace.posterior[name].to_numpy() for name in posterior.variables}
    counts, none = np.array([ledger.requests]), np.zeros(1)
    return Samples("pymc", draws, {}, {}, (), counts, np.array([ledger.evaluations]), none, none, None, ())


def ours(case, row: str, settings: Settings) -> Made:
    """Run one of our samplers."""
    posterior, run, briefly = case.posterior(), None, None
    if row == "surrogate":
        run = partial(corrected, case, posterior)
        briefly = lambda s: sample(posterior, replace(s, sampler="nuts"))  # noqa: E731
    else:
        run = partial(as_shipped if row == "pymc-as-shipped" else sample, posterior)
    value = settings.sampler in VALUES
    evaluate = posterior.log_likelihood if value else posterior.log_likelihood_gradient
    rng = np.random.default_rng(0)
    density = cost_of(evaluate, np.array([posterior.sample_prior(rng) for _ in range(21)]))
    found = sampled(run, settings, density, briefly)
    return Made(in_z(posterior, found.samples), int(found.samples.evaluations.sum()), found.work)


def theirs(python: Path, row: str, case, evaluations: int) -> Made:
    """Run a peer, and take off what a short run takes beside its densities."""
    script, densities = PEERS[row][1], [Density(case.posterior()), Density(coarse_posterior())]
    start = peer(python, script, densities, BRIEF).own
    found = peer(python, script, densities, max(evaluations, AT_LEAST.get(row, 0)))
    return Made(found.chains, found.evaluations, found.own + found.densities - start)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", help=f"of {', '.join([*OWN, *PEERS])}; all that can be if none")
    for name in sorted({environment for environment, _ in PEERS.values()}):
        parser.add_argument(f"--{name}", type=Path, metavar="PYTHON")
    parser.add_argument("--case", default="inclusions", choices=("inclusions", "graded_inclusions"))
    parser.add_argument("--tune", type=int, help="of each chain of ours; as many as its row says if none")
    parser.add_argument("--evaluations", type=int, default=20000, help="of each peer")
    parser.add_argument("--draws", type=int, default=500, help="of each chain of ours")
    parser.add_argument("--chains", type=int, default=2, help="of ours")
    parser.add_argument("--json", type=Path, help="where rows go, added to what is there")
    return parser.parse_args()


def runs(given: argparse.Namespace):
    """Return row -> what gives its chains, evaluations and seconds; say which rows there are not."""
    case = read_case(find_case(given.case))
    peers = PEERS if given.case == "inclusions" else {}
    if unknown := set(given.rows) - {*OWN, *peers}:
        raise SystemExit(f"no row {', '.join(sorted(unknown))}; there are {', '.join([*OWN, *peers])}")
    wanted = given.rows or [*OWN, *peers]
    size = {"draws": given.draws, "chains": given.chains}
    if given.tune is not None:
        size["tune"] = given.tune
    found = {row: partial(ours, case, row, replace(OWN[row], **size)) for row in OWN}
    for row, (environment, _) in peers.items():
        if python := getattr(given, environment):
            found[row] = partial(theirs, python, row, case, given.evaluations)
        elif row in wanted:
            print(f"left out: {row}, for want of --{environment} PYTHON (`make peers` makes its environment)")
    return {row: run for row, run in found.items() if row in wanted}


def ratios(kept: dict[str, dict], wanted: dict[str, tuple]) -> list[dict]:
    """Return the ratios of effective draws per CPU second that the rows allow."""
    good = {row: one for row, one in kept.items() if not one["moments"].startswith("OFF")}
    rate = {row: one["ess"] / one["seconds"] for row, one in good.items()}
    return [
        {"ratio": name, "value": rate[one] / rate[other], "goal": goal}
        for name, (one, other, goal) in wanted.items()
        if one in rate and other in rate
    ]


def measure(made: Made, reference: Moments | None) -> dict:
    found = moments(made.chains)
    return {
        "ess": found.ess,
        "evaluations": made.evaluations,
        "seconds": made.seconds,
        "moments": found.verdict(reference) if reference else "what others are held to",
        "date": date.today().isoformat(),
    }


def rows_before(given: argparse.Namespace) -> dict[str, dict]:
    """Return the rows of earlier calls, if there are any, of the same case."""
    if not given.json or not given.json.exists():
        return {}
    before = json.loads(given.json.read_text())
    if before.get("case") != given.case:
        raise SystemExit(f"{given.json} holds rows of another case than {given.case}")
    return before["rows"]


def main() -> None:
    given = arguments()
    reference = stored() if given.case == "inclusions" else None
    compared = RATIOS if given.case == "inclusions" else GRADED
    kept, wanted = rows_before(given), runs(given)
    if reference is None and "nuts" not in wanted:
        raise SystemExit("other rows are held to those of nuts: name it, too")
    print("| | min ESS | evaluations | CPU s | ESS / 1000 evaluations | ESS / CPU s | moments |")
    print("|---|---|---|---|---|---|---|")
    for row, run in wanted.items():
        made = run()
        one = kept[row] = measure(made, reference)
        reference = reference or moments(made.chains)
        rates = f"{1000 * one['ess'] / one['evaluations']:.1f} | {one['ess'] / one['seconds']:.1f}"
        counts = f"{one['ess']:.0f} | {one['evaluations']} | {one['seconds']:.1f}"
        print(f"| {row} | {counts} | {rates} | {one['moments']} |", flush=True)
        if given.json:
            found = {"case": given.case, "rows": kept, "ratios": ratios(kept, compared)}
            given.json.write_text(json.dumps(found, indent=1) + "\n")
    print("\n| effective draws per CPU second | ratio | goal |\n|---|---|---|")
    for one in ratios(kept, compared):
        print(f"| {one['ratio']} | {one['value']:.3g} | {one['goal'] or ''} |")


if __name__ == "__main__":
    main()
