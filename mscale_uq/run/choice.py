"""`decide`: the sampler of a run, chosen once if nobody asks for one, and kept in the run's folder."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mscale_uq.case.read import Case
from mscale_uq.core.map import Map
from mscale_uq.errors import InputError
from mscale_uq.infer.choice import FEW, Choice, Trial, by_class, by_pilot, modes, pays, try_surrogate
from mscale_uq.infer.pilot import explore
from mscale_uq.infer.settings import Settings
from mscale_uq.results.candidate import pareto_smoothed
from mscale_uq.run.folder import CASE, started
from mscale_uq.run.method import settings_of, with_changes
from mscale_uq.run.surrogate import levels_of
from mscale_uq.stats.posterior import Posterior
from mscale_uq.stats.stretch_solver import StretchSolver


def decide(
    case: Case, changes: Mapping[str, Any], folder: Path, fresh: bool = False, map: Map | None = None
) -> tuple[Case, str]:
    """Return the case with changes and a sampler, and why that one; no reason if it was asked for.

    A run that was begun goes on with the sampler that it has. `map` builds a surrogate that is tried.

    Raises
    ------
    CaseError
        As `with_changes` does.
    RunError
        If the folder holds something else than a run.
    """
    plain = with_changes(case, changes)
    if (changes.get("sampler") or case.method.sampler) != "auto":
        return plain, ""
    found = None if fresh else kept(folder)
    found = found or choose_sampler(plain, settings_of(plain), map)
    return with_changes(case, {**changes, "sampler": found.sampler}), found.why


def kept(folder: Path) -> Choice | None:
    """Return the sampler of the run in a folder; None if there is no run."""
    if not started(folder):
        return None
    tables = tomllib.loads((folder / CASE).read_text(encoding="utf-8"))
    return Choice(tables["method"]["sampler"], tables["run"].get("chosen", ""))


def choose_sampler(case: Case, settings: Settings, map: Map | None = None) -> Choice:
    """Return the sampler for a case, by a pilot where that can tell.

    Parameters
    ----------
    settings
        Of the run, with the sampler that the system gets without a pilot.
    map
        Builds a surrogate that is tried; here if None.
    """
    plain, posterior = by_class(case.smoothness), case.posterior()
    if case.smoothness != "smooth":
        return plain
    unknowns = len(posterior.names)
    building = 0 if case.approximating is not None else _building(case, posterior)
    dear = building > 0 and pays(settings, building)
    if unknowns > FEW and not dear:
        return Choice(plain.sampler, f"{plain.why}; {unknowns} unknowns are too many for other samplers")
    pilot = explore(posterior, settings)
    trial = None
    if dear and modes(pilot) == 1:
        try:
            trial = try_surrogate(levels_of(case, posterior, map)[0], settings, pareto_smoothed)
        except InputError as error:
            trial = Trial(False, f"there is no surrogate: {error}")
    return by_pilot(unknowns, pilot, trial)


def _building(case: Case, posterior: Posterior) -> int:
    """Return the most solves that a surrogate takes; 0 where the system declares no stretch."""
    pairs = [(e.model, s) for e in posterior.experiments for s in case.system.stretches]
    return sum(s.budget // StretchSolver(model, s).cell_problems for model, s in pairs)
