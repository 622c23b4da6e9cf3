"""Is the homogenised model good enough for these data? The resolved one at a few draws, in noise sds.

A difference of one noise sd in a single reading is the size at which the reading can tell the models apart.
Smaller ones add up: with r the differences and S the noise, sqrt(r' S^-1 r) bounds, in a linear model, by how
many posterior sds any combination of the unknowns can be off.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.diagnose.differences import Differences, Good, differences
from mscale_uq.observe.correlated import GaussianCorrelated
from mscale_uq.stats.missed import Missed
from mscale_uq.stats.posterior import Posterior

WARN = 1.0  # noise sds


@final
@dataclass(frozen=True)
class ScaleRow:
    """One quantity of one experiment.

    Attributes
    ----------
    experiment, quantity
        Of what.
    largest
        Largest difference of a single reading over all draws, in noise sds; NaN if none was compared.
    reading
        Its position.
    together
        Largest sqrt(r' S^-1 r) over the draws.
    draws, failed
        Number of draws that were compared, and of those without a prediction.
    """

    experiment: str
    quantity: str
    largest: float
    reading: int
    together: float
    draws: int
    failed: int

    @property
    def ok(self) -> bool:
        """Whether no single reading is off by more than one noise sd."""
        return self.largest <= WARN


@final
@dataclass(frozen=True)
class ScaleCheck:
    """How far the resolved model is from the homogenised one, quantity by quantity.

    Attributes
    ----------
    rows
        One per quantity of every experiment.
    missed
        Draws at which one of the models has no prediction.
    """

    rows: tuple[ScaleRow, ...]
    missed: tuple[Missed, ...]

    @property
    def ok(self) -> bool:
        """Whether all quantities are ok, and there was anything to compare."""
        return bool(self.rows) and all(row.ok for row in self.rows)

    @property
    def together(self) -> float:
        """Bound on the shift of any combination of the unknowns, in posterior sds of a linear model."""
        return float(np.sqrt(sum(row.together**2 for row in self.rows)))

    def lines(self, learned: bool = False) -> list[str]:
        """Return the outcome in words; `learned`: whether this difference is in the likelihood already."""
        text = [_line(row) for row in self.rows]
        if any(not row.draws for row in self.rows):
            text.append("WARNING: where nothing was compared, nothing is known of the finite scale")
        elif not self.ok and learned:
            text.append(
                "the data can tell the resolved model from the homogenised one; the approximation error in "
                "the likelihood stands for the difference"
            )
        elif not self.ok:
            text.append(
                "WARNING: the data can tell the resolved model from the homogenised one, so the posterior is "
                "biased: put the difference into the likelihood (approximation_error)"
            )
        elif self.together > WARN:
            text.append(
                "no single reading is off by a noise sd, but together they may shift what is inferred by up "
                f"to {self.together:.1f} posterior sds"
            )
        return text


def scale_check(
    posterior: Posterior, resolved: Good, thetas: Array, map: Callable[..., Iterable[Any]] = map
) -> ScaleCheck:
    """Compare the models at draws of the unknowns ``(draws, n)``; a few posterior draws will do.

    Raises
    ------
    InputError
        If `resolved` names an unknown experiment or predicts other readings.
    """
    found = differences(posterior, resolved, thetas, map)
    gone = {one.experiment.name: one.missed for one in found}
    missed = tuple(row for rows in gone.values() for row in rows)
    return ScaleCheck(tuple(_row(posterior, one) for one in found), missed)


def _row(posterior: Posterior, found: Differences) -> ScaleRow:
    if not len(found.rows):
        return ScaleRow(found.experiment.name, found.quantity, np.nan, 0, np.nan, 0, found.failed)
    seen = ~np.isnan(np.ravel(found.experiment.observed[found.quantity]))
    single = np.zeros_like(found.rows)
    together = np.zeros(len(found.rows))
    for i, (row, theta) in enumerate(zip(found.rows, found.thetas, strict=True)):
        noise = _noise(posterior, found, theta)[np.ix_(seen, seen)]
        single[i, seen] = np.abs(row[seen]) / np.sqrt(np.diag(noise))
        together[i] = np.sqrt(row[seen] @ np.linalg.solve(noise, row[seen]))
    return ScaleRow(
        experiment=found.experiment.name,
        quantity=found.quantity,
        largest=float(single.max()),
        reading=int(np.argmax(single.max(axis=0))),
        together=float(together.max()),
        draws=len(found.rows),
        failed=found.failed,
    )


def _noise(posterior: Posterior, found: Differences, theta: Array) -> Array:
    """Return the covariance of the measurement alone, without errors of the model."""
    operator = found.experiment.operators[found.quantity]
    law = operator.law.noise if isinstance(operator.law, GaussianCorrelated) else operator.law
    known = found.experiment.trace(posterior.split(theta))
    return law.cov(np.asarray(known[found.quantity]), operator.variance(known), known)


def _line(row: ScaleRow) -> str:
    where = f"{row.experiment}: {row.quantity}"
    if not row.draws:
        return f"UNKNOWN {where}: one of the models has no prediction at any of {row.failed} draws"
    verdict = "ok     " if row.ok else "TOO FAR"
    size = f"up to {row.largest:.2f} noise sds (reading {row.reading}), {row.together:.2f} all together"
    failed = f", {row.failed} without a prediction" if row.failed else ""
    return f"{verdict} {where}: resolved and homogenised differ by {size} ({row.draws} draws{failed})"
