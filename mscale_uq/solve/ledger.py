"""`Ledger`: what a conservation law holds and what it has gained, step by step."""

from dataclasses import dataclass
from typing import final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.errors import SolveFailed

ROUND_OFF = 1e-11  # of the largest content or gain, in one step


@final
@dataclass(frozen=True)
class Ledger:
    """The budget of a conserved quantity over a march of many steps.

    Attributes
    ----------
    content
        The integral over the domain before the first step and after each ``(steps + 1,)``.
    gained
        What came in through boundaries and sources in each step, less what went out ``(steps,)``.
    """

    content: Array
    gained: Array

    @property
    def defect(self) -> float:
        """Largest imbalance of a step, relative to the largest content or gain."""
        missing = np.diff(self.content) - self.gained
        size = max(np.abs(self.content).max(), np.abs(self.gained).max(initial=0.0))
        return float(np.abs(missing).max(initial=0.0) / size) if size else 0.0

    def check(self, name: str) -> None:
        """Refuse a step that made or lost something.

        Raises
        ------
        SolveFailed
            If the budget of a step does not close to round-off, or is not a number.
        """
        if not self.defect <= ROUND_OFF:
            raise SolveFailed(name, {}, f"a step does not conserve: off by {self.defect:.1e} of the content")
