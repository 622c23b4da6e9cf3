"""The posterior as a table, and the verdict on it."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, final

import arviz as az
import numpy as np
import pandas as pd
import xarray as xr

from mscale_uq.core.stage import Values
from mscale_uq.infer.ledger import PREDICTION
from mscale_uq.results.entries import label

LARGEST_RHAT = 1.01
SMALLEST_ESS = 400
LARGEST_FAILURE_RATE = 0.01
ROUND_OFF = 1e-12  # relative to the largest entry of an array: draws that differ by less are one number
ONE_CHAIN = (
    "one chain: R-hat compares its halves with each other, and nothing says whether another chain would have"
    " ended elsewhere"
)
COLUMNS = ["unit", "mean", "sd", "2.5 %", "97.5 %", "R-hat", "ESS", "tail ESS", "contraction"]


@final
@dataclass(frozen=True)
class Diagnostics:
    """Whether the draws can be believed.

    Attributes
    ----------
    reasons
        One sentence for each condition that is not met.
    notes
        What a reader should know and that is no defect.
    warnings
        What makes numbers wrong that are well sampled: a model that is not the one of the data.
    largest_rhat, smallest_ess, divergences, failures, evaluations, infeasible
        The numbers behind them; NaN where a method has none.
    """

    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    largest_rhat: float
    smallest_ess: float
    divergences: int
    failures: int
    evaluations: int
    infeasible: int

    @property
    def ok(self) -> bool:
        """Whether every condition is met."""
        return not self.reasons

    @property
    def failure_rate(self) -> float:
        """Share of density evaluations in which a solver failed."""
        return self.failures / self.evaluations if self.evaluations else 0.0


def derived(data: Any) -> Any:
    """Return the group of quantities on the way; empty for a model that makes none but the data."""
    return data["derived"] if "derived" in data.groups() else xr.Dataset()


def prior_derived(data: Any) -> Any:
    """Return the group of quantities on the way at draws of the prior; empty if they were not made."""
    return data["prior_derived"] if "prior_derived" in data.groups() else xr.Dataset()


def summarize(group: Any) -> pd.DataFrame:
    """Return one row per scalar of a group with dimensions (chain, draw, ..)."""
    rows = {label: _row(draws, attrs) for label, draws, attrs in scalars(group)}
    return pd.DataFrame.from_dict(rows, orient="index", columns=COLUMNS)


def scalars(group: Any) -> Iterator[tuple[str, np.ndarray, Mapping[str, Any]]]:
    """Yield (label, ``(chain, draw)``, attributes) of every scalar in a group; `largest` is of its array."""
    for name, array in group.data_vars.items():
        inner = [dim for dim in array.dims if dim not in ("chain", "draw")]
        table = array.transpose("chain", "draw", *inner).to_numpy()
        for index in np.ndindex(table.shape[2:]):
            words = [str(array.coords[d].to_numpy()[i]) for d, i in zip(inner, index, strict=True)]
            attrs = {
                **array.attrs,
                "largest": float(np.max(np.abs(table), initial=0.0, where=np.isfinite(table))),
            }
            if "prior_sd" in attrs:
                known = np.asarray(attrs["prior_sd"], dtype=float)  # files keep arrays flat
                shaped = known.reshape(table.shape[2:]) if known.size > 1 else known.reshape(())
                attrs["prior_sd"] = np.broadcast_to(shaped, table.shape[2:])[index]
            yield label(str(name), words), table[(slice(None), slice(None), *index)], attrs


def _row(draws: np.ndarray, attrs: Mapping[str, Any]) -> list[Any]:
    seen = draws[np.isfinite(draws)]
    sd = float(np.std(seen, ddof=1)) if seen.size > 1 else math.nan
    if seen.size and np.ptp(seen) <= ROUND_OFF * attrs["largest"]:
        sd = 0.0
    low, high = np.quantile(seen, [0.025, 0.975]) if seen.size else (math.nan, math.nan)
    if draws.shape[1] == 1:  # a point: what optimisations differ by is no uncertainty
        sd = low = high = math.nan
    prior_sd = float(attrs.get("prior_sd", math.nan))
    contraction = 1 - (sd / prior_sd) ** 2 if prior_sd > 0 and sd > 0 else math.nan
    mean = float(np.mean(seen)) if seen.size else math.nan
    return [attrs.get("unit", ""), mean, sd, low, high, *_convergence(draws, attrs["largest"]), contraction]


def _convergence(draws: np.ndarray, largest: float) -> tuple[float, float, float]:
    """Return R-hat, bulk and tail ESS; NaN where there are too few draws, or they are all equal."""
    if draws.shape[1] < 4 or not np.all(np.isfinite(draws)) or np.ptp(draws) <= ROUND_OFF * largest:
        return math.nan, math.nan, math.nan
    return _rhat(draws), float(az.ess(draws, method="bulk")), float(az.ess(draws, method="tail"))


def _rhat(draws: np.ndarray) -> float:
    """Return R-hat between chains; of a single one between its halves, of 4 draws or more."""
    chains, length = draws.shape
    if chains == 1:
        draws = draws[:, length % 2 :].reshape(2, -1)
    return float(az.rhat(draws)) if draws.shape[1] >= 4 else math.nan


def least_ess(draws: Values) -> float:
    """Return the least bulk ESS of all entries; NaN where one does not move, or draws are few.

    Parameters
    ----------
    draws
        Unknown -> ``(chain, draw, *shape)``.
    """
    entries = [
        _convergence(array[(slice(None), slice(None), *index)], float(np.max(np.abs(array))))
        for array in draws.values()
        for index in np.ndindex(array.shape[2:])
    ]
    return float(np.min([ess for _, ess, _ in entries]))


def diagnose(summary: pd.DataFrame, attrs: Mapping[str, Any], divergences: int) -> Diagnostics:
    """Judge a run by its summary table, its counts and what the method itself is not content with."""
    failures, evaluations = int(attrs["failures"]), int(attrs["evaluations"])
    reasons = [str(trouble) for trouble in attrs["troubles"]]
    notes = []
    if attrs["single"]:
        notes.append("a most probable point has no spread: nothing is said about uncertainty")
    else:
        reasons += _not_converged(summary)
        if attrs["settings"]["chains"] == 1:
            notes.append(ONE_CHAIN)
    if divergences:
        reasons.append(f"{divergences} divergent transitions")
    if failures > LARGEST_FAILURE_RATE * evaluations:
        rate = f"{100 * failures / evaluations:.1f} %" if evaluations else "all"
        reasons.append(f"a solver failed in {failures} of {evaluations} evaluations ({rate})")
    for one in attrs.get("missed", ()):
        if one["during"] == PREDICTION:
            (reasons if one["failed"] > LARGEST_FAILURE_RATE * one["draws"] else notes).append(missing(one))
    if attrs["sampler"] == "laplace":
        notes.append("a normal approximation around the mode, not a sample of the posterior")
    return Diagnostics(
        reasons=tuple(reasons),
        notes=tuple(notes),
        warnings=_wrong_scale(attrs),
        largest_rhat=float(summary["R-hat"].max()),
        smallest_ess=float(summary["ESS"].min()),
        divergences=divergences,
        failures=failures,
        evaluations=evaluations,
        infeasible=int(attrs["infeasible"]),
    )


def missing(one: Mapping[str, Any]) -> str:
    """Say of how many draws an experiment is not predicted, and by whose fault."""
    gone = one["failed"] + one["infeasible"]
    parts = [
        f"a solver failed in {one['failed']}" if one["failed"] else "",
        f"in {one['infeasible']} the model says that there is none" if one["infeasible"] else "",
    ]
    told = f"{gone} of {one['draws']} draws have no {one['during']} of {one['experiment']!r}"
    return f"{told}: {', '.join(filter(None, parts))}"


def _wrong_scale(attrs: Mapping[str, Any]) -> tuple[str, ...]:
    scale = attrs.get("scale")
    return () if scale is None or scale["good"] else (scale["lines"][-1],)


def _not_converged(summary: pd.DataFrame) -> list[str]:
    reasons = []
    high = summary[summary["R-hat"] > LARGEST_RHAT]
    if len(high):
        worst = high["R-hat"].idxmax()
        reasons.append(f"R-hat of {worst} is {high['R-hat'].max():.3f}, above {LARGEST_RHAT}")
    low = summary[~(summary["ESS"] >= SMALLEST_ESS)]
    if len(low):
        worst = low["ESS"].fillna(-1).idxmin()
        reasons.append(_too_few(str(worst), low.loc[worst]))
    if summary["R-hat"].isna().any():
        reasons.append(
            "R-hat is not available: it needs draws that move, and eight of them if there is one chain"
        )
    return reasons


def _too_few(name: str, row: Any) -> str:
    """Say what is wrong with the effective draws of a quantity."""
    if not math.isnan(row["ESS"]):
        return f"bulk ESS of {name} is {row['ESS']:.0f}, below {SMALLEST_ESS}"
    if row["sd"] == 0.0:
        return f"{name} does not move: every draw is {row['mean']:.6g}"
    return f"bulk ESS of {name} is not available: there are fewer than four draws, or some are not finite"
