"""Leapfrog steps a draw in plain and in effective coordinates: `python bench_coordinates.py [NAME ...]`.

Counts, so that any machine gives the same, and effective draws per CPU second, compiling left out. The same
sampler draws from the same posterior twice; where both runs have 100 effective draws their means must agree
within four Monte Carlo errors. Cases
are the shipped ones, or these with less known: one specimen instead of three, a film whose fraction and
matrix are unknown too.
"""

import argparse
import json
import re
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import one_thread  # noqa: F401

# isort: split

import numpy as np
from runs import ENOUGH, Run, agree, cost_of, least_ess, sampled

from mscale_uq.case.read import read_case
from mscale_uq.catalog import find_case
from mscale_uq.infer.chains import sample
from mscale_uq.infer.settings import Settings
from mscale_uq.stats.posterior import Posterior


def as_shipped(text: str) -> str:
    return text


def one_specimen(text: str) -> str:
    """Keep the specimen with 40 % filler."""
    return re.sub(r'\[\[experiment\]\]\nname = "(20|60) %.*?\n\n', "", text, flags=re.DOTALL)


def less_known_film(text: str) -> str:
    """Infer the matrix and the fraction as well."""
    text = text.replace('matrix_diffusivity = "1.2e-9 m^2/s"\ncluster_fraction = 0.6\n', "")
    more = (
        'matrix_diffusivity = { dist = "lognormal", median = "1.2e-9 m^2/s", factor = 3 }\n'
        'cluster_fraction = { dist = "beta", alpha = 3, beta = 3 }\n'
    )
    return text.replace("[prior]\n", f"[prior]\n{more}")


def impedance_alone(text: str) -> str:
    """Keep the readings of impedance, and the unknowns they know of."""
    text = re.sub(r"# A slab between.*?(?=\[prior\])", "", text, flags=re.DOTALL)
    text = re.sub(r"thermal_conductivity = .*?(?=\[method\])", "\n", text, flags=re.DOTALL)
    return text[: text.index("[expect]")]


def coarse_grids(text: str) -> str:
    """Take half as many elements along each side, of cell and square."""
    return text.replace("cell_elements = 32, elements = 32", "cell_elements = 16, elements = 16")


# Row of the table -> shipped case, and what becomes of it.
ROWS: dict[str, tuple[str, Callable[[str], str]]] = {
    "inclusions": ("inclusions", as_shipped),
    "porous_medium, eight coatings": ("porous_medium", as_shipped),
    "heat_conduction, one specimen": ("heat_conduction", one_specimen),
    "biofilm_layers, matrix and fraction unknown": ("biofilm_layers", less_known_film),
    "host_circuit, five constructs and the host alone": ("host_circuit", as_shipped),
    "solid_electrolyte, impedance alone": ("solid_electrolyte", impedance_alone),
    "fe2_composite, both moduli": ("fe2_composite", as_shipped),
    "graded_inclusions": ("graded_inclusions", as_shipped),
    "coarse graded_inclusions": ("graded_inclusions", coarse_grids),
}


def posterior_of(row: str) -> Posterior:
    name, change = ROWS[row]
    text = change(find_case(name).read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.toml"
        path.write_text(text, encoding="utf-8")
        return read_case(path).posterior()


def run(posterior: Posterior, coordinates: str, draws: int, tune: int, chains: int) -> Run:
    settings = Settings(draws=draws, tune=tune, chains=chains, cores=0, seed=11, coordinates=coordinates)
    rng = np.random.default_rng(0)
    thetas = np.array([posterior.sample_prior(rng) for _ in range(11)])
    density = cost_of(posterior.log_likelihood_gradient, thetas)
    return sampled(partial(sample, posterior), settings, density)


def figures(run: Run) -> dict[str, float]:
    samples, ess, evaluations = run.samples, least_ess(run.samples), float(run.samples.evaluations.sum())
    return {
        "steps": float(samples.stats["n_steps"].mean()),
        "divergences": float(samples.stats["diverging"].sum()),
        "ess": ess,
        "ess_per_1000": 1000 * ess / evaluations,
        "ess_per_second": ess / run.work,
        "means": {name: float(np.mean(array)) for name, array in samples.draws.items()},
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("rows", nargs="*", help="beginnings of rows; all if none")
    arguments.add_argument("--draws", type=int, default=300)
    arguments.add_argument("--tune", type=int, default=300)
    arguments.add_argument("--chains", type=int, default=2)
    arguments.add_argument("--json", type=Path)
    given = arguments.parse_args()
    wanted = [row for row in ROWS if not given.rows or row.startswith(tuple(given.rows))]
    found = {}
    print("| case | steps a draw, plain | effective | divergences | min ESS per 1000 gradients | | CPU s | |")
    print("|---|---|---|---|---|---|---|---|")
    for row in wanted:
        posterior = posterior_of(row)
        made = [run(posterior, c, given.draws, given.tune, given.chains) for c in ("effective", "plain")]
        if min(least_ess(one.samples) for one in made) >= ENOUGH:
            agree([one.samples for one in made])
        both = [figures(one) for one in reversed(made)]
        found[row] = dict(zip(("plain", "effective"), both, strict=True))
        plain, effective = both
        ratio, faster = (effective[of] / plain[of] for of in ("ess_per_1000", "ess_per_second"))
        print(
            f"| {row} | {plain['steps']:.1f} | {effective['steps']:.1f} | "
            f"{plain['divergences']:.0f}, {effective['divergences']:.0f} | "
            f"{plain['ess_per_1000']:.1f}, {effective['ess_per_1000']:.1f} | {ratio:.1f}x | "
            f"{plain['ess_per_second']:.2f}, {effective['ess_per_second']:.2f} | {faster:.1f}x |",
            flush=True,
        )
        if given.json:
            given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
