"""`Kinetics`: a local reaction at one or several sites, which meet in the water alone."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from mscale_uq.core.parameter import Array

STEP = 1e-40  # of the complex step


def one_site(values: Any) -> tuple[Any, Any]:
    """One site without a decay, which reads the values as they are."""
    return 0.0, values[None]


@final
@dataclass(frozen=True)
class Kinetics:
    """A local reaction, analytic.

    Attributes
    ----------
    function
        R = ``function(c, s, p)`` of one site.
    names
        Of the values that are read.
    sites
        ``sites(values)`` gives the decay and the p of every site ``(sites, parameters)``.
    count
        Number of sites.
    linear
        Whether R is linear in c and s.
    """

    function: Callable[..., Any]
    names: tuple[str, ...]
    sites: Callable[[Any], tuple[Any, Any]] = one_site
    count: int = 1
    linear: bool = False

    def at(self, values: Array, moved: Array) -> tuple[float, Array, Array, Array]:
        """Return decay and p of the sites, and their changes ``(m, ..)`` along `moved` ``(m, names)``."""
        decay, table = self.sites(values)
        along = [self.sites(values + 1j * STEP * row) for row in moved]
        by_decay = np.array([np.imag(one) / STEP for one, _ in along])
        by_table = np.array([np.imag(rows) / STEP for _, rows in along]).reshape(len(moved), *np.shape(table))
        return float(decay), np.asarray(table, dtype=float), by_decay, by_table
