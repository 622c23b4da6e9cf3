"""A finished run as one side of a comparison, and ArviZ's smoothing of importance weights."""

import arviz as az
import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.diagnose.compare import Candidate
from mscale_uq.errors import RunError, explain
from mscale_uq.results.result import Result
from mscale_uq.stats.predictive import Key


def candidate_of(result: Result, name: str) -> Candidate:
    """Return what a comparison needs of a run; draws without a prediction are left out.

    Raises
    ------
    RunError
        If the run is a single most probable point.
    """
    if result.facts["single"]:
        given = f"{name} holds a most probable point, no draws"
        raise RunError(explain(given, "a run of a sampler that draws", "mscale fit CASE --sampler nuts"))
    observed = result.idata["observed_data"]
    keys: list[Key] = []
    parts: dict[str, list[Array]] = {"observed": [], "log_likelihood": [], "predicted": []}
    for label, array in observed.data_vars.items():
        data = array.to_numpy().ravel()
        seen = ~np.isnan(data)
        keys += [(array.attrs["experiment"], array.attrs["quantity"])] * int(seen.sum())
        parts["observed"].append(data[seen])
        for group in ("log_likelihood", "predicted"):
            draws = result.idata[group][label].transpose("chain", "draw", ...).to_numpy()
            parts[group].append(draws.reshape(-1, data.size)[:, seen])
    pointwise, predicted = (np.concatenate(parts[group], axis=1) for group in ("log_likelihood", "predicted"))
    good = np.all(np.isfinite(pointwise), axis=1)
    evidence = np.array(result.facts["log_evidence"] or [])
    data = np.concatenate(parts["observed"])
    return Candidate(name, tuple(keys), data, pointwise[good], predicted[good], evidence)


def pareto_smoothed(log_ratios: Array) -> tuple[Array, Array]:
    """Return smoothed log weights ``(draws, data)`` and the Pareto shape of each datum.

    Source: A. Vehtari, D. Simpson, A. Gelman, Y. Yao, J. Gabry, Pareto Smoothed Importance Sampling, Journal
    of Machine Learning Research 25 (2024) 72.
    """
    weights, shapes = az.psislw(log_ratios.T)
    return np.asarray(weights).T, np.atleast_1d(shapes)
