"""`Places`: where the entries of a state and the readings lie in space, for what depends on distance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from mscale_uq.core.parameter import Array


@final
@dataclass(frozen=True)
class Places:
    """Positions in a system's own unit of length.

    Attributes
    ----------
    state
        State variable -> position of each of its entries: ``(n,)``, or ``(n, d)`` in d dimensions.
    sources
        Source -> position of each of its readings, in the order of its flattened value: ``(m,)``, ``(m, d)``;
        NaN where it is not known.
    unit
        Of all positions.
    period
        Length of a ring, or one length per dimension; infinite where space does not close.
    """

    state: Mapping[str, Array]
    sources: Mapping[str, Array]
    unit: str = "1"
    period: float | Sequence[float] = np.inf
