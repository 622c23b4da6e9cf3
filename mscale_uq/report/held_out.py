"""What a report says of readings that were held out: what was read, and what is predicted for it."""

import numpy as np

from mscale_uq.report.content import Measured
from mscale_uq.report.text import exact, interval, pretty_unit, words


def held_out(data: list[Measured]) -> list[dict[str, str]]:
    """Return a row for each quantity of which readings are held out."""
    return [_row(one) for one in data if np.isfinite(one.band.held).any()]


def coverage(data: list[Measured]) -> str:
    """Say how many of all held-out readings lie in their intervals; empty if none are held out."""
    counts = np.array([[one.band.counts(one.band.held, share) for share in (0.5, 0.95)] for one in data])
    (half, seen), (most, _) = counts.sum(axis=0) if len(data) else ((0, 0), (0, 0))
    if not seen:
        return ""
    what = "held-out reading lies" if seen == 1 else "held-out readings lie"
    return f"{half} of {seen} {what} inside the 50 % interval, {most} of {seen} inside the 95 % interval"


def _row(one: Measured) -> dict[str, str]:
    places = np.isfinite(np.ravel(one.band.held))
    readings = np.ravel(one.band.held)[places]
    low, high = np.reshape(one.band.quantiles(0.95), (2, -1))[:, places]
    inside, seen = one.band.counts(one.band.held)
    row = {"experiment": one.experiment, "quantity": words(one.quantity), "unit": pretty_unit(one.unit)}
    if seen > 1:
        verdict = f"{inside} of {seen}"
        return {**row, "read": f"{seen} readings", "predicted": "see the panel", "inside": verdict}
    said = interval(low[0], high[0], float(high[0] - low[0]) / 4)
    return {**row, "read": exact(readings[0]), "predicted": said, "inside": "yes" if inside else "no"}
