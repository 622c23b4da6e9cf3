"""`Screen`: which readings a filter shall use, decided before the model is asked."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from mscale_uq.core.observation import Observation
from mscale_uq.errors import InputError, explain
from mscale_uq.filters.records import Verdict


@final
@dataclass(frozen=True)
class Screen:
    """Marks readings that shall not be used; a filter predicts and compares them all the same.

    Attributes
    ----------
    selected
        The sources to be used; None means all.
    evaluated
        Sources that are only compared with their forecast.
    limits
        Source -> the smallest and the largest reading its detector can tell, in the quantity's unit. A
        reading at or beyond a limit says only that the truth is there or further: it is censored.
    qc_limit
        The instrument's own quality mark, zero is good, above which a reading is refused.

    Raises
    ------
    InputError
        If limits are not in order.
    """

    selected: tuple[str, ...] | None = None
    evaluated: tuple[str, ...] = ()
    limits: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    qc_limit: float = np.inf

    def __post_init__(self) -> None:
        for source, (lowest, highest) in self.limits.items():
            if not lowest < highest:
                given = f"screen: limits of {source!r} are {lowest:g} and {highest:g}"
                raise InputError(explain(given, "the lower one first"))

    def judge(self, observation: Observation, qc: ArrayLike = 0.0) -> Observation:
        """Return the observation with its marks; `qc` is its quality mark, one or one per reading.

        What is marked already keeps its mark; of several reasons the first in the order of codes 5, 6, 12
        and 1 is given.
        """
        source, value = observation.source, observation.value
        mark = np.zeros(value.shape, dtype=int) if observation.mark is None else np.array(observation.mark)
        lowest, highest = self.limits.get(source, (-np.inf, np.inf))
        for why, holds in (
            (Verdict.NOT_SELECTED, self.selected is not None and source not in self.selected),
            (Verdict.INCOMING_QC, np.asarray(qc) > self.qc_limit),
            (Verdict.CENSORED, (value <= lowest) | (value >= highest)),
            (Verdict.EVALUATED, source in self.evaluated),
        ):
            mark[(mark == 0) & holds] = why
        return replace(observation, mark=mark) if mark.any() else observation

    def over(self, stream: Iterable[Observation]) -> Iterator[Observation]:
        """Yield the observations of a stream with their marks."""
        return (self.judge(observation) for observation in stream)
