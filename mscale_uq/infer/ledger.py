"""The failure ledger: one row per failed solve, a count per reason of infeasibility.

What is predicted from draws that are there already has rows of its own: one for every draw at which an
experiment has no prediction, also where that is the model's own statement, since a NaN stands there.
"""

import json
from collections import Counter
from dataclasses import asdict, dataclass, replace
from typing import final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.errors import Infeasible, SolveFailed

SAMPLING, PREDICTION = "sampling", "prediction"


@final
@dataclass(frozen=True)
class Failure:
    """One solve that failed, or one prediction that there is not.

    Attributes
    ----------
    chain, draw
        Where in the run; draw counts from 0 with tuning included, -1 is the search for a start.
    evaluation
        Counts the density evaluations the chain's sampler asked for, from 1.
    stage, reason
        Who gave up, and why.
    theta
        All unknowns at which it happened, in the order of the posterior's `names`.
    during
        What was done. While sampling, `chain`, `draw` and `evaluation` are as above; of a prediction they are
        the chain and the number of the draw that it is made from, and 0.
    experiment
        Which has no prediction; empty while sampling, where the data of all are one density.
    infeasible
        Whether the model itself says that nothing exists there; while sampling these are only counted.
    """

    chain: int
    draw: int
    evaluation: int
    stage: str
    reason: str
    theta: tuple[float, ...]
    during: str = SAMPLING
    experiment: str = ""
    infeasible: bool = False

    def to_bytes(self) -> bytes:
        """Return this row as JSON."""
        return json.dumps(asdict(self)).encode()

    @staticmethod
    def from_bytes(payload: bytes) -> "Failure":
        """Read a row written by `to_bytes`."""
        fields = json.loads(payload)
        return Failure(**{**fields, "theta": tuple(fields["theta"])})


@final
class Ledger:
    """Collects what the likelihood operator caught in one chain.

    Attributes
    ----------
    draw
        The draw under way; the chain sets it.
    requests
        Density evaluations the sampler asked for.
    evaluations
        Density evaluations that were done; the others were remembered.
    infeasible
        Stage -> number of times the model said that nothing exists there.
    """

    def __init__(self, chain: int = 0) -> None:
        self.chain = chain
        self.draw = -1
        self.requests = 0
        self.evaluations = 0
        self.infeasible: Counter[str] = Counter()
        self._rows: list[Failure] = []
        self._last = ""

    def failed(self, failure: SolveFailed, theta: Array) -> None:
        """Add a row."""
        self._last = f"{failure.stage}: {failure.reason}"
        row = (self.chain, self.draw, self.requests, failure.stage, failure.reason)
        self._rows.append(Failure(*row, tuple(np.asarray(theta, dtype=float).tolist())))

    def absent(self, failure: Infeasible) -> None:
        """Count a statement of the model's own, which is no fault."""
        self._last = f"{failure.stage}: {failure.reason}"
        self.infeasible[failure.stage] += 1

    def add(self, other: "Ledger") -> None:
        """Count what another ledger caught of this chain's draw, as if it had been caught here."""
        rows = other.take()
        self._rows += [
            replace(row, draw=self.draw, evaluation=self.requests + row.evaluation) for row in rows
        ]
        self.requests += other.requests
        self.evaluations += other.evaluations
        self.infeasible += other.infeasible
        self._last = other._last or self._last

    def take(self) -> list[Failure]:
        """Return the rows since the last call."""
        rows, self._rows = self._rows, []
        return rows

    def summary(self) -> str:
        """Say in one line what was caught since the last `take`, and the latest reason."""
        failed, absent = len(self._rows), self.infeasible.total()
        return f"{failed} solves failed, {absent} points were infeasible, the latest: {self._last or 'none'}"
