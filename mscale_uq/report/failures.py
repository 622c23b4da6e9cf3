"""What a report says of failures: how often solvers failed, why, where, and which draws predict nothing."""

from typing import Any

import numpy as np
import pandas as pd

from mscale_uq.core.parameter import Array
from mscale_uq.infer.ledger import PREDICTION, SAMPLING
from mscale_uq.report.content import Scalar, unknowns
from mscale_uq.report.shown import shown_values
from mscale_uq.report.text import interval, share
from mscale_uq.results.result import Result
from mscale_uq.results.summary import missing, scalars

# Chance that a failed point lies on one side of a draw, above which an unknown tells where they are.
TELLS = 0.9


def failures(result: Result) -> dict[str, Any]:
    """Say how often solvers failed, why, and where."""
    table = _solvers(result)
    missed = [missing(one) for one in result.facts.get("missed", ())]
    if not len(table):
        return {"count": 0, "missed": missed, "findings": []}
    reasons = table.groupby(["stage", "reason"]).size().sort_values(ascending=False)
    seen = failed_at(result)
    where = [
        {"name": s.name, "failed": _range(points), "drawn": _range(s.draws.ravel())} for s, points in seen
    ]
    counted = [
        {"stage": stage, "reason": reason, "count": int(n)} for (stage, reason), n in reasons.head(5).items()
    ]
    found = [sentence for scalar, points in seen if (sentence := _region(scalar, points))]
    return {"count": len(table), "missed": missed, "reasons": counted, "where": where, "findings": found}


def _solvers(result: Result) -> pd.DataFrame:
    """Return the rows of solvers that failed while sampling, or at draws of the posterior."""
    table = result.failures
    if "during" not in table:  # a run of an earlier version, or one without failures
        return table
    return table[table["during"].isin([SAMPLING, PREDICTION]) & (table["infeasible"].astype(str) == "False")]


def failed_at(result: Result) -> list[tuple[Scalar, Array]]:
    """Return each unknown with its values where solvers failed; the one that tells most comes first."""
    table = _solvers(result)
    about = {label: attrs for label, _, attrs in scalars(result.idata["posterior"])}
    pairs = [
        (s, shown_values(table[s.label].dropna().to_numpy(float), about[s.label]))
        for s in unknowns(result)
        if s.label in table
    ]
    return sorted(((s, p) for s, p in pairs if p.size), key=lambda pair: -abs(_above(*pair) - 0.5))


def _above(scalar: Scalar, points: Array) -> float:
    """Probability that a failed point lies above a draw."""
    draws = np.sort(scalar.draws[np.isfinite(scalar.draws)])
    return float(np.mean(np.searchsorted(draws, points)) / max(draws.size, 1))


def _region(scalar: Scalar, points: Array) -> str:
    """Say where solvers fail, if one unknown alone tells."""
    above = _above(scalar, points)
    if max(above, 1 - above) < TELLS:
        return ""
    side, chance = ("high", above) if above > 0.5 else ("low", 1 - above)
    beyond = "above" if above > 0.5 else "below"
    return (
        f"Solvers fail where {scalar.name} is {side}: {share(chance)} of failed points lie {beyond} a draw."
    )


def _range(values: Any) -> str:
    low, high = np.nanquantile(np.asarray(values, dtype=float), [0.05, 0.95])
    return interval(low, high, max(high - low, 0.0))
