"""Which sampler a run gets if nobody asks for one: from the system, a pilot, and counts; never from time.

1. A system without exact derivatives gets a sampler that needs none.
2. Several modes and few unknowns: sequential Monte Carlo, whose particles begin all over the prior. A chain
   would stay in the mode it begins in.
3. A surrogate, where a system declares what polynomials may stand for, the run is long enough to pay for
   building them, and a trial says that their weights would be good ones.
4. Else the No-U-Turn sampler.
"""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

from mscale_uq.core.system import Smoothness
from mscale_uq.infer.chains import sample
from mscale_uq.infer.levels import Levels
from mscale_uq.infer.methods import DEFAULTS, REASONS
from mscale_uq.infer.pilot import Pilot
from mscale_uq.infer.settings import Settings
from mscale_uq.infer.surrogate import Smooth, correct

FEW = 10  # unknowns: the normal proposals of `smc` are refused too often beyond
STEPS = 7  # gradients of NUTS for a draw, in effective coordinates
WORTH = 2  # times as many solves without a surrogate, from which on one is tried
TRIED, TRIED_CHAINS = 100, 2  # of a trial: draws, chains
LEAST_EFFICIENCY = 0.5
LEAST_SHARE = 1e-3  # of the posterior, for a mode that a chain must not miss


@final
@dataclass(frozen=True)
class Choice:
    """A sampler, and why."""

    sampler: str
    why: str


@final
@dataclass(frozen=True)
class Trial:
    """Whether a surrogate would do, and how that was found."""

    good: bool
    said: str


def by_class(smoothness: Smoothness) -> Choice:
    """Return the choice that needs no pilot."""
    return Choice(DEFAULTS[smoothness], REASONS[smoothness])


def modes(pilot: Pilot) -> int:
    """Return how many modes a chain must not miss."""
    return sum(share > LEAST_SHARE for share in pilot.shares)


def by_pilot(unknowns: int, pilot: Pilot, trial: Trial | None) -> Choice:
    """Return the choice for a system with exact derivatives."""
    if modes(pilot) > 1:
        if unknowns <= FEW:
            return Choice("smc", f"there are several modes, and a chain would stay in one ({pilot})")
        many = f"several modes, between which no sampler here moves with {unknowns} unknowns: mind R-hat"
        return Choice("nuts", f"{REASONS['smooth']}; {many} ({pilot})")
    if trial is None:
        return Choice("nuts", f"{REASONS['smooth']} ({pilot})")
    if trial.good:
        return Choice("surrogate", f"the cell is dear, and {trial.said} ({pilot})")
    return Choice("nuts", f"{REASONS['smooth']}, and {trial.said} ({pilot})")


def pays(settings: Settings, building: int) -> bool:
    """Say whether a run is long enough for a surrogate that takes so many solves to build."""
    without = STEPS * settings.chains * (settings.draws + settings.tune)
    return without >= WORTH * (building + settings.chains * settings.draws)


def try_surrogate(target: Levels, settings: Settings, smooth: Smooth) -> Trial:
    """Weigh draws of a short run on the surrogate by exact over cheap likelihood, as the long one would."""
    short = replace(settings, sampler="nuts", draws=TRIED, chains=TRIED_CHAINS, cores=0)
    with tempfile.TemporaryDirectory() as folder:
        walked = sample(target.coarse[0], short)
        found = correct(target, short, walked, smooth, Path(folder))
    weights = f"k-hat {found.shape:.2f}, efficiency {found.efficiency:.2f} of {found.exact} exact likelihoods"
    if found.fell_back or found.efficiency < LEAST_EFFICIENCY:
        return Trial(False, f"a trial of its surrogate does not convince ({weights})")
    return Trial(True, f"a trial says that its surrogate stands for it ({weights})")
