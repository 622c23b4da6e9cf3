"""What a report says of readings that a calibrated model cannot explain: draws may be right, and it not."""

from collections.abc import Iterator

import numpy as np
import scipy

from mscale_uq.core.parameter import Array
from mscale_uq.report.content import Measured
from mscale_uq.report.text import exact, pretty_unit, words

FAR = 5.0  # sds of the prediction, noise included: one reading of two million, if all is well
RARE = 1e-3  # chance of so few readings in their intervals, below which they are said to be too few
FEWEST = 20  # predictions that tell an sd
NAMED = 3  # readings told one by one
ADVICE = "a mistaken reading or unit, noise that is stated too small, or a model that is wrong"


def surprises(data: list[Measured]) -> list[str]:
    """Return a sentence for each quantity whose used readings lie too far out, or too often outside."""
    return [sentence for one in data for sentence in _of(one)]


def _of(one: Measured) -> Iterator[str]:
    replicated, observed = one.band.replicated, np.ravel(one.band.observed)
    draws = replicated.reshape(len(replicated), -1)
    draws = draws[np.isfinite(draws).all(axis=1)]
    if len(draws) < FEWEST:
        return
    far = np.abs(observed - draws.mean(axis=0)) / np.maximum(draws.std(axis=0, ddof=1), np.finfo(float).tiny)
    worst = [row for row in np.argsort(-np.nan_to_num(far)) if far[row] > FAR]
    where = f"{one.experiment}: {words(one.quantity)}"
    if worst:
        told = ", ".join(f"{_reading(one, observed, row)} by {far[row]:.0f} sds" for row in worst[:NAMED])
        more = f" and {len(worst) - NAMED} more" if len(worst) > NAMED else ""
        yield f"{where}: far from what the calibrated model expects: {told}{more}: {ADVICE}"
        return
    inside, seen = one.band.counts(one.band.observed)
    if seen and scipy.stats.binom.cdf(inside, seen, 0.95) < RARE:
        yield f"{where}: {inside} of {seen} readings lie inside their 95 % intervals, too few: {ADVICE}"


def _reading(one: Measured, observed: Array, row: int) -> str:
    at = f" at {one.place(row, one.varying)}" if one.varying else ""
    return f"{exact(float(observed[row]))} {pretty_unit(one.unit)}{at}".replace("  ", " ")
