"""The row of an analysis time: what came, what was expected, what is believed now, in plain numbers."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mscale_uq.core.observation import Observation
from mscale_uq.core.stage import Named
from mscale_uq.diagnose.innovations import nis
from mscale_uq.filters.estimate import deviation
from mscale_uq.filters.follow import estimate
from mscale_uq.filters.loop import Assimilation
from mscale_uq.filters.records import StepInfo, Verdict

MOST_STATES = 200  # a row tells no more state variables than these; the readings and what is learned, always


def row_of(
    before: Assimilation,
    after: Assimilation,
    info: StepInfo,
    observations: Sequence[Observation],
    names: Sequence[str],
) -> dict[str, Any]:
    """Return the row: `names` are those of the records, `before` the forecast for their time."""
    now = estimate(after.space, after.values, after.state, observations)
    earlier = estimate(before.space, before.values, before.state, ())
    square, used = nis(info)
    row: dict[str, Any] = {
        "time": info.time,
        "records": list(names),
        "source": list(info.sources),
        "entry": [entry for one in observations for entry in range(one.value.size)],
        "value": plain(np.concatenate([one.value.ravel() for one in observations])),
        "innovation": plain(info.innovation),
        "innovation_sd": plain(np.sqrt(np.diag(info.innovation_cov))),
        "verdict": [int(code) for code in info.verdicts],
        "reading": plain(now.reading),
        "reading_sd": plain(now.reading_sd),
        "learned": _ends(now.learned),
        "learned_before": _ends(earlier.learned),
        "used": used,
        "nis": square,
        "log_evidence": _number(info.log_evidence),
        "spread": float(np.sqrt(np.mean(deviation(after.state) ** 2))),
        "lost": int(getattr(after.state, "lost", 0)),
        "note": info.note,
    }
    pooled = _pooled(row, info, observations)
    if pooled:
        row["pooled"] = pooled
    weights = getattr(after.state, "weights", None)
    if weights is not None:
        row["effective_members"] = float(1 / np.sum(weights**2))
    if now.mean.size <= MOST_STATES:
        row |= {"mean": plain(now.mean), "sd": plain(now.sd), "sd_before": plain(earlier.sd)}
    return row


def _pooled(row: dict[str, Any], info: StepInfo, observations: Sequence[Observation]) -> dict[str, Any]:
    """Return the means over readings that brought values along, such as those of a dish's cells.

    Source -> ``r`` their mean, ``i, j`` its innovation and the standard deviation of that, ``m, s`` what is
    believed of it now. What is believed of all cells moves together, so that their deviations are averaged.
    """
    found, first = {}, 0
    for one in observations:
        there = np.arange(first, first + one.value.size)
        used = there[(info.verdicts[there] == Verdict.USED) | (info.verdicts[there] == Verdict.EVALUATED)]
        first += one.value.size
        if one.covariates and used.size:
            spread = info.innovation_cov[np.ix_(used, used)].sum()
            found[one.source] = {
                "r": _mean(row["value"], used),
                "i": _number(info.innovation[used].mean()),
                "j": _number(math.sqrt(spread) / used.size),
                "m": _mean(row["reading"], used),
                "s": _mean(row["reading_sd"], used),
            }
    return found


def _mean(numbers: Sequence[float | None], used: np.ndarray) -> float | None:
    chosen = [math.nan if (one := numbers[i]) is None else one for i in used]
    return _number(np.mean(chosen))


def plain(array: ArrayLike) -> list[Any]:
    """Return an array as lists of numbers, None where one is not finite."""
    return [_number(one) if np.ndim(one) == 0 else plain(one) for one in np.asarray(array, dtype=float)]


def _ends(learned: Named) -> dict[str, list[Any]]:
    return {name: plain(ends) for name, ends in learned.items()}


def _number(value: Any) -> float | None:
    return float(value) if math.isfinite(value) else None
