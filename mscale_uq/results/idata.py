"""A finished run as ArviZ groups: names, units and coordinates go with the numbers.

Beside ArviZ's own groups there are three: ``derived`` holds every named quantity on the way from parameters
to data (with the attribute ``derived`` = 1), ``prior_derived`` the same at draws of the prior, where that
does not take long, ``predicted`` the observed quantities without noise. ``derived``, ``predicted`` and the
predictive groups are on thinned draws, whose original numbers are their coordinate ``draw``. A case with
model errors has ``without_model_error`` too: draws of its unknowns as if there were none. What a case holds
out is missing in ``observed_data``, and stands in ``held_out_data``.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import arviz as az
import numpy as np
import xarray as xr

from mscale_uq.case.model import Plan
from mscale_uq.case.priors import Unknown
from mscale_uq.case.read import Case
from mscale_uq.core.parameter import Array, Quantity
from mscale_uq.core.system import System
from mscale_uq.infer.samples import Samples
from mscale_uq.results.derived import derived_groups, expected
from mscale_uq.results.entries import axes
from mscale_uq.stats.posterior import Posterior
from mscale_uq.stats.predictive import Predictions, Table

CURVE_POINTS = 201


def inference_data(
    case: Case,
    samples: Samples,
    kept: np.ndarray,
    predictions: Predictions,
    prior: Array,
    prior_made: Table,
    facts: Mapping[str, Any],
    without: Samples | None = None,
) -> az.InferenceData:
    """Return all groups.

    Parameters
    ----------
    kept
        Draw numbers of the thinned draws, the same in every chain.
    predictions
        At these draws, chain by chain.
    prior
        Prior draws of theta, ``(draws, n)``.
    prior_made
        What the stages make on the way at some prior draws; empty if that takes too long.
    facts
        What is known about the run, for the attribute ``facts``.
    without
        Draws of the same case as if its models were perfect; they become ``without_model_error``.
    """
    posterior = case.posterior()
    thinned = {"chain": np.arange(len(samples.evaluations)), "draw": kept}
    groups = {
        "posterior": _unknowns(case, samples.draws, prior, posterior),
        "sample_stats": _stats(samples),
        "prior": _unknowns(case, _split(posterior, prior), prior, posterior),
        "posterior_predictive": _data_like(case, predictions.replicated, thinned),
        "predicted": _data_like(case, predictions.predicted, thinned),
        "log_likelihood": _data_like(case, predictions.pointwise, thinned),
        "observed_data": _data_like(case, _observed(posterior), {}),
        **derived_groups(case, predictions.made, prior_made, thinned, slugs([p.name for p in case.plans])),
    }
    held = {
        (plan.name, q): np.where(m, plan.data.outputs[q], np.nan)
        for plan in case.plans
        for q, m in plan.held.items()
    }
    if held:
        groups["held_out_data"] = _data_like(case, held, {})
    if without is not None:
        groups["without_model_error"] = _unknowns(case, without.draws, prior, posterior)
    data = az.InferenceData(**groups, warn_on_custom_groups=False)
    data.attrs.update(
        case=case.name,
        seed=case.seed,
        hash=case.hash,
        versions=json.dumps(facts["versions"]),
        facts=json.dumps(facts),
    )
    return data


def slugs(names: Sequence[str]) -> dict[str, str]:
    """Return experiment -> its name in files: letters, digits and _ alone, and no two alike."""
    result: dict[str, str] = {}
    for name in names:
        slug = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_") or "experiment"
        number = sum(other.partition("-")[0] == slug for other in result.values())
        result[name] = f"{slug}-{number + 1}" if number else slug
    return result


def _unknowns(case: Case, draws: Mapping[str, Array], prior: Array, posterior: Posterior) -> xr.Dataset:
    variables: dict[str, Any] = {}
    coordinates: dict[str, np.ndarray] = {}
    prior_draws = _split(posterior, prior)
    for name, array in draws.items():
        unknown = case.unknowns[name]
        dims = axes(case, unknown, name)
        coordinates |= dims
        attrs = _about(unknown, prior_draws[name][0]) | expected(case, name)
        variables[name] = (["chain", "draw", *dims], array, attrs)
    chains, length = next(iter(draws.values())).shape[:2]
    return xr.Dataset(variables, {"chain": np.arange(chains), "draw": np.arange(length), **coordinates})


def _about(unknown: Unknown, prior_draws: Array) -> dict[str, Any]:
    """Return unit, meaning and prior of an unknown: its sd, and its density where that has a closed form."""
    about: dict[str, Any] = {
        "unit": unknown.unit,
        "shown": unknown.shown or unknown.unit,
        "meaning": unknown.meaning,
    }
    if unknown.prior.parents:
        return {**about, "prior_sd": float(prior_draws.std(ddof=1))}
    law = unknown.prior.frozen(**unknown.prior.arguments)
    places = np.unique(np.concatenate([law.ppf(np.linspace(0.001, 0.999, CURVE_POINTS)), [law.median()]]))
    curve = {"x": places.tolist(), "density": law.pdf(places).tolist()}
    return {**about, "prior_sd": float(law.std()), "prior_curve": json.dumps(curve)}


def _split(posterior: Posterior, thetas: Array) -> dict[str, Array]:
    rows = [posterior.split(theta) for theta in thetas]
    return {name: np.array([row[name] for row in rows])[None] for name in posterior.variables}


def _stats(samples: Samples) -> xr.Dataset:
    variables = {name: (["chain", "draw"], table) for name, table in samples.stats.items()}
    chains, length = next(iter(samples.draws.values())).shape[:2]
    return xr.Dataset(variables, {"chain": np.arange(chains), "draw": np.arange(length)})


def _observed(posterior: Posterior) -> dict[tuple[str, str], Array]:
    return {
        (experiment.name, quantity): data
        for experiment in posterior.experiments
        for quantity, data in experiment.observed.items()
    }


def _data_like(case: Case, tables: Table, sampled: Mapping[str, np.ndarray]) -> xr.Dataset:
    """Return arrays shaped like data, with their coordinates; `sampled` are the leading dimensions."""
    slug = slugs([plan.name for plan in case.plans])
    plans = {plan.name: plan for plan in case.plans}
    variables, coordinates = {}, dict[str, Any](sampled)
    lengths = [len(values) for values in sampled.values()]
    for (experiment, quantity), array in tables.items():
        output = case.system.output(quantity)
        along = _places(plans[experiment], case.system, output, slug[experiment])
        coordinates |= along
        attrs = {
            "experiment": experiment,
            "quantity": quantity,
            "unit": output.unit,
            "meaning": output.meaning,
            "shown": plans[experiment].data.units.get(quantity, output.unit),
        }
        dims = [*sampled, *list(along)[:1]]
        shape = [*lengths, *np.shape(array)[1 if sampled else 0 :]]
        variables[f"{slug[experiment]}.{quantity}"] = (dims, np.reshape(array, shape), attrs)
    return xr.Dataset(variables, coordinates)


def _places(plan: Plan, system: System, output: Quantity, slug: str) -> dict[str, Any]:
    """Return the coordinates an output was measured along; the first names their common dimension."""
    measured = [
        c for c in system.coordinates if c.name in output.coordinates and c.name in plan.data.coordinates
    ]
    return {
        f"{slug}.{place.name}": (
            f"{slug}.{measured[0].name}",
            plan.data.coordinates[place.name],
            {
                "coordinate": place.name,
                "unit": place.unit,
                "meaning": place.meaning,
                "shown": plan.data.units.get(place.name, place.unit),
            },
        )
        for place in measured
    }
