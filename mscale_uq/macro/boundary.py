"""What a diffusing field exchanges with the world: conditions on named boundaries, and sources inside.

Numbers may be given directly, or as the name of a value that is read. A `profile` spreads one number over
places: a function of the coordinates ``(dimension, ...)`` in m that returns ``(...)``; it is called once,
when the problem is made. Flow into the domain is positive.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from mscale_uq.core.parameter import Array
from mscale_uq.macro.coefficient import Coefficient

Profile = Callable[[Array], Array]


@final
@dataclass(frozen=True)
class Dirichlet:
    """The field is `value` times `profile` (one unless given)."""

    value: str | float
    profile: Profile | None = None


@final
@dataclass(frozen=True)
class Neumann:
    """The inflow per area is `inflow` times `profile` (one unless given)."""

    inflow: str | float
    profile: Profile | None = None


@final
@dataclass(frozen=True)
class Robin:
    """The inflow per area is ``exchange * (ambient - field)``."""

    exchange: str | float
    ambient: str | float


@final
@dataclass(frozen=True)
class Source:
    """The inflow per volume is `strength` times `profile`.

    `strength` may be one value per element. `profile` may be one fixed number per element ``(elements,)``
    instead of a function.
    """

    strength: str | float | Coefficient
    profile: Profile | Array | None = None


Condition = Dirichlet | Neumann | Robin
