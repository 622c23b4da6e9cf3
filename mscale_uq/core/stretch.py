"""`Stretch`: a part of the way from parameters to data that a polynomial may stand for while sampling."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

from mscale_uq.errors import InputError, explain


@final
@dataclass(frozen=True)
class Stretch:
    """What is made from a few numbers, smoothly, and dearly.

    Attributes
    ----------
    made
        Name of the quantity at the end: an effective coefficient, or the data.
    scaled
        Names read that scale it: if all of them are c times as large, `made` is c ** degree times as large.
        All are positive numbers; the first may be a symmetric tensor ``(n, n)`` with a positive diagonal.
    degree
        Of that homogeneity.
    periods
        Name read -> its period, for angles.
    logit
        Names read that act through their logistic function: the logit of a fraction.
    plain
        The other names read.
    budget
        Most cell problems that may be solved for its polynomial, scans and held-out states included.
    """

    made: str
    scaled: tuple[str, ...] = ()
    degree: float = 1.0
    periods: Mapping[str, float] = field(default_factory=dict)
    logit: tuple[str, ...] = ()
    plain: tuple[str, ...] = ()
    budget: int = 5000

    def __post_init__(self) -> None:
        if len(set(self.reads)) != len(self.reads) or not self.reads or self.made in self.reads:
            raise InputError(explain(f"a stretch from {self.reads} to {self.made!r}", "names, each once"))
        for name, period in self.periods.items():
            if not period > 0:
                raise InputError(explain(f"period {period} of {name!r}", "a positive number"))

    @property
    def reads(self) -> tuple[str, ...]:
        """Every name at the beginning."""
        return (*self.scaled, *self.periods, *self.logit, *self.plain)
