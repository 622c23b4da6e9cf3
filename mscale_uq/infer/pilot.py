"""A pilot: a handful of searches for modes, from draws of the prior, that tell what posterior this is.

Its price is counted in evaluations of the posterior, and bounded by a share of the draws that the run is
asked for; a draw of a gradient sampler takes three evaluations at the very least. Ends of different searches
are different modes only if each of them is one beyond doubt (a vanishing slope, a density that falls off in
every direction), so that a search that got stuck on a ridge is not taken for a mode.
"""

import math
from contextlib import suppress
from dataclasses import dataclass
from typing import final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.errors import ParameterError
from mscale_uq.infer.density import Density
from mscale_uq.infer.ledger import Ledger
from mscale_uq.infer.optimum import Optimum, climb
from mscale_uq.infer.settings import Settings
from mscale_uq.infer.shear import shear_of
from mscale_uq.infer.target import Target

SEARCHES = 8  # a mode that a quarter of the prior leads to is missed by one pilot in ten
SHARE = 10  # draws of the run, tuning included, for one evaluation of its pilot
APART = 1.0  # distance of two modes in standard deviations; searches end within a millionth of one
MOST_STEPS = 60  # of a search
PILOT_KEY = 2**32 - 7  # of random numbers


@final
@dataclass(frozen=True)
class Pilot:
    """What was found.

    Attributes
    ----------
    evaluations
        Of the posterior and its gradient.
    ended
        Searches that ended in a mode, of those that were begun.
    begun
        Searches.
    shares
        One per mode, the largest first: its share of the posterior by the normal law that touches it there.
    """

    evaluations: int
    ended: int
    begun: int
    shares: tuple[float, ...]

    def __str__(self) -> str:
        searches = f"{self.begun} search{'' if self.begun == 1 else 'es'} for modes"
        if not self.shares:
            found = "none ended in one"
        elif len(self.shares) == 1:
            found = "all ended in one" if self.ended == self.begun else f"{self.ended} ended, all in one"
        else:
            shares = ", ".join(f"{share:.1%}" for share in self.shares)
            found = f"{len(self.shares)} found, with {shares} of the posterior by normal laws"
        return f"pilot of {self.evaluations} evaluations: {searches}, {found}"


@final
class _Spent(Exception):
    """Ends a search: the pilot has no evaluation left."""


def explore(target: Target, settings: Settings) -> Pilot:
    """Search for modes from draws of the prior, in the coordinates in which the settings' sampler walks."""
    most = (settings.draws + settings.tune) * settings.chains // SHARE
    ledger = Ledger()
    density = Density(target, ledger, gradient=True, shear=shear_of(target, settings))
    evaluate = density.function()
    rng = np.random.default_rng(np.random.SeedSequence(settings.seed, spawn_key=(PILOT_KEY,)))

    def counted(z: Array) -> tuple[float, Array]:
        if ledger.evaluations >= most:
            raise _Spent
        return evaluate(z)

    ends, begun = [], 0
    with suppress(_Spent, ParameterError):  # where no prior draw has a likelihood, the run will say so
        while begun < SEARCHES and ledger.evaluations < most:
            start = density.find_start(rng, min(settings.starts, most - ledger.evaluations))
            begun += 1
            ends.append(climb(counted, start, MOST_STEPS))
    found = [end for end in ends if not end.trouble]
    modes = sorted(distinct(found), key=_log_mass, reverse=True)
    return Pilot(ledger.evaluations, len(found), begun, _shares(modes))


def distinct(modes: list[Optimum]) -> list[Optimum]:
    """Return one of each group of modes that lie in the same place."""
    kept: list[Optimum] = []
    for mode in modes:
        if all(_distance(mode, other) > APART for other in kept):
            kept.append(mode)
    return kept


def _distance(one: Optimum, other: Optimum) -> float:
    """Return how far two modes are apart, in standard deviations of the wider one in that direction."""
    way = one.z - other.z
    return math.sqrt(min(way @ one.precision @ way, way @ other.precision @ way))


def _log_mass(mode: Optimum) -> float:
    """Log of the mass of the normal law that touches the density at its mode, up to a constant."""
    return float(mode.value - 0.5 * np.linalg.slogdet(mode.precision)[1])


def _shares(modes: list[Optimum]) -> tuple[float, ...]:
    logs = np.array([_log_mass(mode) for mode in modes])
    masses = np.exp(logs - logs.max(initial=-np.inf)) if modes else logs
    return tuple((masses / masses.sum()).tolist()) if modes else ()
